"""Whose key it is: a refusal for everything but one active key, and no question to the database too many."""

import base64
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from factories import NOBODY, NOW, PEPPER, UNKNOWN_KEY, create_account, create_key
from sqlalchemy import update
from sqlalchemy.exc import OperationalError

from mixus.accounts.principal import Principal, Role, Scope, Via
from mixus.accounts.tables import accounts
from mixus.core.clock import to_ms
from mixus.core.database import Database, sqlite_url
from mixus.core.errors import BadRequest, Unauthorized
from mixus.keys import service, tokens
from mixus.keys.authenticate import authenticate
from mixus.keys.info import KeyInfo
from mixus.keys.pepper import Pepper
from mixus.keys.tables import keys

MILLISECOND = timedelta(milliseconds=1)


@pytest.fixture
def made(database: Database) -> tuple[str, KeyInfo]:
    """The key of ada@example.org, a member: its secret and what is kept."""
    with database.transaction() as tx:
        return create_key(tx, create_account(tx), [Scope.CREATE, Scope.READ])


def call(database: Database, secret: str, now: datetime = NOW, pepper: Pepper = PEPPER) -> Principal:
    return authenticate(database, pepper, [b"Bearer " + secret.encode()], "192.0.2.0/24", now)


def refusal(database: Database, secret: str, now: datetime = NOW, pepper: Pepper = PEPPER) -> Unauthorized:
    with pytest.raises(Unauthorized) as refused:
        call(database, secret, now, pepper)
    assert secret not in refused.value.detail
    return refused.value


def test_an_active_key_says_who_is_calling(database: Database, made: tuple[str, KeyInfo]) -> None:
    secret, key = made
    scopes = frozenset({Scope.CREATE, Scope.READ})
    assert key.expires_at is not None
    ends = to_ms(key.expires_at)
    assert call(database, secret) == Principal(
        key.user_id, "ada@example.org", Role.MEMBER, scopes, key.id, Via.KEY, "192.0.2.0/24", ends
    )


def test_each_key_finds_its_own_owner(database: Database) -> None:
    with database.transaction() as tx:
        made = [create_key(tx, create_account(tx, f"user{number}@example.org")) for number in range(5)]
    assert [call(database, secret).email for secret, _ in made] == [key.owner_email for _, key in made]


def test_a_key_that_nobody_issued_is_unknown(database: Database, made: tuple[str, KeyInfo]) -> None:
    assert refusal(database, tokens.generate()).error_code == "key-unknown"


def test_a_key_of_another_deployment_is_unknown(database: Database, made: tuple[str, KeyInfo]) -> None:
    other = Pepper(b"another pepper, also not a secret")
    assert refusal(database, made[0], pepper=other).error_code == "key-unknown"


def test_a_stored_hash_is_no_key(database: Database, made: tuple[str, KeyInfo]) -> None:
    stored = PEPPER.hash(made[0])
    for text in (stored.hex(), base64.b64encode(stored).decode(), tokens.PREFIX + stored.hex()[:32]):
        assert refusal(database, text).error_code in {"key-malformed", "key-checksum"}


@pytest.mark.parametrize(
    ("after_expiry", "is_accepted"), [(-MILLISECOND, True), (timedelta(0), False), (MILLISECOND, False)]
)
def test_a_key_ends_with_the_millisecond_of_its_expiry(
    database: Database, made: tuple[str, KeyInfo], *, after_expiry: timedelta, is_accepted: bool
) -> None:
    secret, key = made
    assert key.expires_at is not None
    now = key.expires_at + after_expiry
    if is_accepted:
        assert call(database, secret, now).credential_id == key.id
    else:
        refused = refusal(database, secret, now)
        assert refused.error_code == "key-expired"
        assert "2027-02-21T10:00:00.000Z" in refused.detail


def test_a_revoked_key_is_refused_by_the_next_request(database: Database, made: tuple[str, KeyInfo]) -> None:
    secret, key = made
    call(database, secret)
    with database.transaction() as tx:
        service.revoke(tx, NOBODY, key.id, NOW)
    refused = refusal(database, secret)
    assert refused.error_code == "key-revoked"
    assert "2026-11-23T10:00:00.000Z" in refused.detail


