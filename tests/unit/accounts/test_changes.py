"""Changes of accounts: somebody can always administer, and each change is one event."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from threading import Barrier

import pytest
from factories import NOBODY, create_account
from unit.accounts.people import CHEAP, kinds, sign_in, the_event, with_password

from mixus.accounts import changes, service
from mixus.accounts.changes import AccountChange
from mixus.accounts.principal import Role
from mixus.core.clock import shown
from mixus.core.database import Database, Transaction
from mixus.core.errors import Conflict, MixusError, NotFound
from mixus.core.events import Actor

ADMIN = Actor("usr_admin", "192.0.2.0/24", "ses_admin")
Act = Callable[[Transaction, str, datetime], None]


def demote(tx: Transaction, user_id: str, now: datetime) -> None:
    changes.set_role(tx, user_id, Role.MEMBER, NOBODY, now)


def disable(tx: Transaction, user_id: str, now: datetime) -> None:
    changes.disable(tx, user_id, NOBODY, now)


ACTS = pytest.mark.parametrize("act", [demote, disable])


@ACTS
def test_the_last_admin_stays(database: Database, now: datetime, act: Act) -> None:
    with database.transaction() as tx:
        ada = create_account(tx, role=Role.ADMIN)
        gone = create_account(tx, "gone@example.org", Role.ADMIN)
        create_account(tx, "bob@example.org")
        changes.disable(tx, gone.id, NOBODY, now)
    with database.transaction() as tx, pytest.raises(Conflict) as refused:
        act(tx, ada.id, now)
    assert refused.value.error_code == "last-admin"
    with database.transaction() as tx:
        changes.enable(tx, gone.id, NOBODY, now)
        act(tx, ada.id, now)


@ACTS
def test_of_two_admins_who_are_removed_at_once_one_stays(database: Database, now: datetime, act: Act) -> None:
    with database.transaction() as tx:
        admins = [create_account(tx, f"{name}@example.org", Role.ADMIN) for name in ("ada", "bob")]
    barrier = Barrier(2)

    def run(user_id: str) -> str:
        barrier.wait()
        try:
            with database.transaction() as tx:
                act(tx, user_id, now)
        except MixusError as refused:
            return refused.error_code
        return "done"

    with ThreadPoolExecutor(2) as threads:
        results = list(threads.map(run, [admin.id for admin in admins]))
    assert sorted(results) == ["done", "last-admin"]


def test_many_removals_at_once_leave_one_admin(database: Database, now: datetime) -> None:
    with database.transaction() as tx:
        admins = [create_account(tx, f"a{number}@example.org", Role.ADMIN) for number in range(8)]

    def run(number: int) -> None:
        act = demote if number % 2 else disable
        try:
            with database.transaction() as tx:
                act(tx, admins[number].id, now)
        except Conflict:
            pass

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(run, range(8)))
    with database.snapshot() as tx:
        left = [
            each for each in service.list_accounts(tx) if each.role is Role.ADMIN and not each.disabled_at
        ]
    assert len(left) == 1


def test_a_role_is_changed_with_one_event(database: Database, now: datetime) -> None:
    with database.transaction() as tx:
        ada = create_account(tx)
        for _ in range(2):
            changes.set_role(tx, ada.id, Role.VIEWER, ADMIN, now)
        assert service.get(tx, ada.id).role is Role.VIEWER
    event = the_event(database, "account.role-changed")
    assert (event.subject_id, event.actor_id, event.network, event.credential_id, event.at) == (
        ada.id,
        ADMIN.id,
        ADMIN.network,
        ADMIN.credential_id,
        now,
    )
    assert event.data == {"before": {"role": "member"}, "after": {"role": "viewer"}}


def test_disabling_and_enabling_are_one_event_each(database: Database, now: datetime) -> None:
    with database.transaction() as tx:
        ada = create_account(tx)
    _, caller = sign_in(database, ada)
    with database.transaction() as tx:
        for _ in range(2):
            changes.disable(tx, ada.id, ADMIN, now)
        for _ in range(2):
            changes.enable(tx, ada.id, ADMIN, now)
    disabled, enabled = the_event(database, "account.disabled"), the_event(database, "account.enabled")
    assert disabled.data == {
        "before": {"disabledAt": None, "openSessions": [caller.credential_id]},
        "after": {"disabledAt": shown(now), "openSessions": []},
    }
    assert enabled.data == {"before": {"disabledAt": shown(now)}, "after": {"disabledAt": None}}
    assert "session.ended" not in kinds(database)


def test_a_new_password_is_one_event_without_the_hash(database: Database, now: datetime) -> None:
    with database.transaction() as tx:
        ada = with_password(tx)
    event = the_event(database, "account.password-changed")
    assert event.subject_id == ada.id
    assert event.data == {
        "before": {"hasPassword": False, "openSessions": []},
        "after": {"hasPassword": True, "openSessions": []},
    }
    assert "argon2" not in repr(event)


def test_several_changes_are_made_together_or_not_at_all(database: Database, now: datetime) -> None:
    with database.transaction() as tx:
        ada = create_account(tx, role=Role.ADMIN)
        bob = create_account(tx, "bob@example.org")
        changed = changes.update_account(
            tx, bob.id, AccountChange(Role.VIEWER, is_disabled=True), NOBODY, now
        )
        assert (changed.role, changed.disabled_at) == (Role.VIEWER, now)
        changed = changes.update_account(tx, bob.id, AccountChange(is_disabled=False), NOBODY, now)
        assert (changed.role, changed.disabled_at) == (Role.VIEWER, None)
    with pytest.raises(Conflict), database.transaction() as tx:
        changes.update_account(tx, ada.id, AccountChange(Role.ADMIN, is_disabled=True), NOBODY, now)


@pytest.mark.parametrize("act", [demote, disable, lambda tx, id_, now: changes.enable(tx, id_, NOBODY, now)])
def test_nobody_is_changed_under_an_unknown_id(database: Database, now: datetime, act: Act) -> None:
    with database.transaction() as tx, pytest.raises(NotFound):
        act(tx, "usr_unknown", now)


def test_accounts_come_in_pages(database: Database, now: datetime) -> None:
    with database.transaction() as tx:
        made = {create_account(tx, f"a{number}@example.org").id for number in range(5)}
        found: list[str] = []
        cursor = None
        while True:
            page = service.page_of_accounts(tx, 2, cursor)
            found += [account.id for account in page.items]
            cursor = page.next_cursor
            if cursor is None:
                break
        assert len(found) == 5
        assert set(found) == made
        assert service.emails_of(tx, found[:1]).keys() == {found[0]}


def test_an_account_shows_no_hash() -> None:
    assert CHEAP.hash("x" * 12) not in repr(service.Account)
    assert "password_hash" not in service.Account.__dataclass_fields__
