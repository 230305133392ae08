"""Whoever has seen one link, or any number of them, gets no further than these."""

import string
from collections.abc import Callable
from typing import Any

import factories
import pytest
import reviews
from factories import NOW
from reviews import SECRET, Waiting

from mixus.accounts.principal import Principal, Role, Scope
from mixus.core.database import Database, Transaction
from mixus.core.errors import Forbidden, MixusError, NotFound
from mixus.evals import external, queries, service, viewing
from mixus.evals.errors import ReviewLinkUnusable
from mixus.evals.external import Process, Step
from mixus.evals.lifecycle import Decision, Status
from mixus.evals.review_links import open_link, signature
from mixus.evals.tasks import NewTask, TaskChange

BOB = "bob@example.org"
ALPHABET = string.ascii_letters + string.digits + "-_"


def opens(waiting: Waiting, checkpoint_id: str, signed: str) -> bool:
    try:
        with waiting.database.transaction() as tx:
            open_link(tx, SECRET, checkpoint_id, signed, None)
    except ReviewLinkUnusable:
        return False
    return True


def linked(waiting: Waiting, reviewer: str = BOB) -> Principal:
    signed = signature(SECRET, waiting.checkpoint_id, reviewer)
    with waiting.database.transaction() as tx:
        return open_link(tx, SECRET, waiting.checkpoint_id, signed, None).principal


def test_no_change_of_one_character_opens(database: Database) -> None:
    waiting = reviews.waiting(database, BOB)
    signed = signature(SECRET, waiting.checkpoint_id, BOB)
    assert opens(waiting, waiting.checkpoint_id, signed)
    for place, present in enumerate(signed):
        other = ALPHABET[(ALPHABET.index(present) + 1) % len(ALPHABET)]
        assert not opens(waiting, waiting.checkpoint_id, signed[:place] + other + signed[place + 1 :])


def test_no_signature_of_one_checkpoint_opens_another(database: Database) -> None:
    asked = [reviews.waiting(database, BOB) for _ in range(4)]
    signatures = {each.checkpoint_id: signature(SECRET, each.checkpoint_id, BOB) for each in asked}
    for waiting in asked:
        opened = [
            name for name, signed in signatures.items() if opens(waiting, waiting.checkpoint_id, signed)
        ]
        assert opened == [waiting.checkpoint_id]


def test_no_name_of_a_reviewer_is_part_of_another(database: Database) -> None:
    """Neither in another case, nor with what belongs to the id, nor as an account that has it too."""
    waiting = reviews.waiting(database, BOB)
    chk = waiting.checkpoint_id
    for checkpoint_id, reviewer in [
        (chk, BOB.upper()),
        (chk, f"{BOB} "),
        (chk[:-1], f"{chk[-1]}{BOB}"),
        (f"{chk}b", BOB[1:]),
        (chk, "carol@example.org"),
        (chk, ""),
    ]:
        assert not opens(waiting, chk, signature(SECRET, checkpoint_id, reviewer))


Act = Callable[[Transaction, Principal, Waiting], Any]
TASK = NewTask("Do it.", "It", "rehearsal")
ACTS: dict[str, Act] = {
    "change": lambda tx, who, at: service.update(tx, who, at.execution_id, TaskChange(name="mine"), NOW),
    "reassign": lambda tx, who, at: service.update(
        tx, who, at.execution_id, TaskChange(assigned_reviewer="eve@example.org"), NOW
    ),
    "cancel": lambda tx, who, at: service.cancel(tx, who, at.execution_id, NOW),
    "delete": lambda tx, who, at: service.delete(tx, who, at.execution_id, NOW),
    "retry": lambda tx, who, at: service.retry(tx, who, at.execution_id, NOW),
    "note": lambda tx, who, at: external.note_step(
        tx, who, Process(at.execution_id, "wrk_1"), Step("x"), NOW
    ),
}


@pytest.mark.parametrize("reviewer", [BOB, "ada@example.org", "root@example.org"])
@pytest.mark.parametrize("name", ACTS)
def test_a_link_is_refused_all_but_its_decision(database: Database, name: str, reviewer: str) -> None:
    """Of somebody without an account, of the owner himself, and of an admin."""
    with database.transaction() as tx:
        factories.create_account(tx, "root@example.org", Role.ADMIN)
    waiting = reviews.waiting(database, reviewer)
    principal = linked(waiting, reviewer)
    with pytest.raises(MixusError) as refused, database.transaction() as tx:
        ACTS[name](tx, principal, waiting)
    assert isinstance(refused.value, Forbidden | NotFound)
    assert waiting.execution["status"] is Status.AWAITING
    assert waiting.execution["assigned_reviewer"] == reviewer


def test_a_link_starts_nothing(database: Database) -> None:
    waiting = reviews.waiting(database, "ada@example.org")
    principal = linked(waiting, "ada@example.org")
    for create in (service.create_task, external.create):
        with pytest.raises(Forbidden), database.transaction() as tx:
            create(tx, principal, TASK, NOW)


def test_two_links_of_one_reviewer_do_not_add_up(database: Database) -> None:
    first, second = reviews.waiting(database, BOB), reviews.waiting(database, BOB)
    with database.snapshot() as tx:
        queue = queries.awaiting_checkpoints(tx, linked(first), 10, None).items
        assert [row["id"] for row in queue] == [first.checkpoint_id]
        assert queries.count_awaiting(tx, linked(second), 10) == 1
    with pytest.raises(NotFound):
        second.decide(linked(first), Decision.APPROVE, NOW)


def test_a_link_that_was_seen_before_an_escalation_decides_nothing_after_it(database: Database) -> None:
    waiting = reviews.waiting(database, BOB)
    principal = linked(waiting)
    ada = reviews.person(database, "ada@example.org")
    with database.transaction() as tx:
        service.update(tx, ada, waiting.execution_id, TaskChange(assigned_reviewer="carol@example.org"), NOW)
    with pytest.raises(NotFound):
        waiting.decide(principal, Decision.APPROVE, NOW)


def test_a_page_that_lies_about_time_counts_what_passed_at_most(database: Database) -> None:
    waiting = reviews.waiting(database, BOB)
    with database.transaction() as tx:
        viewing.note_view(tx, waiting.checkpoint_id, 1, NOW)
        for _ in range(3):
            viewing.note_active(tx, waiting.checkpoint_id, 1, 2**53, NOW)
    assert waiting.checkpoint["active_review_ms"] == 0
    assert Scope.MANAGE in linked(waiting).scopes
