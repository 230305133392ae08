"""Rotation: who works until when, in every order of acts; attack group E5."""

from datetime import datetime, timedelta

import pytest
from factories import NOBODY, NOW, PEPPER, create_account, create_key
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from mixus.accounts.principal import Role, Scope
from mixus.accounts.tables import accounts
from mixus.core.database import Database, Transaction
from mixus.core.errors import Conflict, Invalid
from mixus.keys import info, rotation, service
from mixus.keys.info import KeyInfo
from mixus.keys.lifecycle import OVERLAPS, State
from mixus.keys.rotation import Rotation
from mixus.keys.service import Rules
from mixus.keys.tables import key_use

HOUR = timedelta(hours=1)


def rotate(
    tx: Transaction, key: KeyInfo, overlap: timedelta = HOUR, now: datetime = NOW, **fields: object
) -> KeyInfo:
    wanted = Rotation(key.id, overlap, **fields)  # type: ignore[arg-type] # each test gives what fits
    return rotation.rotate(tx, PEPPER, wanted, NOBODY, now)[1]


def states(tx: Transaction, now: datetime = NOW) -> list[State]:
    return [key.state(now) for key in info.list_keys(tx)]


@pytest.mark.parametrize("overlap", OVERLAPS.values())
def test_the_old_key_works_exactly_until_its_overlap_ends(database: Database, overlap: timedelta) -> None:
    with database.transaction() as tx:
        _, key = create_key(tx, create_account(tx))
        successor = rotate(tx, key, overlap)
        old = info.describe(tx, key.id)
    assert old.expires_at == NOW + overlap
    assert old.replaced_by == successor.id
    if overlap:
        assert old.state(NOW + overlap - timedelta(milliseconds=1)) is State.REPLACED
    assert old.state(NOW + overlap) is State.EXPIRED
    assert successor.state(NOW + overlap) is State.ACTIVE


def test_an_overlap_never_lengthens_a_life(database: Database) -> None:
    with database.transaction() as tx:
        _, key = create_key(tx, create_account(tx), expires=timedelta(days=7))
        rotate(tx, key, timedelta(days=7), NOW + timedelta(days=6))
        assert info.describe(tx, key.id).expires_at == key.expires_at


def test_a_successor_lives_as_long_as_its_predecessor_was_given(database: Database) -> None:
    with database.transaction() as tx:
        _, key = create_key(tx, create_account(tx), expires=timedelta(days=30))
        later = NOW + timedelta(days=29)
        assert rotate(tx, key, HOUR, later).expires_at == later + timedelta(days=30)


def test_a_successor_of_an_endless_key_is_endless_only_where_that_is_allowed(database: Database) -> None:
    endless = Rules(may_be_endless=True)
    with database.transaction() as tx:
        owner = create_account(tx)
        new = service.NewKey(owner.id, "test", [Scope.READ], expires=None)
        _, key = service.create(tx, PEPPER, new, NOBODY, NOW, endless)
        _, same = rotation.rotate(tx, PEPPER, Rotation(key.id, HOUR), NOBODY, NOW, endless)
        assert same.expires_at is None
        assert rotate(tx, same).expires_at == NOW + timedelta(days=90)


def test_a_second_rotation_ends_the_first_overlap(database: Database) -> None:
    with database.transaction() as tx:
        _, first = create_key(tx, create_account(tx))
        second = rotate(tx, first, timedelta(days=7), NOW + timedelta(minutes=1))
        rotate(tx, second, HOUR, NOW + HOUR)
        assert states(tx, NOW + HOUR) == [State.EXPIRED, State.REPLACED, State.ACTIVE]
        lines = {key.lineage_id for key in info.list_keys(tx)}
    assert lines == {first.id}


def test_a_successor_that_nobody_used_is_replaced(database: Database) -> None:
    with database.transaction() as tx:
        _, first = create_key(tx, create_account(tx))
        lost = rotate(tx, first)
        successor = rotate(tx, first)
        assert info.describe(tx, lost.id).state(NOW) is State.REVOKED
        assert info.describe(tx, first.id).replaced_by == successor.id
        assert info.describe(tx, first.id).state(NOW) is State.REPLACED


def test_a_successor_in_use_is_not_replaced(database: Database) -> None:
    with database.transaction() as tx:
        _, first = create_key(tx, create_account(tx))
        successor = rotate(tx, first)
        tx.execute(key_use.insert().values(key_id=successor.id, accepted=1, refused=0, last_used_at=NOW))
        with pytest.raises(Conflict, match=successor.id) as refused:
            rotate(tx, first)
        assert refused.value.error_code == "already-rotated"
        assert refused.value.members == {"successorId": successor.id}


