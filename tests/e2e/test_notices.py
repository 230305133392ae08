"""Mails about the end of keys, from several real processes to a real mail server."""

import signal
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import factories
import pytest
import smtp
from api.factories import until
from e2e.deployment import Deployment, end, said
from smtp import Receiver
from sqlalchemy import func, select, update

from mixus.accounts import service as accounts
from mixus.core.clock import utc_now
from mixus.core.database import Database
from mixus.core.deliveries import deliveries
from mixus.core.events import events
from mixus.keys import notices

DAY = timedelta(days=1)
# How long before now the keys of a test end; of each kind of notice some.
ENDS = [timedelta(hours=12), 6 * DAY, 10 * DAY, -DAY] * 5
pytestmark = pytest.mark.parametrize("database_url", ["postgres"], indirect=True)


@pytest.fixture
def receiver(deployment: Deployment) -> Iterator[Receiver]:
    with smtp.receiver() as made:
        deployment.variables = {
            "MIXUS_SMTP_URL": made.url(user=f"{smtp.NAME}:{smtp.ENCODED}@"),
            "MIXUS_MAIL_FROM": "mixus@example.org",
            "MIXUS_PUBLIC_URL": "https://mixus.example.org",
        }
        yield made


@pytest.fixture
def database(deployment: Deployment) -> Iterator[Database]:
    made = Database(deployment.url)
    yield made
    made.close()


def add_key(database: Database, left: timedelta) -> None:
    now = utc_now()
    with database.transaction() as tx:
        number = len(accounts.list_accounts(tx))
        owner = factories.create_account(tx, f"{number}@example.org")
        factories.create_key(tx, owner, expires=now + left, now=now - 30 * DAY)


def count(database: Database, *conditions: Any) -> int:
    with database.snapshot() as tx:
        return int(tx.execute(select(func.count()).where(*conditions)).scalar_one())


def delivered(database: Database) -> Callable[[int], bool]:
    return lambda expected: count(database, deliveries.c.delivered_at.is_not(None)) == expected


def test_two_processes_send_exactly_one_mail_for_each_notice(
    deployment: Deployment, database: Database, receiver: Receiver
) -> None:
    for left in ENDS:
        add_key(database, left)
    processes = [deployment.start("serve"), deployment.start("worker")]
    for process in processes:
        said(process)
    until(lambda: delivered(database)(len(ENDS)))
    # An orderly stop waits for what they are at.
    for process in processes:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert count(database, events.c.kind.in_([notices.EXPIRING, notices.EXPIRED])) == len(ENDS)
    assert sorted(mail.recipients[0] for mail in receiver.received) == sorted(
        f"{number}@example.org" for number in range(1, len(ENDS) + 1)
    )
    assert sorted({str(mail.message["Subject"]) for mail in receiver.received}) == [
        "The key “test” expires in 10 days",
        "The key “test” expires in 12 hours",
        "The key “test” expires in 6 days",
        "The key “test” has expired",
    ]
    log = (deployment.folder / "log").read_text()
    assert not any(word in log for word in ("Traceback", smtp.PASSWORD, smtp.ENCODED))


def test_a_mail_whose_sender_is_killed_before_the_server_answers_is_sent_again_by_another(
    deployment: Deployment, database: Database, receiver: Receiver
) -> None:
    add_key(database, timedelta(hours=12))
    receiver.is_holding = True
    first = deployment.start("worker")
    said(first)
    until(receiver.held.is_set)
    end(first)
    assert delivered(database)(0)
    receiver.is_holding = False
    with database.transaction() as tx:
        # As if the time had passed for which it is left to the first.
        tx.execute(update(deliveries).values(next_at=utc_now()))
    said(deployment.start("worker"))
    until(lambda: delivered(database)(1))
    assert [mail.recipients for mail in receiver.received] == [("1@example.org",)] * 2
    assert len({mail.message_id for mail in receiver.received}) == 1
