"""A provider that is down when it is asked, and up again later: seen from outside, on a real process."""

from collections.abc import Callable, Iterator

import pytest
from e2e.deployment import Deployment
from openai_server import OpenAIServer, Refusal, Reply, calls, text

from mixus.client import Client

MODEL = "openai-compatible:test"
# It says itself when it will be back: later than a call waits for it (5 s), early enough for a test.
DOWN = Refusal(503, {"Retry-After": "8"})
PLAN = calls(("plan", {"steps": [{"description": "Calculate.", "effect": "read"}]}))
SUM = calls(("calculate", {"expression": "2 + 3"}))

Start = Callable[..., tuple[OpenAIServer, Client]]


@pytest.fixture
def start(deployment: Deployment) -> Iterator[Start]:
    servers: list[OpenAIServer] = []

    def serve(*script: Reply, **settings: str) -> tuple[OpenAIServer, Client]:
        servers.append(OpenAIServer(*script))
        deployment.variables = {
            "OPENAI_COMPATIBLE_BASE_URL": servers[-1].url,
            "MIXUS_MODEL": "rehearsal",
            **settings,
        }
        return servers[-1], deployment.serve()

    yield serve
    for server in servers:
        server.close()


def wait_until_parked(client: Client, server: OpenAIServer, execution: str) -> None:
    status = client.status(execution)
    while not (server.asked and status.status == "queued"):
        status = client.status(execution, wait_ms=20_000, since=status.version)
        assert status.status in {"queued", "running"}


def test_an_execution_is_queued_while_its_provider_is_down_and_completed_afterwards(start: Start) -> None:
    server, client = start(DOWN, PLAN, SUM, text("5"), MIXUS_RUNNING_PER_USER="1")
    parked = client.create_task_agent("Add 2 and 3.", model=MODEL).execution_id
    wait_until_parked(client, server, parked)

    # It holds no place: the only one of its owner is free for another.
    other = client.create_task_agent("Add 2 and 3.", model="rehearsal").execution_id
    assert client.wait(other, until="final", timeout_seconds=60).status == "completed"

    status = client.wait(parked, until="final", timeout_seconds=60)
    assert (status.status, status.result) == ("completed", "5")
    assert len(server.asked) == 4
    metrics = status.metrics
    assert "parked" in {entry.kind for entry in client.trace(parked)}
    assert metrics.duration_ms == metrics.queued_ms + metrics.agent_ms + metrics.waiting_ms


def test_a_parked_execution_outlives_its_process(deployment: Deployment, start: Start) -> None:
    server, client = start(DOWN, PLAN, SUM, text("5"))
    parked = client.create_task_agent("Add 2 and 3.", model=MODEL).execution_id
    wait_until_parked(client, server, parked)
    deployment.kill()
    client = deployment.serve()
    status = client.wait(parked, until="final", timeout_seconds=60)
    assert (status.status, status.result) == ("completed", "5")
