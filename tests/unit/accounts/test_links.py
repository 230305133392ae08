"""One-time links: each works once, for one thing, for a while."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from factories import NOBODY, create_account
from sqlalchemy import select
from unit.accounts.people import CHEAP, HASH, HOME, kinds, sign_in, the_event, with_password

from mixus.accounts import changes, links, redeem, service, sessions
from mixus.accounts.principal import Role
from mixus.accounts.sign_in import SignedIn
from mixus.accounts.tables import accounts
from mixus.accounts.tables import links as link_table
from mixus.core.database import Database
from mixus.core.errors import Conflict, Invalid, MixusError, NotFound, Unauthorized
from mixus.core.events import Actor

MILLISECOND = timedelta(milliseconds=1)
NEW_HASH = CHEAP.hash("another walk by the sea")
Make = Callable[[Database, datetime], str]


def first(database: Database, now: datetime) -> str:
    with database.transaction() as tx:
        return str(links.make_for_first_account(tx, now))


def invitation(database: Database, now: datetime) -> str:
    with database.transaction() as tx:
        return links.invite(tx, "Bob@example.org", Role.VIEWER, Actor("usr_admin"), now)[0]


def for_password(database: Database, now: datetime) -> str:
    with database.transaction() as tx:
        ada = service.find_by_email(tx, "ada@example.org") or create_account(tx)
        return links.make_for_password(tx, ada.id, Actor("usr_admin"), now)[0]


def use(database: Database, token: str, now: datetime, email: str | None = None) -> SignedIn:
    link = links.find(database, token, now)
    address = redeem.address_of(link, email)
    with database.transaction() as tx:
        return redeem.redeem(tx, link, address, NEW_HASH, HOME, now)


def stored_hash(database: Database, email: str) -> str:
    with database.snapshot() as tx:
        statement = select(accounts.c.password_hash).where(accounts.c.email == email)
        return str(tx.execute(statement).scalar_one())


def is_unusable(database: Database, token: str, now: datetime) -> bool:
    with pytest.raises(NotFound) as refused:
        use(database, token, now)
    return refused.value.error_code == "link-unusable"


KINDS = pytest.mark.parametrize(
    ("make", "email", "days"), [(first, "eve@example.org", 1), (invitation, None, 7), (for_password, None, 7)]
)


@KINDS
def test_a_link_works_once(
    database: Database, now: datetime, make: Make, email: str | None, days: int
) -> None:
    token = make(database, now)
    signed_in = use(database, token, now, email)
    assert sessions.authenticate(database, signed_in.token, None, now).user_id == signed_in.account.id
    assert is_unusable(database, token, now)


@KINDS
def test_a_link_expires(database: Database, now: datetime, make: Make, email: str | None, days: int) -> None:
    token = make(database, now)
    end = now + timedelta(days=days)
    assert is_unusable(database, token, end)
    use(database, token, end - MILLISECOND, email)


@KINDS
def test_a_new_link_replaces_the_older_one(
    database: Database, now: datetime, make: Make, email: str | None, days: int
) -> None:
    older, newer = make(database, now), make(database, now)
    assert is_unusable(database, older, now)
    use(database, newer, now, email)


@KINDS
def test_of_fifty_who_use_one_link_at_once_one_gets_in(
    database: Database, now: datetime, make: Make, email: str | None, days: int
) -> None:
    token = make(database, now)
    link = links.find(database, token, now)
    address = redeem.address_of(link, email)

    def run(_: int) -> str:
        try:
            with database.transaction() as tx:
                redeem.redeem(tx, link, address, NEW_HASH, HOME, now)
        except MixusError as refused:
            return refused.error_code
        return "in"

    with ThreadPoolExecutor(10) as threads:
        results = list(threads.map(run, range(50)))
    assert results.count("in") == 1
    assert set(results) == {"in", "link-unusable"}
    assert kinds(database).count("session.opened") == 1


@KINDS
def test_the_token_is_nowhere_but_in_the_link(
    database: Database, now: datetime, make: Make, email: str | None, days: int
) -> None:
    token = make(database, now)
    use(database, token, now, email)
    with database.snapshot() as tx:
        rows = repr(tx.execute(select(link_table)).all())
        assert token not in rows + repr(tx.connection.exec_driver_sql("select * from events").all())


@pytest.mark.parametrize("token", ["", "x", "A" * 43, "A" * 42 + "\u00e9", "\0", "A" * 10_000])
def test_a_token_of_nobody_opens_nothing(database: Database, now: datetime, token: str) -> None:
    assert is_unusable(database, token, now)


def test_the_first_account_is_an_admin_of_the_address_that_is_given(
    database: Database, now: datetime
) -> None:
    signed_in = use(database, first(database, now), now, "Eve@example.org")
    assert (signed_in.account.email, signed_in.account.role) == ("eve@example.org", Role.ADMIN)
    assert stored_hash(database, "eve@example.org") == NEW_HASH


def test_the_first_account_needs_an_address(database: Database, now: datetime) -> None:
    token = first(database, now)
    with pytest.raises(Invalid):
        use(database, token, now)
    with pytest.raises(Invalid):
        use(database, token, now, "nobody")
    use(database, token, now, "eve@example.org")


def test_there_is_no_link_for_the_first_account_once_there_is_one(database: Database, now: datetime) -> None:
    token = first(database, now)
    with database.transaction() as tx:
        create_account(tx)
        assert links.make_for_first_account(tx, now) is None
    with pytest.raises(NotFound):
        use(database, token, now, "eve@example.org")
    with database.snapshot() as tx:
        assert [account.email for account in service.list_accounts(tx)] == ["ada@example.org"]


def test_an_invitation_makes_the_account_that_the_admin_has_planned(
    database: Database, now: datetime
) -> None:
    token = invitation(database, now)
    with pytest.raises(Invalid):
        use(database, token, now, "eve@example.org")
    signed_in = use(database, token, now)
    assert (signed_in.account.email, signed_in.account.role) == ("bob@example.org", Role.VIEWER)
    link = the_event(database, "account.invited")
    assert (link.actor_id, link.data["after"]["email"], link.data["after"]["role"]) == (
        "usr_admin",
        "bob@example.org",
        "viewer",
    )
    created = the_event(database, "account.created")
    assert (created.subject_id, created.actor_id, created.credential_id, created.network) == (
        signed_in.account.id,
        None,
        link.subject_id,
        HOME.network,
    )


def test_nobody_is_invited_twice(database: Database, now: datetime) -> None:
    token = invitation(database, now)
    with database.transaction() as tx:
        create_account(tx, "bob@example.org")
    with pytest.raises(Conflict) as refused:
        invitation(database, now)
    assert refused.value.error_code == "account-exists"
    with pytest.raises(Conflict):
        use(database, token, now)


def test_a_password_link_sets_the_password_and_ends_all_sessions(database: Database, now: datetime) -> None:
    with database.transaction() as tx:
        ada = with_password(tx)
    old, _ = sign_in(database, ada)
    token = for_password(database, now)
    sessions.authenticate(database, old, None, now)
    assert stored_hash(database, ada.email) == HASH
    signed_in = use(database, token, now)
    assert signed_in.account.id == ada.id
    assert stored_hash(database, ada.email) == NEW_HASH
    with pytest.raises(Unauthorized):
        sessions.authenticate(database, old, None, now)


def test_a_link_dies_with_what_it_was_made_for(database: Database, now: datetime) -> None:
    with database.transaction() as tx:
        ada = create_account(tx)
    changed, disabled = for_password(database, now), ""
    with database.transaction() as tx:
        changes.set_password(tx, ada, HASH, NOBODY, now)
    disabled = for_password(database, now)
    with database.transaction() as tx:
        changes.disable(tx, ada.id, NOBODY, now)
    with pytest.raises(Conflict) as refused:
        for_password(database, now)
    assert refused.value.error_code == "account-disabled"
    with database.transaction() as tx:
        changes.enable(tx, ada.id, NOBODY, now)
    assert is_unusable(database, changed, now)
    assert is_unusable(database, disabled, now)


def test_old_links_are_forgotten(database: Database, now: datetime) -> None:
    first(database, now)
    end = now + timedelta(days=1) + links.KEPT
    with database.transaction() as tx:
        assert links.forget_old(tx, end - MILLISECOND) == 0
        assert links.forget_old(tx, end) == 1
