"""Making, listing and revoking keys; attack group C; and the pepper that they are hashed with."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from factories import NOBODY, NOW, PEPPER, UNKNOWN_KEY, create_account, create_key
from sqlalchemy import select

from mixus.accounts.principal import Role, Scope
from mixus.core.database import Database
from mixus.core.errors import Conflict, Invalid, Misconfigured, NotFound
from mixus.core.events import Actor, events
from mixus.keys import info, service, tokens
from mixus.keys import pepper as peppers
from mixus.keys.lifecycle import State
from mixus.keys.pepper import Pepper
from mixus.keys.service import NewKey
from mixus.keys.tables import keys

NEW = NewKey("set by each test", "ci", [Scope.CREATE])


def refusal(database: Database, **changes: Any) -> Invalid:
    """Why a key with these fields is refused; nothing of it is kept."""
    with pytest.raises(Invalid) as refused:
        made(database, **changes)
    with database.transaction() as tx:
        assert info.list_keys(tx) == []
        assert tx.execute(select(events)).all() == []
    return refused.value


def made(database: Database, **changes: Any) -> info.KeyInfo:
    with database.transaction() as tx:
        owner = create_account(tx)
        return service.create(tx, PEPPER, replace(NEW, user_id=owner.id, **changes), NOBODY, NOW)[1]


def test_a_new_key_is_described_without_its_secret(database: Database) -> None:
    with database.transaction() as tx:
        owner = create_account(tx)
        new = NewKey(owner.id, "  nightly  ", [Scope.READ, Scope.CREATE, Scope.READ], "for the build")
        secret, key = service.create(tx, PEPPER, new, NOBODY, NOW)
        assert info.list_keys(tx) == [key] == [info.describe(tx, key.id)]
    assert (key.owner_email, key.name, key.description) == ("ada@example.org", "nightly", "for the build")
    assert key.scopes == (Scope.CREATE, Scope.READ)
    assert (key.created_at, key.expires_at) == (NOW, NOW + timedelta(days=90))
    assert key.masked == tokens.mask(secret)
    assert secret[:-4] not in repr(key)
    assert key.state(NOW) is State.ACTIVE
    assert key.state(NOW + timedelta(days=90)) is State.EXPIRED


def test_neither_database_nor_audit_holds_the_secret(database: Database) -> None:
    with database.transaction() as tx:
        secret, key = create_key(tx, create_account(tx))
        service.revoke(tx, NOBODY, key.id, NOW)
        stored = [*tx.execute(select(keys)).all(), *tx.execute(select(events)).all()]
        row = tx.execute(select(keys)).one()
    assert secret[9:35] not in repr(stored)
    assert (row.lookup_hash, row.pepper_id) == (PEPPER.hash(secret), PEPPER.id)


def test_keys_are_listed_oldest_first_of_one_account_or_of_all(database: Database) -> None:
    with database.transaction() as tx:
        ada, bob = create_account(tx, "ada@example.org"), create_account(tx, "bob@example.org")
        later = create_key(tx, ada, now=NOW + timedelta(seconds=1))[1]
        first, of_bob = create_key(tx, ada)[1], create_key(tx, bob, now=NOW + timedelta(seconds=2))[1]
        assert info.list_keys(tx) == [first, later, of_bob]
        assert info.list_keys(tx, bob.id) == [of_bob]


def test_a_key_is_revoked_once_and_for_ever(database: Database) -> None:
    later = NOW + timedelta(hours=1)
    with database.transaction() as tx:
        _, key = create_key(tx, create_account(tx))
        revoked = service.revoke(tx, Actor("usr_admin"), key.id, NOW, " found in a log ")
        assert (revoked.revoked_at, revoked.revoked_by) == (NOW, "usr_admin")
        assert (revoked.revoke_reason, revoked.state(NOW)) == ("found in a log", State.REVOKED)
        with pytest.raises(Conflict, match=r"2026-11-23T10:00:00\.000Z") as refused:
            service.revoke(tx, NOBODY, key.id, later)
        assert refused.value.error_code == "already-revoked"
        assert info.describe(tx, key.id) == revoked


def test_of_rival_revocations_one_wins(database: Database) -> None:
    with database.transaction() as tx:
        _, key = create_key(tx, create_account(tx))

    def revoke(number: int) -> bool:
        try:
            with database.transaction() as tx:
                service.revoke(tx, Actor(f"usr_{number}"), key.id, NOW)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(revoke, range(8))) == 1
    with database.transaction() as tx:
        assert tx.execute(select(events).where(events.c.kind == "key.revoked")).one()


def test_an_unknown_key_cannot_be_revoked(database: Database) -> None:
    with database.transaction() as tx, pytest.raises(NotFound):
        service.revoke(tx, NOBODY, "key_unknown", NOW)


def test_a_key_needs_an_account(database: Database) -> None:
    with database.transaction() as tx, pytest.raises(NotFound):
        service.create(tx, PEPPER, replace(NEW, user_id="usr_unknown"), NOBODY, NOW)


def test_every_creation_and_revocation_is_in_the_audit(database: Database) -> None:
    actor = Actor("usr_admin", "192.0.2.0/24")
    with database.transaction() as tx:
        owner = create_account(tx)
        new = replace(NEW, user_id=owner.id)
        key = service.create(tx, PEPPER, new, actor, NOW)[1]
        service.revoke(tx, actor, key.id, NOW + timedelta(days=100), "old")
        created, revoked = tx.execute(
            select(events).where(events.c.subject_id == key.id).order_by(events.c.at)
        )
    assert (created.kind, created.actor_id, created.network, created.at) == (
        "key.created",
        "usr_admin",
        "192.0.2.0/24",
        NOW,
    )
    assert created.data == {
        "before": None,
        "after": {
            "userId": owner.id,
            "name": "ci",
            "description": "",
            "scopes": ["eval:create"],
            "allowLive": False,
            "expiresAt": "2027-02-21T10:00:00.000Z",
        },
    }
    assert revoked.kind == "key.revoked"
    assert revoked.data == {"before": {"state": "expired"}, "after": {"state": "revoked", "reason": "old"}}


# What people write on it.


@pytest.mark.parametrize(
    "name",
    [
        "",
        "   ",
        "\u200b",
        "a" * 81,
        "a\x00b",
        "a\r\nBcc: eve@example.org",
        "a\tb",
        "a\x7f",
        "a\x85b",
        "a\u2028b",
        "a\ud800",
        "invoice\u202egpj.exe",
        "a\u2066b",
        UNKNOWN_KEY,
        f"the key {UNKNOWN_KEY} of ada",
    ],
)
def test_a_name_that_hides_forges_or_leaks_is_refused(database: Database, name: str) -> None:
    assert refusal(database, name=name).members["errors"][0]["field"] == "name"


@pytest.mark.parametrize(
    "name",
    [
        "a",
        "a" * 80,
        "😀" * 80,
        "👩‍👩‍👧",
        "مفتاح",
        "=cmd()",
        "<img onerror=x>",
        "{{7*7}}",
        "../../",
    ],
)
def test_any_other_name_is_kept_as_it_is(database: Database, name: str) -> None:
    assert made(database, name=name).name == name


@pytest.mark.parametrize("description", ["a" * 501, "a\nb", f"was {UNKNOWN_KEY}"])
def test_a_description_follows_the_same_rules(database: Database, description: str) -> None:
    assert refusal(database, description=description).members["errors"][0]["field"] == "description"


def test_a_description_has_up_to_500_characters(database: Database) -> None:
    assert made(database, description="é" * 500).description == "é" * 500


def test_the_refusal_of_a_key_in_a_name_does_not_repeat_it(database: Database) -> None:
    assert UNKNOWN_KEY[9:] not in refusal(database, name=UNKNOWN_KEY).detail


# What it may do, and until when.


def test_a_key_needs_a_scope(database: Database) -> None:
    assert "eval:create" in refusal(database, scopes=[]).detail


@pytest.mark.parametrize("scope", [Scope.CREATE, Scope.MANAGE])
def test_the_keys_of_a_viewer_only_read(database: Database, scope: Scope) -> None:
    with database.transaction() as tx:
        viewer = create_account(tx, role=Role.VIEWER)
        with pytest.raises(Invalid, match="may only have eval:read"):
            create_key(tx, viewer, [Scope.READ, scope])
        assert create_key(tx, viewer, [Scope.READ])[1].scopes == (Scope.READ,)


@pytest.mark.parametrize("days", [7, 30, 60, 90, 180, 365])
def test_a_lifetime_is_whole_days_of_24_hours(database: Database, days: int) -> None:
    assert made(database, expires=timedelta(days=days)).expires_at == NOW + timedelta(hours=24 * days)


@pytest.mark.parametrize(
    "moment", [NOW + timedelta(milliseconds=1), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)]
)
def test_a_key_may_end_at_any_later_moment(database: Database, moment: datetime) -> None:
    assert made(database, expires=moment).expires_at == moment


@pytest.mark.parametrize(
    "expires",
    [
        None,
        timedelta(days=8),
        timedelta(0),
        timedelta(days=-7),
        timedelta.max,
        NOW,
        NOW - timedelta(milliseconds=1),
        datetime(1970, 1, 1, tzinfo=UTC),
    ],
)
def test_any_other_end_is_refused(database: Database, expires: timedelta | datetime | None) -> None:
    assert refusal(database, expires=expires).members["errors"][0]["field"] == "expires"


# The pepper.


def test_the_pepper_is_made_once_and_kept_private(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "pepper"
    made = peppers.load_or_create(path)
    assert peppers.load_or_create(path) == made
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["pepper"]
    assert made.secret.hex() not in repr(made)
    assert made.secret.decode() not in repr(made)


def test_first_starts_at_once_agree_on_one_pepper(tmp_path: Path) -> None:
    path = tmp_path / "pepper"
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(peppers.load_or_create, [path] * 8))
    assert len({pepper.secret for pepper in made}) == 1


@pytest.mark.skipif(os.name != "posix", reason="files have owners and groups only there")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o777])
def test_a_pepper_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "pepper"
    peppers.load_or_create(path)
    path.chmod(mode)
    with pytest.raises(Misconfigured, match="chmod 600"):
        peppers.load_or_create(path)


@pytest.mark.parametrize("content", ["", "\n", "short", "x" * 31])
def test_an_empty_or_short_pepper_is_refused_and_kept(tmp_path: Path, content: str) -> None:
    path = tmp_path / "pepper"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(Misconfigured, match="shorter than 32"):
        peppers.load_or_create(path)
    assert path.read_text() == content


def test_a_wrong_pepper_refuses_to_start(database: Database) -> None:
    with database.transaction() as tx:
        peppers.ensure_canary(tx, PEPPER)
        peppers.ensure_canary(tx, PEPPER)
    with pytest.raises(Misconfigured, match="MIXUS_PEPPER_FILE"), database.transaction() as tx:
        peppers.ensure_canary(tx, Pepper(b"another pepper, also not a secret"))


def test_of_two_first_starts_with_two_peppers_one_refuses(database: Database) -> None:
    def start(number: int) -> bool:
        try:
            with database.transaction() as tx:
                peppers.ensure_canary(tx, Pepper(b"%032d" % number))
        except Misconfigured:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(start, range(8))) == 1


def test_a_lost_pepper_file_is_not_replaced_by_a_new_one(database: Database, tmp_path: Path) -> None:
    path = tmp_path / "pepper"
    with database.transaction() as tx:
        made = peppers.open_pepper(tx, path)
        assert peppers.open_pepper(tx, path) == made
        path.unlink()
        with pytest.raises(Misconfigured, match="missing"):
            peppers.open_pepper(tx, path)
    assert not path.exists()
