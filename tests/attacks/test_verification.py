"""Time, pepper, a database that goes away, and masses of bad keys: who is let in, and when."""

import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta, timezone
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest
from attacks.house import eventually
from attacks.people import Office
from attacks.raw import HOST, SELF, Answer, asked, bearer, request, serving
from factories import NOW, PEPPER, UNKNOWN_KEY

from mixus.accounts.principal import Scope
from mixus.agents.catalog import Catalog
from mixus.core.clock import utc_now
from mixus.core.database import Database
from mixus.core.errors import Misconfigured, Unauthorized
from mixus.core.settings import Settings
from mixus.keys import pepper as peppers
from mixus.keys import tokens
from mixus.keys.authenticate import authenticate
from mixus.keys.pepper import Pepper
from mixus.server.app import create_app

MILLISECOND = timedelta(milliseconds=1)
OTHER = Pepper(b"pepper of another deployment, also no secret")
NEIGHBOUR, STRANGER = "127.0.0.9", "127.0.7.1"


def refusal(office: Office, secret: str, pepper: Pepper = PEPPER, **when: timedelta) -> str:
    """The code with which this key is refused, or nothing."""
    now = utc_now() + when.get("after", timedelta(0))
    try:
        authenticate(office.database, pepper, [f"Bearer {secret}".encode()], None, now)
    except Unauthorized as refused:
        return refused.error_code
    return ""


@pytest.mark.parametrize("days", [7, 30, 60, 90, 180, 365])
def test_a_key_works_to_its_last_millisecond_and_not_in_the_next(office: Office, days: int) -> None:
    key = office.key(expires=timedelta(days=days))
    ends_at = key.info.expires_at
    assert ends_at is not None
    assert ends_at - key.info.created_at == timedelta(seconds=days * 86_400)
    header = [f"Bearer {key.secret}".encode()]
    assert authenticate(office.database, PEPPER, header, None, ends_at - MILLISECOND).credential_id == key.id
    for later in (timedelta(0), MILLISECOND, timedelta(days=1), timedelta(days=10_000)):
        with pytest.raises(Unauthorized) as refused:
            authenticate(office.database, PEPPER, header, None, ends_at + later)
        assert refused.value.error_code == "key-expired"


def test_an_expiry_in_any_time_zone_is_the_same_moment(office: Office) -> None:
    """A date in Kiritimati and one in Pago Pago differ by 25 hours and are not cut to days."""
    for offset in (14, 0, -11):
        moment = (NOW + timedelta(days=400)).astimezone(zone(offset))
        assert office.key(expires=moment).info.expires_at == moment


def zone(hours: int) -> timezone:
    return timezone(timedelta(hours=hours))


def test_a_key_hashed_with_another_pepper_is_unknown(office: Office) -> None:
    key = office.key()
    assert refusal(office, key.secret) == ""
    assert refusal(office, key.secret, OTHER) == "key-unknown"


def test_nothing_starts_with_another_pepper_than_the_keys_were_made_with(
    office: Office, tmp_path: Path
) -> None:
    mine, other = tmp_path / "mine", tmp_path / "other"
    office.act(lambda tx: peppers.open_pepper(tx, mine))
    peppers.load_or_create(other)
    with pytest.raises(Misconfigured, match="not the one"):
        office.act(lambda tx: peppers.open_pepper(tx, other))
    with pytest.raises(Misconfigured, match="missing"):
        office.act(lambda tx: peppers.open_pepper(tx, tmp_path / "lost"))
    assert not (tmp_path / "lost").exists()
    assert office.act(lambda tx: peppers.open_pepper(tx, mine)) == peppers.load_or_create(mine)


def test_no_published_key_is_ever_let_in_though_somebody_wrote_its_hash(office: Office) -> None:
    key = office.key()
    for number, published in enumerate(sorted(tokens.PUBLISHED)):
        with office.database.transaction() as tx:
            mark = "?" if office.database.is_sqlite else "%s"
            tx.connection.exec_driver_sql(
                f"update keys set lookup_hash = {mark} where id = {mark}",  # noqa: S608 - marks, no values
                (PEPPER.hash(published), key.id),
            )
        assert refusal(office, published) == "key-unknown", number


def test_the_stored_hash_of_a_key_opens_nothing(office: Office) -> None:
    digest = PEPPER.hash(office.key().secret)
    for text in (digest.hex(), digest.hex().upper(), f"mxs_eval_{digest.hex()[:32]}", digest.hex()[:41]):
        assert refusal(office, text) in {"key-malformed", "key-checksum"}


