"""A signed link opens one checkpoint for one reviewer, and nothing for anybody else."""

from typing import Any

import factories
import pytest
import reviews
from factories import NOW
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from mixus.accounts.principal import Role, Scope, Via
from mixus.accounts.tables import accounts
from mixus.core.database import Database
from mixus.core.errors import Forbidden, NotFound
from mixus.evals import access, queries, service
from mixus.evals.errors import NotTheOwner, ReviewLinkUnusable
from mixus.evals.lifecycle import CheckpointStatus, Decision, Environment, Status
from mixus.evals.review_links import LinkedReviewer, open_link, signature
from mixus.evals.tasks import TaskChange

BOB = "bob@example.org"
TEXTS = st.text(max_size=20)


def opened(waiting: reviews.Waiting, reviewer: str = BOB, **changed: Any) -> LinkedReviewer:
    checkpoint_id = changed.get("checkpoint_id", waiting.checkpoint_id)
    signed = changed.get("signature", signature(reviews.SECRET, waiting.checkpoint_id, reviewer))
    with waiting.database.transaction() as tx:
        return open_link(tx, changed.get("secret", reviews.SECRET), checkpoint_id, signed, "192.0.2.0/24")


def test_a_signature_is_43_characters_that_an_address_can_hold() -> None:
    signed = signature(reviews.SECRET, "chk_1", BOB)
    assert signed == signature(reviews.SECRET, "chk_1", BOB)
    assert len(signed) == 43
    assert signed.replace("-", "").replace("_", "").isalnum()


@given(TEXTS, TEXTS, TEXTS, TEXTS)
def test_no_two_pairs_have_one_signature(first: str, second: str, third: str, fourth: str) -> None:
    is_same = (first, second) == (third, fourth)
    assert is_same is (signature(reviews.SECRET, first, second) == signature(reviews.SECRET, third, fourth))


def test_somebody_without_an_account_decides_by_his_link(database: Database) -> None:
    waiting = reviews.waiting(database, BOB)
    linked = opened(waiting)
    assert (linked.execution_id, linked.status) == (waiting.execution_id, CheckpointStatus.AWAITING)
    assert (linked.principal.user_id, linked.principal.email) == ("", BOB)
    assert linked.principal.actor.id is None
    waiting.decide(linked.principal, Decision.APPROVE, NOW)
    row = waiting.checkpoint
    assert (row["decided_by"], row["decided_via"]) == (BOB, "link")
    # What was recorded can still be read.
    assert opened(waiting).status is CheckpointStatus.APPROVED


@pytest.mark.parametrize(
    "changed",
    [
        {"secret": b"another"},
        {"checkpoint_id": "chk_unknown"},
        {"signature": ""},
        {"signature": "A" * 43},
        {"signature": signature(reviews.SECRET, "chk_other", BOB)},
        {"signature": "é" * 43},
        {"signature": "\ud800"},
    ],
)
def test_what_is_not_signed_opens_nothing_and_says_the_same(
    database: Database, changed: dict[str, Any]
) -> None:
    waiting = reviews.waiting(database, BOB)
    with pytest.raises(ReviewLinkUnusable) as refused:
        opened(waiting, **changed)
    assert refused.value.detail == ReviewLinkUnusable().detail


def test_only_the_whole_signature_as_it_was_written_opens(database: Database) -> None:
    waiting = reviews.waiting(database, BOB)
    signed = signature(reviews.SECRET, waiting.checkpoint_id, BOB)
    # The last character has two bits that say nothing; another spelling of the same bytes is another one.
    for other in (signed + "=", signed[:-1], signed.swapcase(), f" {signed}"):
        with pytest.raises(ReviewLinkUnusable):
            opened(waiting, signature=other)


def test_the_link_of_an_earlier_reviewer_is_dead(database: Database) -> None:
    waiting = reviews.waiting(database, BOB)
    ada = reviews.person(database, "ada@example.org")
    with database.transaction() as tx:
        service.update(tx, ada, waiting.execution_id, TaskChange(assigned_reviewer="carol@example.org"), NOW)
    with pytest.raises(ReviewLinkUnusable):
        opened(waiting)
    assert opened(waiting, "carol@example.org").principal.email == "carol@example.org"


