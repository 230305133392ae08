"""What a reviewer is told by mail, to whom it goes, and that he is told once and of all."""

import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import factories
import pytest
import reviews
import smtp
from factories import NOW
from hypothesis import given
from hypothesis import strategies as st
from reviews import SECRET, Waiting
from smtp import Received, Receiver
from sqlalchemy import Row, select, update

from mixus.accounts.tables import accounts
from mixus.cli.building import build
from mixus.core import deliveries as outbox
from mixus.core.database import Database
from mixus.core.events import events
from mixus.core.settings import ReviewLinks, Settings
from mixus.core.text import visible
from mixus.evals import service
from mixus.evals.lifecycle import Decision, Environment, OnTimeout
from mixus.evals.review_links import REVIEW_LINKS, open_link, signature
from mixus.evals.tasks import NewCheckpoint, TaskChange
from mixus.worker import deliveries, postman, review_deliveries
from mixus.worker.postman import Postman
from mixus.worker.schedule import schedule, settle_overdue

BOB, CAROL = "bob@example.org", "carol@example.org"
URL = "https://mixus.example.org"
MINUTE = timedelta(minutes=1)
HOUR_MS = 3_600_000
SETTINGS = {"mail_from": "Mixus <mixus@example.org>", "public_url": URL}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with smtp.receiver() as made:
        yield made


def postman_of(receiver: Receiver, links: ReviewLinks = ReviewLinks.DECIDE) -> Postman:
    settings = Settings.model_validate({**SETTINGS, "smtp_url": receiver.url(), "review_links": links})
    made = postman.employ(settings, SECRET)
    assert made is not None
    return made


def run(database: Database, sender: Postman, now: datetime) -> None:
    """One round of what the schedule does."""
    jobs: list[Callable[[], bool]] = [
        partial(settle_overdue, database, now),
        partial(review_deliveries.plan_review_mails, database, now),
        partial(review_deliveries.deliver_review_mail, database, sender, now),
    ]
    for job in jobs:
        while job():
            pass


def rows(database: Database) -> list[Row[Any]]:
    with database.snapshot() as tx:
        return list(tx.execute(select(outbox.deliveries).order_by(outbox.deliveries.c.created_at)))


def reassign(waiting: Waiting, reviewer: str, now: datetime = NOW) -> None:
    ada = reviews.person(waiting.database, "ada@example.org")
    with waiting.database.transaction() as tx:
        service.update(tx, ada, waiting.execution_id, TaskChange(assigned_reviewer=reviewer), now)


def read(received: Received) -> str:
    """The text, with the ends of lines that it had before it went over the wire."""
    return received.text.replace("\r\n", "\n")


def links_of(received: Received) -> list[str]:
    return [line.strip() for line in read(received).splitlines() if line.strip().startswith(URL + "/")]


def test_a_reviewer_is_told_all_that_he_decides_on(database: Database, receiver: Receiver) -> None:
    limits: dict[str, Any] = {"review_timeout_ms": HOUR_MS, "on_review_timeout": OnTimeout.REJECT}
    waiting = reviews.waiting(database, BOB, **limits)
    run(database, postman_of(receiver), NOW + MINUTE)
    [mail] = receiver.received
    signed = signature(SECRET, waiting.checkpoint_id, BOB)
    assert (mail.recipients, mail.message["To"]) == ((BOB,), BOB)
    assert mail.message["Subject"] == "Practice: please review “Commission”"
    assert read(mail) == (
        "Hello,\n\n"
        "Practice (sandbox): nothing of it is done for real, whatever you decide.\n\n"
        "An agent waits for your decision.\n\n"
        "  task     Commission\n"
        "  stage    calculation\n"
        "  attempt  1\n\n"
        "The question:\n\n"
        "  | Is the result $7,500?\n\n"
        "What it is about:\n\n"
        "  | Check the number.\n\n"
        "If you approve, exactly this may happen:\n\n"
        "  | 1. send_email (send)\n"
        "  |    to: pay@example.org\n"
        "  |    subject: Result\n"
        "  |    body:\n"
        "  |      Hello,\n"
        "  |      it is $7,500.\n\n"
        "The work so far, newest last:\n\n"
        "  | 15 % of 50,000 = 7,500\n\n"
        "Until Monday, 23 November 2026, 11:00 UTC.\n"
        "If nobody has decided by then, it is rejected, and nothing of it is done.\n\n"
        "Open the page to decide:\n\n"
        f"  {URL}/r/{waiting.checkpoint_id}/{signed}\n\n"
        "Opening it decides nothing: you decide on the page. The link is\n"
        "for you alone and for this one checkpoint. Whoever has it can\n"
        "decide in your name, so do not pass it on.\n\n"
        f"-- \nmixus at {URL}\n"
    )
    assert waiting.checkpoint["notified_at"] == NOW + MINUTE
    with database.transaction() as tx:
        assert open_link(tx, SECRET, waiting.checkpoint_id, signed, None).principal.email == BOB


