"""`kill -9` at random moments of live runs, whose effects are at real mail and HTTP receivers.

KILLS says how many for each store: few by default, since each costs a start; `make kill` takes 200.
"""

import os
import random
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from e2e.deployment import LIVE, Deployment
from e2e.target import Target, web_target
from smtp import Receiver
from smtp import receiver as mail_receiver

from mixus.client import Client, MixusError, Status

KILLS = int(os.environ.get("KILLS", "4"))
AT_ONCE = 4
FINAL = {"completed", "rejected", "failed", "cancelled", "expired"}


@pytest.fixture
def target() -> Iterator[Target]:
    with web_target() as made:
        yield made


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with mail_receiver() as made:
        yield made


def script(name: str, place: str) -> list[dict[str, Any]]:
    """Two effects at two receivers, each of them recognisable."""
    mail = {"to": ["pay@example.org"], "subject": f"mail of {name}", "body": "b"}
    call = {"method": "POST", "url": f"http://{place}/", "body": f"call of {name}"}
    return [
        {"tool": "send_email", "arguments": mail},
        {"tool": "http_request", "arguments": call},
        {"final": "done"},
    ]


class Watched:
    """Executions that a reviewer approves as they come, whatever dies meanwhile."""

    def __init__(self, deployment: Deployment, place: str) -> None:
        self.deployment = deployment
        self.place = place
        self.open: set[str] = set()
        self.ended: dict[str, Status] = {}
        self.names: dict[str, str] = {}

    def fill(self, client: Client) -> None:
        while len(self.open) < AT_ONCE:
            name = f"run {len(self.names)}"
            # With its own key, so that a lost answer makes no second execution.
            made = client.create_task_agent(
                "Do both.",
                model="script",
                script=script(name, self.place),
                environment="live",
                idempotency_key=name,
            )
            self.names[made.execution_id] = name
            self.open.add(made.execution_id)

    def look(self, client: Client) -> None:
        for execution in list(self.open):
            status = client.status(execution)
            if status.status in FINAL:
                self.open.discard(execution)
                self.ended[execution] = status
            elif status.status == "awaiting-verification":
                self.deployment.approve(status)


@pytest.mark.timeout(180 + 10 * KILLS)
def test_killed_again_and_again_each_effect_happens_once_or_is_shown_as_uncertain(
    deployment: Deployment, target: Target, receiver: Receiver
) -> None:
    deployment.variables = {
        "MIXUS_LIVE_TOOLS": f"{LIVE['MIXUS_LIVE_TOOLS']},send_email,http_request",
        "MIXUS_HTTP_HOSTS": target.place,
        "MIXUS_SMTP_URL": receiver.url(),
        "MIXUS_MAIL_FROM": "mixus@example.org",
        "MIXUS_REQUESTS_PER_MINUTE": "100000",
    }
    watched = Watched(deployment, target.place)
    moments = random.Random(KILLS)
    for _ in range(KILLS):
        client = deployment.serve()
        killer = threading.Timer(moments.uniform(0.05, 1.5), deployment.kill_processes)
        killer.start()
        while killer.is_alive():
            try:
                watched.fill(client)
                watched.look(client)
            except (MixusError, OSError, httpx2.HTTPError):
                # It was killed while it was asked.
                killer.join()
        deployment.kill()
    finish(watched, deployment.serve())
    mails = Counter(str(mail.message["Subject"]) for mail in receiver.received)
    for execution, status in watched.ended.items():
        check(watched.names[execution], status, mails, target.bodies)
    assert len(watched.ended) == len(watched.names)


def finish(watched: Watched, client: Client) -> None:
    pause = threading.Event()
    while watched.open:
        watched.look(client)
        pause.wait(0.05)


def check(name: str, status: Status, mails: Counter[str], calls: Counter[str]) -> None:
    """Once; or not at all, or once without anybody knowing it, where the reviewer was asked."""
    assert status.status == "completed", status.raw
    uncertain = [
        action.tool
        for item in status.checkpoints
        if item.source == "uncertain"
        for action in item.proposed_actions
    ]
    for tool, happened in (
        ("send_email", mails[f"mail of {name}"]),
        ("http_request", calls[f"call of {name}"]),
    ):
        assert happened <= 1, (name, tool, happened)
        assert happened == 1 or tool in uncertain, (name, tool, status.raw)
