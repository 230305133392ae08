"""Sessions: a secret that opens until it is ended, and belongs to one person."""

from datetime import datetime, timedelta

import pytest
from factories import NOBODY, create_account
from sqlalchemy import select
from unit.accounts.people import HOME, kinds, sign_in, the_event

from mixus.accounts import changes, sessions
from mixus.accounts.principal import Role, Scope, Via
from mixus.accounts.tables import sessions as session_table
from mixus.core.database import Database
from mixus.core.errors import NotFound, Unauthorized

MILLISECOND = timedelta(milliseconds=1)


def refusal(database: Database, token: str, now: datetime) -> str:
    with pytest.raises(Unauthorized) as refused:
        sessions.authenticate(database, token, None, now)
    assert not token or token not in refused.value.detail
    return refused.value.error_code


@pytest.mark.parametrize(
    ("role", "scopes"),
    [(Role.ADMIN, set(Scope)), (Role.MEMBER, set(Scope)), (Role.VIEWER, {Scope.READ})],
)
def test_a_session_calls_as_its_person_with_all_that_his_role_allows(
    database: Database, now: datetime, role: Role, scopes: set[Scope]
) -> None:
    with database.transaction() as tx:
        ada = create_account(tx, role=role)
    _, caller = sign_in(database, ada)
    assert (caller.user_id, caller.email, caller.role, caller.via) == (ada.id, ada.email, role, Via.SESSION)
    assert caller.scopes == scopes
    assert caller.credential_id.startswith("ses_")
    assert caller.actor.credential_id == caller.credential_id
    assert caller.network == HOME.network


def test_a_session_lives_seven_days_and_not_a_millisecond_more(database: Database, now: datetime) -> None:
    with database.transaction() as tx:
        ada = create_account(tx)
    token, _ = sign_in(database, ada)
    end = now + timedelta(days=7)
    sessions.authenticate(database, token, None, end - MILLISECOND)
    assert refusal(database, token, end) == "session-expired"


@pytest.mark.parametrize(
    "token", ["x", "A" * 43, "A" * 42 + "\u00e9", "A" * 43 + "\n", "' or 1=1 --", "A" * 10_000]
)
def test_a_token_of_nobody_opens_nothing(database: Database, now: datetime, token: str) -> None:
    assert refusal(database, token, now) == "session-expired"


def test_without_a_token_nobody_is_signed_in(database: Database, now: datetime) -> None:
    assert refusal(database, "", now) == "session-missing"


def test_neither_the_stored_hash_nor_the_id_opens_the_session(database: Database, now: datetime) -> None:
    with database.transaction() as tx:
        ada = create_account(tx)
    token, caller = sign_in(database, ada)
    with database.snapshot() as tx:
        stored = tx.execute(select(session_table)).one()
    assert token not in repr(stored)
    for text in (stored.token_hash.hex(), caller.credential_id):
        assert refusal(database, text, now) == "session-expired"


def test_an_ended_session_is_refused_at_the_next_request(database: Database, now: datetime) -> None:
    with database.transaction() as tx:
        ada = create_account(tx)
    token, caller = sign_in(database, ada)
    other, _ = sign_in(database, ada)
    with database.transaction() as tx:
        sessions.sign_out(tx, caller, now)
    assert refusal(database, token, now) == "session-expired"
    sessions.authenticate(database, other, None, now)


def test_ending_twice_is_one_event(database: Database, now: datetime) -> None:
    with database.transaction() as tx:
        ada = create_account(tx)
    _, caller = sign_in(database, ada)
    for _ in range(2):
        with database.transaction() as tx:
            sessions.sign_out(tx, caller, now)
    with database.transaction() as tx, pytest.raises(NotFound):
        sessions.end(tx, caller, caller.credential_id, now)
    event = the_event(database, "session.ended")
    assert (event.subject_id, event.actor_id, event.credential_id, event.network, event.at) == (
        caller.credential_id,
        ada.id,
        caller.credential_id,
        HOME.network,
        now,
    )


def test_the_session_of_another_is_not_there(database: Database, now: datetime) -> None:
    with database.transaction() as tx:
        ada, bob = create_account(tx), create_account(tx, "bob@example.org", Role.ADMIN)
    token, his = sign_in(database, ada)
    _, caller = sign_in(database, bob)
    with database.transaction() as tx:
        with pytest.raises(NotFound) as refused:
            sessions.end(tx, caller, his.credential_id, now)
        with pytest.raises(NotFound) as unknown:
            sessions.end(tx, caller, "ses_0000000000000000000000", now)
    assert refused.value.detail == unknown.value.detail
    sessions.authenticate(database, token, None, now)