@pytest.mark.parametrize(
    ("links", "environment", "is_signed", "sentence"),
    [
        (ReviewLinks.DECIDE, Environment.SANDBOX, True, "you decide on the page"),
        (ReviewLinks.VIEW, Environment.SANDBOX, True, "to decide you sign in"),
        (ReviewLinks.OFF, Environment.SANDBOX, False, "It needs a sign-in."),
        (ReviewLinks.DECIDE, Environment.LIVE, False, "It needs a sign-in."),
    ],
)
def test_a_link_can_what_the_admin_lets_it_and_nothing_where_it_is_real(
    database: Database,
    receiver: Receiver,
    links: ReviewLinks,
    environment: Environment,
    *,
    is_signed: bool,
    sentence: str,
) -> None:
    waiting = reviews.waiting(database, BOB, environment=environment)
    run(database, postman_of(receiver, links), NOW)
    [mail] = receiver.received
    signed = f"/r/{waiting.checkpoint_id}/{signature(SECRET, waiting.checkpoint_id, BOB)}"
    assert links_of(mail) == [URL + (signed if is_signed else f"/review/{waiting.checkpoint_id}")]
    assert sentence in read(mail)
    is_real = environment is Environment.LIVE
    assert str(mail.message["Subject"]).startswith("LIVE:" if is_real else "Practice:")
    assert ("LIVE: what you approve happens for real." in read(mail)) is is_real


@pytest.mark.parametrize(
    ("limits", "sentence"),
    [
        ({"review_timeout_ms": HOUR_MS}, "it expires, and nothing of it is done."),
        ({"review_timeout_ms": HOUR_MS, "escalate_to": CAROL}, "carol@example.org is asked in your place."),
    ],
)
def test_what_happens_after_the_deadline_is_said(
    database: Database, receiver: Receiver, limits: dict[str, Any], sentence: str
) -> None:
    reviews.waiting(database, BOB, **limits)
    run(database, postman_of(receiver), NOW)
    assert f"If nobody has decided by then, {sentence}" in read(receiver.received[0])


def test_whom_it_escalates_to_is_told_and_the_link_before_is_dead(
    database: Database, receiver: Receiver
) -> None:
    waiting = reviews.waiting(database, BOB, review_timeout_ms=HOUR_MS, escalate_to=CAROL)
    run(database, postman_of(receiver), NOW)
    run(database, postman_of(receiver), NOW + 60 * MINUTE)
    run(database, postman_of(receiver), NOW + 60 * MINUTE)
    assert [mail.recipients for mail in receiver.received] == [(BOB,), (CAROL,)]
    text = read(receiver.received[1])
    assert "bob@example.org has not decided in time.\nThe decision is yours now." in text
    assert "Until Monday, 23 November 2026, 12:00 UTC." in text
    assert waiting.checkpoint["notified_at"] == NOW


def test_a_new_reviewer_is_told_who_it_was_before(database: Database, receiver: Receiver) -> None:
    waiting = reviews.waiting(database, BOB)
    run(database, postman_of(receiver), NOW)
    reassign(waiting, CAROL)
    run(database, postman_of(receiver), NOW)
    assert [mail.recipients for mail in receiver.received] == [(BOB,), (CAROL,)]
    assert "You are the reviewer of this from now on (before you: bob@example.org)." in (
        read(receiver.received[1])
    )


def test_a_change_before_anybody_is_asked_tells_nobody_twice(database: Database, receiver: Receiver) -> None:
    waiting = reviews.waiting(database, BOB)
    reassign(waiting, CAROL)
    reassign(waiting, BOB, NOW + MINUTE)
    run(database, postman_of(receiver), NOW + MINUTE)
    assert [mail.recipients for mail in receiver.received] == [(BOB,)]


def decided(waiting: Waiting) -> None:
    waiting.decide(reviews.person(waiting.database, BOB), Decision.APPROVE, NOW)


def hinted(waiting: Waiting) -> None:
    waiting.decide(reviews.person(waiting.database, BOB), Decision.HINT, NOW)


