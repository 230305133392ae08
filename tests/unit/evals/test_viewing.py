"""What is kept of how a reviewer met an ask: first look, time at work, and the mail that told him."""

from datetime import timedelta

import reviews
from factories import NOW
from reviews import Waiting

from mixus.core.clock import shown
from mixus.core.database import Database
from mixus.evals import viewing
from mixus.evals.lifecycle import Decision

BOB = "bob@example.org"
SECOND = timedelta(seconds=1)


def view(waiting: Waiting, seconds: float, attempt: int = 1) -> None:
    with waiting.database.transaction() as tx:
        viewing.note_view(tx, waiting.checkpoint_id, attempt, NOW + seconds * SECOND)


def work(waiting: Waiting, milliseconds: int, seconds: float) -> int | None:
    with waiting.database.transaction() as tx:
        viewing.note_active(tx, waiting.checkpoint_id, 1, milliseconds, NOW + seconds * SECOND)
    found: int | None = waiting.checkpoint["active_review_ms"]
    return found


def test_the_first_look_is_kept_and_later_ones_are_not(database: Database) -> None:
    waiting = reviews.waiting(database, BOB)
    assert waiting.checkpoint["first_viewed_at"] is None
    view(waiting, 5)
    view(waiting, 9)
    assert waiting.checkpoint["first_viewed_at"] == NOW + 5 * SECOND


def test_work_adds_up_and_never_beyond_the_time_since_the_first_look(database: Database) -> None:
    waiting = reviews.waiting(database, BOB)
    view(waiting, 0)
    assert work(waiting, 4_000, 10) == 4_000
    assert work(waiting, 3_000, 20) == 7_000
    assert work(waiting, 10**12, 30) == 30_000
    assert work(waiting, -5_000, 40) == 30_000


def test_work_without_a_look_is_the_first_look(database: Database) -> None:
    waiting = reviews.waiting(database, BOB)
    assert work(waiting, 4_000, 10) == 0
    assert waiting.checkpoint["first_viewed_at"] == NOW + 10 * SECOND


def test_of_what_was_decided_nothing_more_is_counted(database: Database) -> None:
    waiting = reviews.waiting(database, BOB)
    waiting.decide(reviews.person(database, BOB), Decision.APPROVE, NOW)
    view(waiting, 1)
    assert work(waiting, 4_000, 10) is None
    assert waiting.checkpoint["first_viewed_at"] is None


def test_a_hint_keeps_what_was_of_its_attempt_and_the_next_ask_begins_anew(database: Database) -> None:
    waiting = reviews.waiting(database, BOB)
    with database.transaction() as tx:
        viewing.note_told(tx, waiting.checkpoint_id, 1, NOW + SECOND)
        viewing.note_told(tx, waiting.checkpoint_id, 1, NOW + 2 * SECOND)
    view(waiting, 3)
    work(waiting, 4_000, 10)
    waiting.decide(reviews.person(database, BOB), Decision.HINT, NOW + 11 * SECOND)
    [hint] = waiting.checkpoint["hints"]
    assert (hint["notifiedAt"], hint["firstViewedAt"]) == (shown(NOW + SECOND), shown(NOW + 3 * SECOND))
    assert hint["activeReviewMs"] == 4_000
    with database.transaction() as tx:
        # A mail about the attempt before, which the server took only now.
        viewing.note_told(tx, waiting.checkpoint_id, 1, NOW + 12 * SECOND)
    waiting.ask_again(NOW + 20 * SECOND)
    row = waiting.checkpoint
    assert (row["notified_at"], row["first_viewed_at"], row["active_review_ms"]) == (None, None, None)


def test_a_page_of_the_attempt_before_that_is_still_open_tells_nothing_of_the_next(
    database: Database,
) -> None:
    waiting = reviews.waiting(database, BOB)
    view(waiting, 1)
    waiting.decide(reviews.person(database, BOB), Decision.HINT, NOW + 2 * SECOND)
    waiting.ask_again(NOW + 3 * SECOND)
    view(waiting, 4, attempt=1)
    assert work(waiting, 1_000, 5) is None
    assert waiting.checkpoint["first_viewed_at"] is None