def test_signing_out_everywhere_ends_all_of_one_person_and_is_one_event(
    database: Database, now: datetime
) -> None:
    with database.transaction() as tx:
        ada, bob = create_account(tx), create_account(tx, "bob@example.org")
    tokens = [sign_in(database, ada)[0] for _ in range(3)]
    kept, _ = sign_in(database, bob)
    for _ in range(2):
        with database.transaction() as tx:
            sessions.sign_out_everywhere(tx, ada.id, NOBODY, now)
    assert [refusal(database, token, now) for token in tokens] == ["session-expired"] * 3
    sessions.authenticate(database, kept, None, now)
    event = the_event(database, "account.signed-out")
    assert len(event.data["before"]["openSessions"]) == 3
    assert event.data["after"] == {"openSessions": []}


def test_a_disabled_account_has_no_session_and_gets_none_back(database: Database, now: datetime) -> None:
    with database.transaction() as tx:
        ada = create_account(tx)
    token, _ = sign_in(database, ada)
    with database.transaction() as tx:
        changes.disable(tx, ada.id, NOBODY, now)
    assert refusal(database, token, now) == "session-expired"
    with database.transaction() as tx:
        changes.enable(tx, ada.id, NOBODY, now)
    assert refusal(database, token, now) == "session-expired"


def test_a_lowered_role_holds_at_the_next_request(database: Database, now: datetime) -> None:
    with database.transaction() as tx:
        ada = create_account(tx)
    token, _ = sign_in(database, ada)
    with database.transaction() as tx:
        changes.set_role(tx, ada.id, Role.VIEWER, NOBODY, now)
    assert sessions.authenticate(database, token, None, now).scopes == {Scope.READ}


def test_the_list_has_ones_own_open_sessions_in_pages(database: Database, now: datetime) -> None:
    with database.transaction() as tx:
        ada, bob = create_account(tx), create_account(tx, "bob@example.org")
    sign_in(database, bob)
    callers = [sign_in(database, ada, now + timedelta(seconds=age))[1] for age in range(4)]
    with database.transaction() as tx:
        sessions.sign_out(tx, callers[0], now)
        first = sessions.list_own(tx, callers[1], 2, None, now)
        second = sessions.list_own(tx, callers[1], 2, first.next_cursor, now)
        later = sessions.list_own(tx, callers[1], 2, None, now + sessions.LIFETIME + timedelta(seconds=1))
    assert [item.id for item in first.items] == [callers[3].credential_id, callers[2].credential_id]
    assert [item.id for item in second.items] == [callers[1].credential_id]
    assert second.next_cursor is None
    assert len(later.items) == 2


def test_the_csrf_token_belongs_to_one_session_and_does_not_give_it_away(
    database: Database, now: datetime
) -> None:
    with database.transaction() as tx:
        ada = create_account(tx)
    (one, _), (two, _) = sign_in(database, ada), sign_in(database, ada)
    assert sessions.csrf_token(one) == sessions.csrf_token(one)
    assert sessions.csrf_token(one) not in {sessions.csrf_token(two), one, two}
    assert refusal(database, sessions.csrf_token(one), now) == "session-expired"


def test_opening_is_one_event_that_holds_no_secret(database: Database, now: datetime) -> None:
    with database.transaction() as tx:
        ada = create_account(tx)
    token, caller = sign_in(database, ada)
    assert kinds(database) == ["account.created", "session.opened"]
    event = the_event(database, "session.opened")
    assert (event.subject_id, event.actor_id, event.credential_id) == (
        caller.credential_id,
        ada.id,
        caller.credential_id,
    )
    assert event.data["after"]["agent"] == HOME.agent
    assert token not in repr(event)
    assert sessions.csrf_token(token) not in repr(event)


def test_old_sessions_are_forgotten(database: Database, now: datetime) -> None:
    with database.transaction() as tx:
        ada = create_account(tx)
    sign_in(database, ada)
    end = now + sessions.LIFETIME + sessions.KEPT
    with database.transaction() as tx:
        assert sessions.forget_old(tx, end - MILLISECOND) == 0
        assert sessions.forget_old(tx, end) == 1