def disabled(waiting: Waiting) -> None:
    reviews.person(waiting.database, BOB)
    with waiting.database.transaction() as tx:
        tx.execute(update(accounts).where(accounts.c.email == BOB).values(disabled_at=NOW))


@pytest.mark.parametrize("change", [decided, hinted, disabled])
@pytest.mark.parametrize("is_planned", [False, True])
def test_what_is_no_news_any_more_is_not_sent(
    database: Database, receiver: Receiver, change: Callable[[Waiting], None], *, is_planned: bool
) -> None:
    waiting = reviews.waiting(database, BOB)
    if is_planned:
        review_deliveries.plan_review_mails(database, NOW)
    change(waiting)
    run(database, postman_of(receiver), NOW)
    assert receiver.received == []
    assert {row.failure for row in rows(database)} <= {deliveries.OBSOLETE}
    assert waiting.checkpoint["notified_at"] is None


def test_each_ask_is_told_of_once(database: Database, receiver: Receiver) -> None:
    waiting = reviews.waiting(database, BOB)
    # Nobody has planned the mail about the first attempt by then.
    hinted(waiting)
    waiting.ask_again(NOW + MINUTE)
    for _ in range(3):
        run(database, postman_of(receiver), NOW + MINUTE)
    [mail] = receiver.received
    assert "attempt  2" in read(mail)
    assert waiting.checkpoint["notified_at"] == NOW + MINUTE


def test_an_ask_from_long_before_mail_was_set_up_is_no_news(database: Database, receiver: Receiver) -> None:
    reviews.waiting(database, BOB)
    run(database, postman_of(receiver), NOW + timedelta(days=1))
    assert rows(database) == []


def flood(database: Database, number: int, now: datetime = NOW, **fields: Any) -> list[Waiting]:
    return [reviews.waiting(database, BOB, now, name=f"Task {each}", **fields) for each in range(number)]


def test_the_first_three_go_at_once_and_the_rest_together(database: Database, receiver: Receiver) -> None:
    asked = flood(database, 5, NOW - MINUTE)
    late = reviews.waiting(database, BOB, environment=Environment.LIVE, name="Late")
    reviews.waiting(database, CAROL)
    run(database, postman_of(receiver), NOW)
    assert sorted(mail.recipients[0] for mail in receiver.received) == [BOB, BOB, BOB, CAROL]
    run(database, postman_of(receiver), NOW + 10 * MINUTE - timedelta(seconds=1))
    assert len(receiver.received) == 4
    run(database, postman_of(receiver), NOW + 10 * MINUTE)
    run(database, postman_of(receiver), NOW + 20 * MINUTE)
    [digest] = receiver.received[4:]
    assert digest.message["Subject"] == "3 reviews wait for you, 1 of them LIVE"
    signed = sum(link.startswith(f"{URL}/r/") for mail in receiver.received for link in links_of(mail))
    assert signed == 6
    assert f"{URL}/review/{late.checkpoint_id}" in links_of(digest)
    assert "LIVE: Late\n  | Is the result $7,500?\n" in read(digest)
    mailed = " ".join(link for mail in receiver.received for link in links_of(mail))
    assert all(mailed.count(waiting.checkpoint_id) == 1 for waiting in (*asked, late))
    assert late.checkpoint["notified_at"] == NOW + 10 * MINUTE
    assert all(row.delivered_at is not None for row in rows(database))


def test_what_comes_within_the_ten_minutes_joins_the_one_digest(
    database: Database, receiver: Receiver
) -> None:
    for minute in range(10):
        flood(database, 1, NOW + minute * MINUTE)
        run(database, postman_of(receiver), NOW + minute * MINUTE)
    assert len(receiver.received) == 3
    run(database, postman_of(receiver), NOW + 10 * MINUTE)
    assert [mail.message["Subject"] for mail in receiver.received[3:]] == ["7 reviews wait for you"]
    # Quiet again: the next one goes at once.
    flood(database, 1, NOW + 30 * MINUTE)
    run(database, postman_of(receiver), NOW + 30 * MINUTE)
    assert len(receiver.received) == 5


def test_a_clock_that_was_ahead_holds_no_later_mail_back(database: Database, receiver: Receiver) -> None:
    for waiting in flood(database, 5, NOW + timedelta(days=1)):
        review_deliveries.plan_review_mails(database, NOW + timedelta(days=1))
        decided(waiting)
    late = reviews.waiting(database, BOB)
    run(database, postman_of(receiver), NOW)
    run(database, postman_of(receiver), NOW + 10 * MINUTE)
    assert late.checkpoint["notified_at"] == NOW + 10 * MINUTE
    assert late.checkpoint_id in read(receiver.received[-1])


