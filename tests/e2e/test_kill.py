"""`kill -9` at the worst moments: real processes, both stores; nothing is lost and nothing runs twice."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from e2e.deployment import Deployment, end, said

from mixus.client import Client, Status

SCRIPT = [{"tool": "write_line", "arguments": {"text": "one"}}, {"final": "done"}]


def create(client: Client, **fields: Any) -> str:
    body = {"task_description": "Write a line.", "model": "script", "script": SCRIPT} | fields
    return client.create_task_agent(**body).execution_id


def paused(client: Client, execution: str) -> Status:
    status = client.wait(execution, until="checkpoint", timeout_seconds=60)
    assert status.status == "awaiting-verification", status.raw
    return status


def finished(client: Client, execution: str) -> Status:
    return client.wait(execution, until="final", timeout_seconds=60)


def approve(client: Client, status: Status) -> None:
    checkpoint = next(item for item in status.checkpoints if item.status == "awaiting")
    client.decide(status.execution_id, checkpoint.checkpoint_id, "approve", attempt=checkpoint.attempt)


def eventually(holds: Callable[[], bool]) -> None:
    event = threading.Event()
    for _ in range(600):
        if holds():
            return
        event.wait(0.05)
    pytest.fail("it did not come to pass")


def test_killed_while_paused_it_still_waits_and_goes_on(deployment: Deployment) -> None:
    client = deployment.serve()
    execution = create(client)
    before = paused(client, execution)
    deployment.kill()
    client = deployment.serve()
    status = paused(client, execution)
    assert status.checkpoints == before.checkpoints
    approve(client, status)
    assert finished(client, execution).result == "done"
    assert deployment.lines == ["one"]


def test_killed_right_after_a_decision_was_answered_the_decision_stands(deployment: Deployment) -> None:
    client = deployment.serve()
    execution = create(client)
    approve(client, paused(client, execution))
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
    approve(client, paused(client, execution))
    reach_the_effect(deployment, client, execution, moment)
    deployment.kill()
    deployment.release()
    client = deployment.serve()
    status = paused(client, execution)
    assert [item.source for item in status.checkpoints] == ["auto", "uncertain"]
    approve(client, status)
    assert finished(client, execution).status == "completed"
    assert deployment.lines == ([] if moment == "before" else ["one"])


def test_killed_inside_an_effect_the_baseline_fails_and_says_why(deployment: Deployment) -> None:
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


class Provider(BaseHTTPRequestHandler):
    """An OpenAI-compatible server whose first answers never come."""

    hangs = threading.Event()
    asked = threading.Event()
    requests: list[Any]
    address: str

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        self.requests.append(json.loads(self.rfile.read(length)))
        self.asked.set()
        self.hangs.wait(30)
        message = {"role": "assistant", "content": "The answer is 4."}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
        body = {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
        content = json.dumps(body | {"usage": usage}).encode()
        try:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
        except ConnectionError:
            pass  # whoever asked was killed meanwhile

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def provider() -> Iterator[type[Provider]]:
    class BoundProvider(Provider):
        hangs = threading.Event()
        asked = threading.Event()
        requests = []  # noqa: RUF012 - of this test alone

    handler = BoundProvider
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    handler.address = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield handler
    handler.hangs.set()
    server.shutdown()
    server.server_close()
    thread.join()


def test_killed_in_the_middle_of_a_model_call_it_is_called_again_and_finishes(
    deployment: Deployment, provider: type[Provider]
) -> None:
    deployment.variables = {"OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": provider.address}
    client = deployment.serve()
    execution = client.create_task_agent("What is 2 + 2?", model="openai-chat:gpt-4o").execution_id
    assert provider.asked.wait(30)
    deployment.kill()
    provider.hangs.set()
    status = finished(deployment.serve(), execution)
    assert (status.status, status.result) == ("completed", "The answer is 4.")
    assert len(provider.requests) == 2
    assert status.raw["metrics"]["inputTokens"] == 10


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