def test_a_disabled_key_is_refused(database: Database, made: tuple[str, KeyInfo]) -> None:
    with database.transaction() as tx:
        tx.execute(update(keys).values(disabled_at=NOW))
    assert refusal(database, made[0]).error_code == "key-disabled"


def test_the_key_of_a_disabled_account_is_refused(database: Database, made: tuple[str, KeyInfo]) -> None:
    with database.transaction() as tx:
        tx.execute(update(accounts).values(disabled_at=NOW))
    refused = refusal(database, made[0])
    assert refused.error_code == "key-disabled"
    assert "account" in refused.detail


def test_the_most_final_state_is_named(database: Database, made: tuple[str, KeyInfo]) -> None:
    secret, key = made
    with database.transaction() as tx:
        tx.execute(update(keys).values(disabled_at=NOW))
        service.revoke(tx, NOBODY, key.id, NOW)
    assert refusal(database, secret, NOW + timedelta(days=1000)).error_code == "key-revoked"


def test_a_lowered_role_narrows_the_key_at_the_next_request(database: Database) -> None:
    with database.transaction() as tx:
        owner = create_account(tx, role=Role.ADMIN)
        secrets = [create_key(tx, owner, [scope])[0] for scope in (Scope.MANAGE, Scope.CREATE)]
    assert [call(database, secret).scopes for secret in secrets] == [{Scope.MANAGE}, {Scope.CREATE}]
    with database.transaction() as tx:
        tx.execute(update(accounts).values(role=Role.VIEWER))
    assert [call(database, secret).scopes for secret in secrets] == [{Scope.READ}, frozenset()]


def test_a_changed_address_is_seen_at_the_next_request(database: Database, made: tuple[str, KeyInfo]) -> None:
    with database.transaction() as tx:
        tx.execute(update(accounts).values(email="ada.l@example.org"))
    assert call(database, made[0]).email == "ada.l@example.org"


def test_a_fresh_key_works_at_once_on_another_connection(database: Database, database_url: str) -> None:
    other = Database(database_url)
    secret = tokens.generate()
    assert refusal(other, secret).error_code == "key-unknown"
    with database.transaction() as tx:
        secret, _ = create_key(tx, create_account(tx))
    assert call(other, secret).email == "ada@example.org"
    other.close()


class Untouchable(Database):
    """A database that nobody may ask."""

    def __init__(self) -> None:
        """Opens nothing."""

    def rows(self, *_arguments: object, **_parameters: object) -> list[dict[str, object]]:
        raise AssertionError("the database was asked")


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"Bearer ",
        b"Bearer " + UNKNOWN_KEY[:-1].encode(),
        b"Bearer mxs_eval_" + b"0" * 32,
        *(b"Bearer " + vector.encode() for vector in sorted(tokens.PUBLISHED)),
    ],
)
def test_the_database_is_not_asked_before_the_checksum_fits(header: bytes) -> None:
    with pytest.raises(Unauthorized):
        authenticate(Untouchable(), PEPPER, [header], None, NOW)


def test_the_database_is_not_asked_for_no_key_or_two() -> None:
    with pytest.raises(Unauthorized):
        authenticate(Untouchable(), PEPPER, [], None, NOW)
    with pytest.raises(BadRequest):
        authenticate(Untouchable(), PEPPER, [b"Bearer " + UNKNOWN_KEY.encode()] * 2, None, NOW)


def test_the_database_is_asked_for_a_whole_key() -> None:
    with pytest.raises(AssertionError, match="was asked"):
        authenticate(Untouchable(), PEPPER, [b"Bearer " + UNKNOWN_KEY.encode()], None, NOW)


def test_a_database_that_is_away_is_no_reason_to_say_unknown(tmp_path: Path) -> None:
    away = Database(sqlite_url(tmp_path / "no" / "such" / "folder.db"))
    with pytest.raises(Exception, match="unable to open") as failed:
        call(away, tokens.generate())
    assert not isinstance(failed.value, Unauthorized | OperationalError)
    away.close()