@pytest.mark.parametrize("end", ["revoke", "disable", "expire"])
def test_a_key_that_is_over_is_not_rotated(database: Database, end: str) -> None:
    with database.transaction() as tx:
        _, key = create_key(tx, create_account(tx), expires=timedelta(days=7))
        now = NOW + timedelta(days=7) if end == "expire" else NOW
        if end == "revoke":
            service.revoke(tx, NOBODY, key.id, NOW)
        elif end == "disable":
            service.disable(tx, key.id, NOBODY, NOW)
        with pytest.raises(Conflict) as refused:
            rotate(tx, key, now=now)
    assert refused.value.error_code == "key-state"


@pytest.mark.parametrize(
    ("has", "asked"),
    [
        ([Scope.READ], [Scope.CREATE]),
        ([Scope.READ], [Scope.READ, Scope.CREATE]),
        ([Scope.READ, Scope.CREATE], [Scope.MANAGE]),
        ([Scope.MANAGE], []),
    ],
)
def test_a_rotation_never_widens(database: Database, has: list[Scope], asked: list[Scope]) -> None:
    with database.transaction() as tx:
        _, key = create_key(tx, create_account(tx), has)
        with pytest.raises(Invalid):
            rotate(tx, key, scopes=asked)


def test_managing_narrows_to_what_it_implies(database: Database) -> None:
    with database.transaction() as tx:
        _, key = create_key(tx, create_account(tx))
        assert rotate(tx, key, scopes=[Scope.READ]).scopes == (Scope.READ,)


def test_a_lowered_role_narrows_the_successor(database: Database) -> None:
    with database.transaction() as tx:
        owner = create_account(tx)
        _, key = create_key(tx, owner)
        tx.execute(update(accounts).where(accounts.c.id == owner.id).values(role=Role.VIEWER))
        assert rotate(tx, key).scopes == (Scope.READ,)


def test_an_overlap_is_one_of_four(database: Database) -> None:
    with database.transaction() as tx:
        _, key = create_key(tx, create_account(tx))
        for overlap in (timedelta(seconds=1), timedelta(hours=-1), timedelta(days=8), timedelta.max):
            with pytest.raises(Invalid):
                rotate(tx, key, overlap)


ACTS = st.lists(
    st.tuples(
        st.sampled_from(["create", "rotate", "revoke", "disable", "enable", "wait"]), st.integers(0, 30)
    ),
    max_size=30,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(acts=ACTS)
def test_in_any_order_of_acts_a_line_has_at_most_one_active_key_and_a_person_at_most_ten(
    sqlite_database_url: str, acts: list[tuple[str, int]]
) -> None:
    database = Database(sqlite_database_url)
    now = NOW
    with database.engine.connect() as connection, connection.begin() as whole:
        tx = Transaction(connection, database.dispatch)
        owner = create_account(tx)
        ended: set[str] = set()
        for act, number in acts:
            made = info.list_keys(tx)
            if act == "wait":
                now += timedelta(hours=number)
                continue
            try:
                with connection.begin_nested():
                    if act == "create":
                        create_key(tx, owner, now=now)
                    elif made:
                        _do(tx, act, made[number % len(made)], now)
            except Conflict:
                pass
            alive = {key.id for key in info.list_keys(tx) if key.state(now) in (State.ACTIVE, State.REPLACED)}
            over = {key.id for key in info.list_keys(tx) if key.state(now) in (State.REVOKED, State.EXPIRED)}
            assert not alive & ended, "what was over lives again"
            ended |= over
            active = [key for key in info.list_keys(tx) if key.state(now) in (State.ACTIVE, State.DISABLED)]
            standing = [key for key in active if key.replaced_by is None]
            assert len(standing) <= 10
            lines = [key.lineage_id for key in standing]
            assert len(lines) == len(set(lines))
        whole.rollback()
    database.close()


def _do(tx: Transaction, act: str, key: KeyInfo, now: datetime) -> None:
    if act == "rotate":
        rotate(tx, key, now=now)
    elif act == "revoke":
        service.revoke(tx, NOBODY, key.id, now)
    elif act == "disable":
        service.disable(tx, key.id, NOBODY, now)
    else:
        service.enable(tx, key.id, NOBODY, now)
