"""Agents in processes of their users, against real servers, and killed at the worst moments."""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest
from e2e.deployment import Deployment, end, eventually, paused, said

from mixus.client import (
    AsyncClient,
    Client,
    EffectHinted,
    EffectRejected,
    ExecutionEnded,
)

SCRIPT = Path(__file__).with_name("external_agent.py")
REFUND = {"order": 7, "amount": 40}

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(deployment: Deployment) -> Iterator[Start]:
    processes: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> "subprocess.Popen[str]":
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MIXUS_")}
        process = subprocess.Popen(
            [sys.executable, str(SCRIPT), str(deployment.file), *arguments],
            env=kept | {"MIXUS_URL": deployment.address, "MIXUS_API_KEY": deployment.key},
            stdout=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        return process

    yield start
    deployment.release()
    for process in processes:
        end(process)


def kinds(client: Client, execution: str) -> list[str]:
    return [entry.kind for entry in client.trace(execution)]


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_inside_an_effect_the_reviewer_is_asked_and_it_never_runs_again(
    deployment: Deployment, start: Start, moment: str
) -> None:
    client = deployment.serve()
    deployment.hold(moment)
    first = start()
    execution = said(first).strip()
    deployment.approve(paused(client, execution))
    eventually(lambda: "effect-intended" in kinds(client, execution))
    if moment == "after":
        eventually(lambda: deployment.lines == ["one"])
    end(first)
    deployment.release()
    assert client.status(execution).status == "running"
    second = start(execution)
    status = paused(client, execution)
    assert [item.source for item in status.checkpoints] == ["auto", "uncertain"]
    assert "not known" in str(status.awaiting[0].verification_question)
    deployment.approve(status)
    assert client.wait(execution, "final", 60).status == "completed"
    assert second.wait(30) == 0
    assert deployment.lines == ([] if moment == "before" else ["one"])


def test_killed_while_it_waits_the_approval_is_used_once_by_the_next_process(
    deployment: Deployment, start: Start
) -> None:
    client = deployment.serve()
    first = start()
    execution = said(first).strip()
    status = paused(client, execution)
    end(first)
    deployment.kill()
    client = deployment.serve()
    deployment.approve(status)
    second = start(execution)
    assert client.wait(execution, "final", 60).status == "completed"
    assert second.wait(30) == 0
    assert deployment.lines == ["one"]
    assert len(client.status(execution).checkpoints) == 1


def test_two_servers_release_an_effect_once(deployment: Deployment) -> None:
    deployment.serve()
    one = other = deployment.address
    # On SQLite one process serves the data.
    if not deployment.url.startswith("sqlite"):
        deployment.serve("--no-worker")
        other = deployment.address
    task = {"taskDescription": "Refund.", "agent": "refunds", "autoDetectCheckpoints": False}
    begun = post(deployment, one, "", task).json()
    arguments = {"arguments": REFUND}
    worker, effects = {"workerId": begun["workerId"]}, f"/{begun['executionId']}/effects"
    refund = {"tool": "refund", "effect": "purchase", **arguments}
    for _ in range(3):
        action_id = post(deployment, one, effects, worker | refund).json()["actionId"]
        begin = partial(post, deployment, path=f"{effects}/{action_id}/start", body=worker | arguments)
        answers = at_once(begin, one, other)
        assert sorted(answer.status_code for answer in answers) == [201, *[409] * 5]
        assert {answer.json()["code"] for answer in answers if answer.is_error} == {"effect-started"}


def post(deployment: Deployment, address: str, path: str, body: Mapping[str, Any]) -> httpx2.Response:
    with httpx2.Client(base_url=address, trust_env=False) as http:
        return http.post(
            f"/api/eval/external-executions{path}",
            json=body,
            headers={"Authorization": f"Bearer {deployment.key}"},
        )


def at_once(ask: Callable[[str], httpx2.Response], *addresses: str) -> list[httpx2.Response]:
    gate = threading.Barrier(6)

    def asked(address: str) -> httpx2.Response:
        gate.wait()
        return ask(address)

    with ThreadPoolExecutor(6) as pool:
        return list(pool.map(asked, [*addresses] * 3))


def decide_when_asked(client: Client, execution: str, **decision: Any) -> threading.Thread:
    """A reviewer, who comes once."""

    def decide() -> None:
        checkpoint = paused(client, execution).awaiting[0]
        client.decide(
            execution,
            checkpoint.checkpoint_id,
            attempt=checkpoint.attempt,
            **{"action": "approve", **decision},
        )

    thread = threading.Thread(target=decide)
    thread.start()
    return thread


def never(_arguments: Any) -> None:
    raise AssertionError("it was performed in the sandbox")


def test_a_plain_function_runs_through_hint_and_approval_and_performs_nothing_in_the_sandbox(
    deployment: Deployment,
) -> None:
    client = deployment.serve()
    with client.external_execution("Refund order 7.", agent="refunds") as run:
        with run.step("look up the order") as step:
            step.note(paid=35)
        reviewer = decide_when_asked(client, run.execution_id, action="hint", hint="35 was paid")
        with pytest.raises(EffectHinted, match="35 was paid"):
            run.effect("refund", REFUND, effect="purchase", perform=never)
        reviewer.join()
        reviewer = decide_when_asked(client, run.execution_id)
        result = run.effect("refund", REFUND | {"amount": 35}, effect="purchase", perform=never)
        reviewer.join()
        assert result == {"status": "recorded", "sandbox": True}
        run.finish("Refunded 35.")
    status = client.status(run.execution_id)
    assert (status.status, status.result, status.model) == ("completed", "Refunded 35.", "external:refunds")
    metrics = status.metrics
    assert metrics.duration_ms == metrics.queued_ms + metrics.agent_ms + metrics.waiting_ms
    assert (status.human_verification.hints, status.human_verification.approved) == (1, 1)


def test_the_same_on_asyncio(deployment: Deployment) -> None:
    client = deployment.serve()

    async def main() -> str:
        async with AsyncClient(deployment.key, deployment.address) as other:
            made = other.external_execution("Refund.", agent="refunds", test_mode="without-verification")
            async with made as run:
                async with run.step("think") as step:
                    step.spent(input_tokens=3)
                await run.effect("refund", REFUND, effect="purchase", perform=never)
                await run.finish("Refunded.")
            return run.execution_id

    status = client.status(asyncio.run(main()))
    assert (status.status, status.metrics.input_tokens) == ("completed", 3)
    assert [(item.source, item.status) for item in status.checkpoints] == [("auto", "skipped")]


def refund(client: Client, meanwhile: Callable[[str], Any], begun: list[str]) -> None:
    with client.external_execution("Refund.", agent="refunds") as run:
        begun.append(run.execution_id)
        meanwhile(run.execution_id)
        run.effect("refund", REFUND, effect="purchase", perform=never)


def test_a_rejection_and_a_cancel_reach_the_process(deployment: Deployment) -> None:
    client = deployment.serve()
    begun: list[str] = []
    with pytest.raises(EffectRejected):
        refund(client, lambda execution: decide_when_asked(client, execution, action="reject"), begun)
    with pytest.raises(ExecutionEnded):
        refund(client, client.cancel, begun)
    assert [client.status(execution).status for execution in begun] == ["rejected", "cancelled"]
