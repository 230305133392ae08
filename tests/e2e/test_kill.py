"""`kill -9` at the worst moments: real processes, both stores; nothing is lost and nothing runs twice."""

from typing import Any

import pytest
from e2e.deployment import Deployment, end, eventually, paused, said
from e2e.provider import Provider

from mixus.client import Client, Status

SCRIPT = [{"tool": "write_line", "arguments": {"text": "one"}}, {"final": "done"}]


def create(client: Client, **fields: Any) -> str:
    task = {"task_description": "Write a line.", "model": "script", "script": SCRIPT}
    body = task | {"environment": "live"} | fields
    return client.create_task_agent(**body).execution_id


def finished(client: Client, execution: str) -> Status:
    return client.wait(execution, until="final", timeout_seconds=60)


def test_killed_while_paused_it_still_waits_and_goes_on(deployment: Deployment) -> None:
    client = deployment.serve()
    execution = create(client)
    before = paused(client, execution)
    deployment.kill()
    client = deployment.serve()
    status = paused(client, execution)
    assert status.checkpoints == before.checkpoints
    deployment.approve(status)
    assert finished(client, execution).result == "done"
    assert deployment.lines == ["one"]


def test_killed_right_after_a_decision_was_answered_the_decision_stands(deployment: Deployment) -> None:
    client = deployment.serve()
    execution = create(client)
    deployment.approve(paused(client, execution))
    deployment.kill()
    client = deployment.serve()
    assert finished(client, execution).status == "completed"
    assert deployment.lines == ["one"]


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_inside_an_effect_the_reviewer_is_asked_and_it_never_runs_again(
    deployment: Deployment, moment: str
) -> None:
    client = deployment.serve()
    execution = create(client)
    deployment.hold(moment)
    deployment.approve(paused(client, execution))
    reach_the_effect(deployment, client, execution, moment)
    deployment.kill()
    deployment.release()
    client = deployment.serve()
    status = paused(client, execution)
    assert [item.source for item in status.checkpoints] == ["auto", "uncertain"]
    deployment.approve(status)
    assert finished(client, execution).status == "completed"
    assert deployment.lines == ([] if moment == "before" else ["one"])


def test_killed_inside_an_effect_the_baseline_fails_and_says_why(deployment: Deployment) -> None:
    deployment.variables = {"MIXUS_LIVE_WITHOUT_VERIFICATION": "true"}
    client = deployment.serve()
    deployment.hold("after")
    execution = create(client, test_mode="without-verification")
    reach_the_effect(deployment, client, execution, "after")
    deployment.kill()
    deployment.release()
    status = finished(deployment.serve(), execution)
    assert (status.status, status.raw["error"]["code"]) == ("failed", "effect-uncertain")
    assert deployment.lines == ["one"]


def reach_the_effect(deployment: Deployment, client: Client, execution: str, moment: str) -> None:
    if moment == "after":
        eventually(lambda: deployment.lines == ["one"])
    else:
        eventually(lambda: any(entry.kind == "effect-intended" for entry in client.trace(execution)))


def test_killed_in_the_middle_of_a_model_call_it_is_called_again_and_finishes(
    deployment: Deployment, provider: Provider
) -> None:
    deployment.variables = provider.variables
    client = deployment.serve()
    execution = client.create_task_agent("What is 2 + 2?", model="openai-chat:gpt-4o").execution_id
    assert provider.asked.wait(30)
    deployment.kill()
    provider.answers.set()
    status = finished(deployment.serve(), execution)
    assert (status.status, status.result) == ("completed", "The answer is 4.")
    # The one that was cut off, the plan and the answer; what was cut off told no usage.
    assert len(provider.requests) == 3
    assert status.raw["metrics"]["inputTokens"] == 20


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_a_second_worker_takes_over_from_a_killed_one_within_15_seconds(deployment: Deployment) -> None:
    client = deployment.serve("--no-worker")
    workers = [deployment.start("worker") for _ in range(2)]
    for worker in workers:
        said(worker)
    deployment.hold("linger")
    execution = create(client, script=[{"tool": "linger", "arguments": {}}, {"final": "done"}])
    pid = deployment.file.with_suffix(".pid")
    eventually(lambda: pid.exists() and bool(pid.read_text()))
    first = pid.read_text()
    end(next(worker for worker in workers if worker.pid == int(first)))
    deployment.release()
    status = client.wait(execution, until="final", timeout_seconds=15)
    assert status.status == "completed"
    assert pid.read_text() != first


def test_cancel_ends_a_model_call_in_flight(deployment: Deployment, provider: Provider) -> None:
    deployment.variables = provider.variables
    client = deployment.serve()
    execution = client.create_task_agent("What is 2 + 2?", model="openai-chat:gpt-4o").execution_id
    assert provider.asked.wait(30)
    assert client.cancel(execution).status == "cancelled"
    assert provider.left.wait(10)
    provider.answers.set()
    assert finished(client, execution).result is None
    assert "Traceback" not in (deployment.folder / "log").read_text()