@contextmanager
def server(database: Database, **settings: Any) -> Iterator[int]:
    made = Settings(requests_per_minute=1_000_000, **settings)
    with serving(create_app(made, database, PEPPER, Catalog("rehearsal"))) as port:
        yield port


def try_key(port: int, secret: str, *lines: bytes, source: str = HOST) -> Answer:
    return asked(port, request(bearer(secret), *lines), source)


def test_a_database_that_goes_away_is_a_503_and_comes_back_without_a_restart(
    postgres_server: str, postgres_database_url: str
) -> None:
    database = Database(postgres_database_url)
    office = Office(database, PEPPER)
    key, revoked = office.key(), office.key()
    office.revoke(revoked.id)
    name = str(database.url.database)
    with server(database) as port, psycopg.connect(postgres_server, autocommit=True) as admin:
        assert try_key(port, key.secret).status == 200
        try:
            admin.execute(f"alter database {name} with allow_connections false".encode())
            admin.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [name])
            for secret in (key.secret, revoked.secret, UNKNOWN_KEY, key.secret):
                answer = try_key(port, secret)
                assert (answer.status, answer.code) == (503, "unavailable")
                assert int(answer.header(b"retry-after") or 0) > 0
                assert b"postgres" not in answer.body.lower()
            # What needs no database says what is wrong all the same.
            assert try_key(port, key.secret[:-1]).status == 401
            assert asked(port, request(path=b"/healthz")).status == 200
            assert asked(port, request(path=b"/readyz")).status == 503
        finally:
            admin.execute(f"alter database {name} with allow_connections true".encode())
        assert try_key(port, key.secret).status == 200
        assert try_key(port, revoked.secret).code == "key-revoked"
        assert try_key(port, UNKNOWN_KEY).code == "key-unknown"
    database.close()


MANY = 40


def bad_keys() -> Iterator[str]:
    """Well formed, with a right checksum, and made up."""
    for _ in count():
        yield tokens.generate()


def flood(port: int, number: int, *lines: bytes, source: str = HOST) -> list[int]:
    bad = bad_keys()
    return [try_key(port, next(bad), *lines, source=source).status for _ in range(number)]


def test_a_network_that_sends_too_many_bad_keys_is_told_to_wait(office: Office) -> None:
    with server(office.database, failed_keys_per_minute=MANY) as port:
        statuses = flood(port, MANY + 20)
        assert statuses[:MANY] == [401] * MANY
        assert set(statuses[MANY:]) == {429}
        refused = try_key(port, UNKNOWN_KEY)
        assert (refused.status, refused.code) == (429, "rate-limited")
        assert 1 <= int(refused.header(b"retry-after") or 0) <= 60


def test_bad_keys_of_any_kind_count(office: Office) -> None:
    with server(office.database, failed_keys_per_minute=MANY) as port:
        kinds = [UNKNOWN_KEY, UNKNOWN_KEY[:-1], UNKNOWN_KEY[:-1] + "0", "x"]
        statuses = [try_key(port, kinds[number % 4]).status for number in range(MANY + 4)]
        assert statuses == [401] * MANY + [429] * 4
        # A request without a key is no attempt.
        assert asked(port, request()).status == 401


def test_good_keys_old_and_new_work_in_the_network_of_a_flood(office: Office) -> None:
    known = office.key()
    with server(office.database, failed_keys_per_minute=MANY) as port:
        assert try_key(port, known.secret).status == 200
        flood(port, MANY + 1)
        for _ in range(30):
            assert try_key(port, known.secret).status == 200
            assert try_key(port, known.secret, source=NEIGHBOUR).status == 200
        fresh = office.key()
        assert try_key(port, fresh.secret).status == 200
        assert try_key(port, UNKNOWN_KEY).status == 429


def test_a_fresh_key_has_its_turn_among_the_few_that_are_looked_for_in_a_flood(office: Office) -> None:
    """It may be told to come back in a second, as everybody unknown is, and is let in when it does."""
    with server(office.database, failed_keys_per_minute=MANY) as port:
        flood(port, MANY + 1)
        with ThreadPoolExecutor(1) as threads:
            attack = threads.submit(flood, port, 400)
            fresh = office.key()
            eventually(lambda: try_key(port, fresh.secret).status == 200, seconds=10)
            attack.result()
        # From now on it is known, and never refused for what others do.
        flood(port, 20)
        assert {try_key(port, fresh.secret).status for _ in range(20)} == {200}


def test_a_flood_in_one_network_does_not_touch_another(office: Office) -> None:
    with server(office.database, failed_keys_per_minute=MANY) as port:
        flood(port, MANY + 20)
        assert flood(port, 20, source=STRANGER) == [401] * 20
        assert try_key(port, office.key().secret, source=STRANGER).status == 200