def test_a_digest_leaves_out_what_was_decided_meanwhile(database: Database, receiver: Receiver) -> None:
    asked = flood(database, 6)
    run(database, postman_of(receiver), NOW)
    mailed = {link.split("/")[-2] for mail in receiver.received for link in links_of(mail)}
    rest = [waiting for waiting in asked if waiting.checkpoint_id not in mailed]
    # Also of the one that carries the others.
    [carrier] = [row for row in rows(database) if row.next_at is not None]
    with database.snapshot() as tx:
        subject = select(events.c.subject_id).where(events.c.id == carrier.event_id)
        carrying = tx.execute(subject).scalar_one()
    for waiting in rest:
        if waiting.checkpoint_id == carrying:
            decided(waiting)
    run(database, postman_of(receiver), NOW + 10 * MINUTE)
    assert receiver.received[3].message["Subject"] == "2 reviews wait for you"
    assert carrying not in read(receiver.received[3])


def test_a_digest_of_one_is_a_mail_about_it(database: Database, receiver: Receiver) -> None:
    flood(database, 4)
    run(database, postman_of(receiver), NOW)
    run(database, postman_of(receiver), NOW + 10 * MINUTE)
    assert str(receiver.received[3].message["Subject"]).startswith("Practice: please review “Task")


def test_a_digest_of_nothing_is_not_sent(database: Database, receiver: Receiver) -> None:
    asked = flood(database, 5)
    run(database, postman_of(receiver), NOW)
    for waiting in asked:
        decided(waiting)
    run(database, postman_of(receiver), NOW + 10 * MINUTE)
    assert len(receiver.received) == 3
    assert {row.failure for row in rows(database) if row.delivered_at is None} == {deliveries.OBSOLETE}


class Dies(BaseException):
    pass


