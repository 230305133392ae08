"""Accounts: one per address, in one spelling."""

from datetime import datetime

import pytest
from factories import create_account
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from mixus.accounts import service
from mixus.accounts.principal import Role
from mixus.core.database import Database
from mixus.core.errors import Conflict, Invalid, NotFound
from mixus.core.events import Actor, events


def test_an_account_is_found_by_any_spelling_of_its_address(database: Database) -> None:
    with database.transaction() as tx:
        account = create_account(tx, "Zoë@Example.ORG", Role.ADMIN)
        assert account.email == "zoë@example.org"
        assert service.find_by_email(tx, "ZOE\u0308@example.org") == account
        assert service.get(tx, account.id) == account
        assert service.list_accounts(tx) == [account]


def test_an_address_has_one_account(database: Database) -> None:
    with database.transaction() as tx:
        create_account(tx, "ada@example.org")
        with pytest.raises(Conflict) as refused:
            create_account(tx, "ADA@example.org")
        assert refused.value.error_code == "account-exists"
        assert len(service.list_accounts(tx)) == 1


def test_nobody_is_found_under_an_unknown_address_or_id(database: Database) -> None:
    with database.transaction() as tx:
        assert service.find_by_email(tx, "nobody@example.org") is None
        with pytest.raises(NotFound):
            service.get(tx, "usr_unknown")


def test_a_new_account_is_in_the_audit_once(database: Database, now: datetime) -> None:
    with database.transaction() as tx:
        account = service.create(tx, "ada@example.org", Role.VIEWER, now, Actor("usr_admin", "192.0.2.0/24"))
        event = tx.execute(select(events)).one()
    assert (event.kind, event.subject_id, event.at) == ("account.created", account.id, now)
    assert (event.actor_id, event.network) == ("usr_admin", "192.0.2.0/24")
    assert event.data == {"before": None, "after": {"email": "ada@example.org", "role": "viewer"}}


@pytest.mark.parametrize(
    "email",
    [
        "",
        "ada",
        "@example.org",
        "ada@",
        "ada@@example.org",
        "ada@example.org@example.org",
        " ada@example.org",
        "ada @example.org",
        "ada@example.org\n",
        "ada@example.org\r\nBcc: eve@example.org",
        "ada@exam\u00a0ple.org",
        "ada\x00@example.org",
        "ada\u200b@example.org",
        "ada\u202e@example.org",
        "ada\ud800@example.org",
        "Ada <ada@example.org>",
        "ada@example.org,eve@example.org",
        '"ada"@example.org',
        "a" * 243 + "@example.org",
    ],
)
def test_what_is_no_address_is_refused(email: str) -> None:
    with pytest.raises(Invalid):
        service.checked_email(email)


def test_an_address_may_have_254_characters() -> None:
    address = "a" * 242 + "@example.org"
    assert service.checked_email(address) == address


@given(st.text(min_size=1), st.text(min_size=1))
def test_an_accepted_address_is_its_own_spelling(local_part: str, domain: str) -> None:
    try:
        address = service.checked_email(f"{local_part}@{domain}")
    except Invalid:
        return
    assert service.checked_email(address) == address