FORWARDED = (
    b"X-Forwarded-For: 203.0.113.%d",
    b"X-Real-IP: 203.0.113.%d",
    b"Forwarded: for=203.0.113.%d",
    b"X-Forwarded-For: 10.0.%d.1, 203.0.113.7",
    b"CF-Connecting-IP: 203.0.113.%d",
)


@pytest.mark.parametrize("line", FORWARDED)
def test_nobody_escapes_by_naming_another_address(office: Office, line: bytes) -> None:
    """Nobody is a proxy unless the admin says so."""
    with server(office.database, failed_keys_per_minute=MANY) as port:
        statuses = [try_key(port, UNKNOWN_KEY, line % (number % 250)).status for number in range(MANY + 5)]
        assert statuses[MANY:] == [429] * 5


def test_nobody_is_blamed_for_a_flood_that_only_names_his_address(office: Office) -> None:
    with server(office.database, failed_keys_per_minute=MANY) as port:
        flood(port, MANY + 5, b"X-Forwarded-For: " + STRANGER.encode())
        assert try_key(port, UNKNOWN_KEY, source=STRANGER).status == 401


def test_a_trusted_proxy_is_believed_and_only_for_the_last_address_that_it_saw(office: Office) -> None:
    made = Settings(failed_keys_per_minute=MANY, trusted_proxies=HOST)
    app = create_app(made, office.database, PEPPER, Catalog("rehearsal"))
    with serving(app, made.trusted_proxies) as port:
        # What a client wrote before the proxy added its address is the client's own word.
        for number in range(MANY + 5):
            spoofed = b"X-Forwarded-For: 10.0.%d.1, 203.0.113.7" % number
            status = try_key(port, UNKNOWN_KEY, spoofed).status
        assert status == 429
        assert try_key(port, UNKNOWN_KEY, b"X-Forwarded-For: 198.51.100.7").status == 401
        # Another network that is no proxy is not believed.
        flood(port, MANY + 1, b"X-Forwarded-For: 198.51.100.7", source=STRANGER)
        assert try_key(port, UNKNOWN_KEY, b"X-Forwarded-For: 198.51.100.7").status == 401


@pytest.mark.parametrize(
    "value", [b"", b"unknown", b"127.1", b"::ffff:127.0.0.1%eth0", b"[::1]:99", b"\xff", b"," * 500]
)
def test_a_forwarded_address_that_is_none_breaks_nothing(office: Office, value: bytes) -> None:
    key = office.key()
    made = Settings(trusted_proxies=HOST)
    app = create_app(made, office.database, PEPPER, Catalog("rehearsal"))
    with serving(app, made.trusted_proxies) as port:
        assert try_key(port, key.secret, b"X-Forwarded-For: " + value).status == 200


def test_an_unknown_key_becomes_good_as_soon_as_it_is_there(office: Office) -> None:
    """No refusal is remembered: the same text is asked for again each time."""
    secret = tokens.generate()
    key = office.key()
    with server(office.database) as port:
        assert try_key(port, secret).code == "key-unknown"
        mark = "?" if office.database.is_sqlite else "%s"
        office.act(
            lambda tx: tx.connection.exec_driver_sql(
                f"update keys set lookup_hash = {mark} where id = {mark}",  # noqa: S608 - marks, no values
                (PEPPER.hash(secret), key.id),
            )
        )
        assert try_key(port, secret).status == 200
        assert try_key(port, key.secret).code == "key-unknown"


def test_no_answer_to_a_stranger_says_whether_a_key_nearly_fits(office: Office) -> None:
    """Whoever lacks one character learns what whoever lacks all of them learns."""
    key = office.key()
    neighbours = []
    body = key.secret[: -tokens.CHECKSUM_LENGTH]
    for place in range(len(tokens.PREFIX), len(body)):
        changed = body[:place] + ("a" if body[place] != "a" else "b") + body[place + 1 :]
        neighbours.append(changed + tokens.checksum(changed))
    with server(office.database) as port:
        details = {try_key(port, secret).json["detail"] for secret in (*neighbours, UNKNOWN_KEY)}
    assert len(details) == 1


def test_a_key_that_is_over_says_so_only_to_whoever_holds_all_of_it(office: Office) -> None:
    key = office.key(scopes=[Scope.READ])
    office.revoke(key.id)
    with server(office.database) as port:
        assert try_key(port, key.secret).code == "key-revoked"
        other = key.secret[:-1] + secrets.choice("abc")
        assert try_key(port, other).code in {"key-checksum", "key-revoked"}
        assert asked(port, request(path=f"{SELF}?id={key.id}".encode())).code == "key-missing"