def test_a_process_that_dies_while_sending_a_digest_loses_nothing(
    database: Database, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = flood(database, 5)
    run(database, postman_of(receiver), NOW)

    def die(*_arguments: object) -> None:
        raise Dies

    due = NOW + 10 * MINUTE
    with monkeypatch.context() as patch:
        patch.setattr(deliveries, "arrived", die)
        with pytest.raises(Dies):
            run(database, postman_of(receiver), due)
    # A checkpoint that comes now does not join what may have been sent.
    flood(database, 1, due)
    run(database, postman_of(receiver), due + outbox.LEASE - timedelta(seconds=1))
    run(database, postman_of(receiver), due + outbox.LEASE)
    first, _, again = receiver.received[3:]
    assert (first.message_id, read(first)) == (again.message_id, read(again))
    assert all(waiting.checkpoint["notified_at"] is not None for waiting in asked)


def test_a_mail_server_that_was_down_gets_the_whole_digest_later(database: Database) -> None:
    with smtp.receiver(is_started=False) as down:
        asked = flood(database, 5)
        run(database, postman_of(down), NOW)
        assert [waiting.checkpoint["notified_at"] for waiting in asked] == [None] * 5
        down.start()
        for minutes in (1, 2, 10, 11):
            run(database, postman_of(down), NOW + minutes * MINUTE)
        mailed = " ".join(link for mail in down.received for link in links_of(mail))
        assert all(mailed.count(waiting.checkpoint_id) == 1 for waiting in asked)


@pytest.mark.parametrize("schedulers", [2, 4])
def test_any_number_of_schedulers_tell_of_each_checkpoint_once(
    database: Database, receiver: Receiver, schedulers: int
) -> None:
    asked = flood(database, 9)
    barrier = threading.Barrier(schedulers)

    def compete() -> None:
        for minutes in (0, 10):
            barrier.wait()
            run(database, postman_of(receiver), NOW + minutes * MINUTE)

    with ThreadPoolExecutor(schedulers) as threads:
        for rival in [threads.submit(compete) for _ in range(schedulers)]:
            rival.result()
    run(database, postman_of(receiver), NOW + 10 * MINUTE)
    assert len(receiver.received) == 4
    mailed = " ".join(link for mail in receiver.received for link in links_of(mail))
    assert all(mailed.count(waiting.checkpoint_id) == 1 for waiting in asked)


HOSTILE = (
    "Pay\r\nBcc: eve@example.org\r\n\r\n=?utf-8?q?=0D=0ABcc:_eve=40example.org?= \u202eevil\u2028-- \nmixus"
)


def hostile_mail(database: Database, receiver: Receiver, text: str) -> Received:
    spec = NewCheckpoint(text, text, text)
    action = {"actionId": "act_1", "tool": text, "effect": "send", "arguments": {text: text, "n": [text]}}
    reviews.waiting(database, BOB, name=text, spec=spec, work=text, actions=[action])
    run(database, postman_of(receiver), NOW)
    return receiver.received[-1]


def test_nothing_that_an_agent_or_a_client_wrote_passes_for_ours(
    database: Database, receiver: Receiver
) -> None:
    mail = hostile_mail(database, receiver, HOSTILE)
    assert mail.recipients == (BOB,)
    assert "Bcc" not in mail.message
    assert len(str(mail.message["Subject"]).splitlines()) == 1
    assert not set(read(mail)) & {"\r", "\u202e", "\u2028"}
    assert "⟨U+202E⟩evil⟨U+2028⟩" in read(mail)
    for line in read(mail).splitlines():
        is_ours = not line.startswith("  |")
        assert not (is_ours and ("Bcc" in line and not line.startswith(("  task", "  stage"))))
    assert read(mail).count("\n-- \n") == 1


@given(st.text(max_size=60).map(lambda text: text.replace("\0", "")))
def test_what_is_hidden_in_a_text_is_seen(text: str) -> None:
    shown = visible(text)
    assert all(
        character.isprintable() or character in "\n\u200c\u200d\u00a0 " or character.isspace()
        for character in shown
    )
    assert visible(shown) == shown


def test_what_is_long_is_cut_and_says_where_the_rest_is(database: Database, receiver: Receiver) -> None:
    action = {"actionId": "a", "tool": "write", "effect": "modify", "arguments": {"text": "x" * 50_000}}
    reviews.waiting(database, BOB, work="old\n" * 9_000 + "newest", actions=[action], name="n" * 200)
    run(database, postman_of(receiver), NOW)
    [mail] = receiver.received
    assert len(read(mail)) < 12_000
    assert read(mail).count("(Cut here; open the page for all of it.)") == 2
    assert "  | newest\n" in read(mail)
    assert len(str(mail.message["Subject"])) < 120


def test_no_signature_stands_in_a_log_or_a_table(
    database: Database, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    receiver.refused = {CAROL}
    asked = [reviews.waiting(database, BOB), reviews.waiting(database, CAROL)]
    run(database, postman_of(receiver), NOW)
    with database.snapshot() as tx:
        everything = [*map(str, rows(database)), *map(str, tx.execute(select(events)))]
    for waiting in asked:
        signed = signature(SECRET, waiting.checkpoint_id, waiting.execution["assigned_reviewer"])
        # The receiver of the tests logs what comes in.
        ours = [record.getMessage() for record in caplog.records if record.name.startswith("mixus")]
        assert signed not in " ".join([*everything, *ours])
    assert repr(SECRET)[2:-1] not in repr(postman_of(receiver))


def test_without_a_public_address_no_review_mail_is_planned_and_the_log_says_so(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    half = {"smtp_url": "smtp://localhost", "mail_from": "a@example.org"}
    made = schedule(database, Settings.model_validate(half), SECRET)
    assert not [name for name in made.jobs if "mails" in name]
    assert "overdue reviews" in made.jobs
    assert caplog.messages == ["no mail leaves: MIXUS_PUBLIC_URL not set"]


def test_a_person_with_an_account_gets_the_same_mail(database: Database, receiver: Receiver) -> None:
    with database.transaction() as tx:
        factories.create_account(tx, BOB)
    waiting = reviews.waiting(database, BOB)
    run(database, postman_of(receiver), NOW)
    assert links_of(receiver.received[0])[0].startswith(f"{URL}/r/{waiting.checkpoint_id}/")


def test_a_service_signs_with_what_its_pages_check(tmp_path: Path) -> None:
    settings = Settings.model_validate({**SETTINGS, "smtp_url": "smtp://localhost", "data": tmp_path})
    service = build(settings)
    with service.resources:
        job = service.engine.schedule.jobs["delivery of review mails"]
        assert isinstance(job, partial)
        sender: Postman = job.args[1]
        assert sender.head.secret == service.app.state.services.pepper.hash(REVIEW_LINKS)
        assert sender.head.links is ReviewLinks.DECIDE