def test_the_link_of_a_disabled_account_is_dead(database: Database) -> None:
    bob = reviews.person(database, BOB)
    waiting = reviews.waiting(database, BOB)
    assert opened(waiting).principal.user_id == bob.user_id
    with database.transaction() as tx:
        tx.execute(update(accounts).where(accounts.c.email == BOB).values(disabled_at=NOW))
    with pytest.raises(ReviewLinkUnusable):
        opened(waiting)


def test_what_is_real_has_no_link(database: Database) -> None:
    waiting = reviews.waiting(database, BOB, environment=Environment.LIVE)
    with pytest.raises(ReviewLinkUnusable):
        opened(waiting)


def test_a_viewer_reads_by_his_link_and_decides_nothing(database: Database) -> None:
    with database.transaction() as tx:
        factories.create_account(tx, BOB, Role.VIEWER)
    waiting = reviews.waiting(database, BOB)
    linked = opened(waiting)
    assert linked.principal.scopes == {Scope.READ}
    with pytest.raises(Forbidden, match="not for a viewer"):
        waiting.decide(linked.principal, Decision.APPROVE, NOW)
    assert waiting.execution["status"] is Status.AWAITING


def test_a_link_reaches_its_own_checkpoint_and_no_other(database: Database) -> None:
    own, other = reviews.waiting(database, BOB), reviews.waiting(database, BOB)
    principal = opened(own).principal
    for execution_id, checkpoint_id in [
        (other.execution_id, other.checkpoint_id),
        (own.execution_id, other.checkpoint_id),
        (other.execution_id, own.checkpoint_id),
    ]:
        crossed = reviews.Waiting(database, execution_id, checkpoint_id)
        with pytest.raises(NotFound):
            crossed.decide(principal, Decision.APPROVE, NOW)
    with pytest.raises(NotFound):
        queries.status_rows(database, principal, other.execution_id)
    assert queries.status_rows(database, principal, own.execution_id)[0]["id"] == own.execution_id
    with database.snapshot() as tx:
        found = queries.list_executions(tx, principal, queries.Filters(), 10, None).items
        assert [row["id"] for row in found] == [own.execution_id]
        assert not access.may_decide(reviews.execution_of(tx, other.execution_id), principal)
    assert (own.execution["status"], other.execution["status"]) == (Status.AWAITING, Status.AWAITING)


def test_the_link_of_an_admin_gives_no_more_than_that_of_anybody(database: Database) -> None:
    with database.transaction() as tx:
        factories.create_account(tx, "root@example.org", Role.ADMIN)
    own, other = reviews.waiting(database, "root@example.org"), reviews.waiting(database, BOB)
    principal = opened(own, "root@example.org").principal
    assert (principal.is_admin, principal.sees_all, principal.via) == (False, False, Via.LINK)
    with pytest.raises(NotFound):
        other.decide(principal, Decision.APPROVE, NOW)
    own.decide(principal, Decision.APPROVE, NOW)


def test_a_link_changes_and_ends_nothing_even_for_the_owner(database: Database) -> None:
    waiting = reviews.waiting(database, "ada@example.org")
    principal = opened(waiting, "ada@example.org").principal
    with database.transaction() as tx:
        for act in (service.cancel, service.delete):
            with pytest.raises(NotTheOwner):
                act(tx, principal, waiting.execution_id, NOW)
    assert waiting.execution["status"] is Status.AWAITING


def test_one_deleted_is_the_same_as_one_that_never_was(database: Database) -> None:
    waiting = reviews.waiting(database, BOB)
    ada = reviews.person(database, "ada@example.org")
    with database.transaction() as tx:
        service.delete(tx, ada, waiting.execution_id, NOW)
    with pytest.raises(ReviewLinkUnusable):
        opened(waiting)
