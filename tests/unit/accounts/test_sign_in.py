"""Signing in: one way in, and the same refusal for everything else."""

from datetime import datetime

import pytest
from argon2 import PasswordHasher
from factories import NOBODY, create_account
from sqlalchemy import select
from unit.accounts.people import CHEAP, HASH, HOME, PASSWORD, kinds, sign_in, the_event, with_password

from mixus.accounts import changes, sessions
from mixus.accounts.passwords import Passwords
from mixus.accounts.sign_in import Checked, Refusal, change_password, check, finish
from mixus.accounts.tables import accounts
from mixus.core.database import Database
from mixus.core.errors import Unauthorized

NEW_HASH = CHEAP.hash("another walk by the sea")


def stored_hash(database: Database) -> str:
    with database.snapshot() as tx:
        return str(tx.execute(select(accounts.c.password_hash)).scalar_one())


def test_the_right_password_opens_a_new_session_each_time(database: Database, now: datetime) -> None:
    with database.transaction() as tx:
        ada = with_password(tx)
    checked = check(database, CHEAP, ada.email, PASSWORD)
    with database.transaction() as tx:
        one, two = finish(tx, checked, HOME, now), finish(tx, checked, HOME, now)
    assert one is not None
    assert two is not None
    assert one.token != two.token
    assert one.session.id != two.session.id
    assert one.token not in repr(one)
    assert HASH not in repr(checked)


@pytest.mark.parametrize(
    ("email", "password", "refusal"),
    [
        ("ada@example.org", "a wrong walk by the sea", Refusal.WRONG_PASSWORD),
        ("ada@example.org", "", Refusal.WRONG_PASSWORD),
        ("ada@example.org", HASH, Refusal.WRONG_PASSWORD),
        ("bare@example.org", PASSWORD, Refusal.NO_PASSWORD),
        ("gone@example.org", PASSWORD, Refusal.DISABLED),
        ("nobody@example.org", PASSWORD, Refusal.NO_ACCOUNT),
    ],
)
def test_everything_else_is_refused_and_recorded_once(
    database: Database, now: datetime, email: str, password: str, refusal: Refusal
) -> None:
    with database.transaction() as tx:
        people = {
            "ada@example.org": with_password(tx),
            "bare@example.org": create_account(tx, "bare@example.org"),
            "gone@example.org": with_password(tx, "gone@example.org"),
        }
        changes.disable(tx, people["gone@example.org"].id, NOBODY, now)
    with database.transaction() as tx:
        assert finish(tx, check(database, CHEAP, email, password), HOME, now) is None
    event = the_event(database, "session.refused")
    assert event.subject_id == (people[email].id if email in people else "unknown")
    assert (event.actor_id, event.credential_id, event.network) == (None, None, HOME.network)
    assert event.data == {"reason": refusal}
    assert "session.opened" not in kinds(database)


class Counting(Passwords):
    def __init__(self) -> None:
        super().__init__(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        self.count = 0

    def fits(self, password: str, stored: str | None) -> bool:
        self.count += 1
        return super().fits(password, stored)


def test_an_unknown_address_costs_the_same_work(database: Database, now: datetime) -> None:
    counting = Counting()
    with database.transaction() as tx:
        with_password(tx)
    for email in ("ada@example.org", "nobody@example.org"):
        check(database, counting, email, "a wrong walk by the sea")
    assert counting.count == 2


def test_what_changed_while_the_password_was_checked_counts(database: Database, now: datetime) -> None:
    with database.transaction() as tx:
        ada = with_password(tx)
    checked = check(database, CHEAP, ada.email, PASSWORD)
    with database.transaction() as tx:
        changes.set_password(tx, ada, NEW_HASH, NOBODY, now)
    with database.transaction() as tx:
        assert finish(tx, checked, HOME, now) is None
    checked = check(database, CHEAP, ada.email, "another walk by the sea")
    with database.transaction() as tx:
        changes.disable(tx, ada.id, NOBODY, now)
    with database.transaction() as tx:
        assert finish(tx, checked, HOME, now) is None


def test_a_hash_of_other_costs_is_renewed_by_signing_in(database: Database, now: datetime) -> None:
    dearer = Passwords(PasswordHasher(time_cost=2, memory_cost=8, parallelism=1))
    with database.transaction() as tx:
        ada = with_password(tx)
    with database.transaction() as tx:
        assert finish(tx, check(database, dearer, ada.email, PASSWORD), HOME, now) is not None
    assert not dearer.is_outdated(stored_hash(database))
    assert dearer.fits(PASSWORD, stored_hash(database))
    with database.transaction() as tx:
        assert check(database, dearer, ada.email, PASSWORD).renewed_hash is None


def test_a_new_password_ends_all_other_sessions_in_one_event(database: Database, now: datetime) -> None:
    with database.transaction() as tx:
        ada = with_password(tx)
    (token, caller), (other, _) = sign_in(database, ada), sign_in(database, ada)
    checked = check(database, CHEAP, ada.email, PASSWORD)
    with database.transaction() as tx:
        assert change_password(tx, caller, checked, NEW_HASH, now)
    assert stored_hash(database) == NEW_HASH
    sessions.authenticate(database, token, None, now)
    with pytest.raises(Unauthorized):
        sessions.authenticate(database, other, None, now)
    assert kinds(database).count("account.password-changed") == 2
    assert "session.ended" not in kinds(database)


def test_a_wrong_current_password_changes_nothing_and_is_recorded(database: Database, now: datetime) -> None:
    with database.transaction() as tx:
        ada = with_password(tx)
    _, caller = sign_in(database, ada)
    with database.transaction() as tx:
        checked = check(database, CHEAP, ada.email, "a wrong walk by the sea")
        assert not change_password(tx, caller, checked, NEW_HASH, now)
    assert stored_hash(database) == HASH
    event = the_event(database, "account.password-refused")
    assert (event.subject_id, event.actor_id, event.data) == (ada.id, ada.id, {"reason": "wrong-password"})


def test_of_two_new_passwords_at_once_one_is_set(database: Database, now: datetime) -> None:
    with database.transaction() as tx:
        ada = with_password(tx)
    _, caller = sign_in(database, ada)
    checked = check(database, CHEAP, ada.email, PASSWORD)
    with database.transaction() as tx:
        assert change_password(tx, caller, checked, NEW_HASH, now)
    with database.transaction() as tx:
        assert not change_password(tx, caller, checked, HASH, now)
    assert stored_hash(database) == NEW_HASH


def test_a_check_that_was_refused_is_never_finished(database: Database, now: datetime) -> None:
    with database.transaction() as tx:
        ada = with_password(tx)
        assert finish(tx, Checked(ada.id, Refusal.DISABLED, HASH), HOME, now) is None
