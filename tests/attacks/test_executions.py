"""Ten at once, a hundred queued, a thousand waiting: exactly, under any race, and no place ever leaks."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from typing import Any, Self

import pytest
from api.factories import Caller, Reference, Team
from attacks.fleet import Fleet
from attacks.house import eventually
from attacks.people import Office
from e2e.deployment import Deployment, end
from factories import PEPPER
from sqlalchemy import func, select
from starlette.testclient import TestClient

from mixus.accounts.principal import Scope
from mixus.agents.catalog import Catalog
from mixus.client import Client, Conflict, TraceEntry
from mixus.core.database import Database
from mixus.core.settings import Settings
from mixus.evals.lifecycle import Status
from mixus.evals.tables import executions
from mixus.server.app import create_app

CREATE = "/api/eval/create-task-agent"
TASK = {"taskDescription": "Calculate 15 % of 50,000"}
LINGER: list[dict[str, Any]] = [{"tool": "linger", "arguments": {}}, {"final": "done"}]
WRITE: list[dict[str, Any]] = [{"tool": "write_line", "arguments": {"text": "one"}}, {"final": "done"}]
Make = Callable[..., Team]


@pytest.fixture
def make(database: Database, reference: Reference) -> Iterator[Make]:
    """A team under these limits."""
    opened = []

    def make(**limits: Any) -> Team:
        settings = Settings(requests_per_minute=1_000_000, **limits)
        http = TestClient(create_app(settings, database, PEPPER, Catalog("rehearsal")))
        opened.append(http.__enter__())
        return Team(http, database, reference)

    yield make
    for http in opened:
        http.__exit__()


def create(caller: Caller) -> tuple[int, str]:
    response = caller("POST", CREATE, json=TASK)
    return response.status_code, response.json().get("code", "")


def test_the_hundred_and_first_queued_execution_is_refused_as_is_a_retry(make: Make) -> None:
    team = make()
    ada = team.person("ada@example.org")
    done = ada.create()
    team.complete(done)
    assert {create(ada) for _ in range(100)} == {(201, "")}
    assert create(ada) == (409, "queue-full")
    retry = ada("POST", f"/api/eval/executions/{done}/retry")
    assert (retry.status_code, retry.json()["code"]) == (409, "queue-full")
    # Another key of the same person has no other queue, and another person has.
    other = team.with_key(ada.account, [Scope.CREATE])
    assert create(other) == (409, "queue-full")
    assert create(team.person("bob@example.org")) == (201, "")


def test_a_place_in_the_queue_is_free_as_soon_as_one_starts_is_cancelled_or_deleted(make: Make) -> None:
    team = make(queued_per_user=3)
    ada = team.person("ada@example.org")
    queued = [ada.create() for _ in range(3)]
    for free in (
        lambda: team.complete(queued[0]),
        lambda: ada("POST", f"/api/eval/executions/{queued[1]}/cancel"),
        lambda: ada("DELETE", f"/api/eval/executions/{queued[2]}"),
    ):
        assert create(ada) == (409, "queue-full")
        free()
        assert create(ada) == (201, "")
    assert create(ada) == (409, "queue-full")


def test_of_parallel_creates_and_retries_no_more_are_queued_than_may_be(make: Make) -> None:
    team = make(queued_per_user=5)
    ada = team.person("ada@example.org")
    done = ada.create()
    team.complete(done)

    def ask(number: int) -> int:
        if number % 2:
            return create(ada)[0]
        return ada("POST", f"/api/eval/executions/{done}/retry").status_code

    with ThreadPoolExecutor(8) as threads:
        assert Counter(threads.map(ask, range(30))) == {201: 5, 409: 25}


def test_of_parallel_creates_over_eight_processes_exactly_a_hundred_are_queued(fleet: Fleet) -> None:
    owner = fleet.office.person()
    keys, servers = cycle([fleet.office.key(owner), fleet.office.key(owner)]), cycle(fleet.servers)
    calls = [(next(servers), next(keys)) for _ in range(130)]
    with ThreadPoolExecutor(24) as threads:
        answers = list(
            threads.map(lambda call: call[0].post(CREATE, headers=call[1].headers, json=TASK), calls)
        )
    assert Counter(answer.status_code for answer in answers) == {201: 100, 409: 30}
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"queue-full"}


def test_twenty_parallel_creates_with_one_idempotency_key_take_one_place(fleet: Fleet) -> None:
    key = fleet.office.key()
    headers = key.headers | {"Idempotency-Key": "once"}
    with ThreadPoolExecutor(16) as threads:
        answers = list(
            threads.map(lambda server: server.post(CREATE, headers=headers, json=TASK), fleet.servers * 2)
        )
    made = {answer.json()["executionId"] for answer in answers if answer.status_code == 201}
    assert len(made) == 1
    assert {answer.status_code for answer in answers} <= {201, 409}
    self = fleet.servers[0].get("/api/keys/self", headers=key.headers).json()
    assert self["limits"]["executions"]["queued"] == 1


def test_a_full_waiting_room_refuses_a_create_and_never_a_decision(make: Make) -> None:
    team = make(queued_per_user=2, waiting_per_user=3)
    ada = team.person("ada@example.org")
    waiting = [paused(team, ada) for _ in range(3)]
    for _ in range(2):
        assert create(ada) == (409, "waiting-full")
    for execution, checkpoint in waiting:
        assert ada.decide(execution, checkpoint).status_code == 200
    # Three were released into a queue that holds two: it is over its limit, and only new ones are refused.
    assert create(ada) == (409, "queue-full")


@pytest.mark.parametrize("action", ["approve", "hint", "reject"])
def test_no_decision_is_refused_for_a_full_queue(make: Make, action: str) -> None:
    team = make(queued_per_user=2)
    ada = team.person("ada@example.org")
    execution, checkpoint = paused(team, ada)
    for _ in range(2):
        assert create(ada) == (201, "")
    assert create(ada) == (409, "queue-full")
    hint = {"hint": "Round it."} if action == "hint" else {}
    assert ada.decide(execution, checkpoint, action=action, **hint).status_code == 200


def paused(team: Team, caller: Caller) -> tuple[str, str]:
    execution = caller.create()
    checkpoint = str(caller.status(execution)["checkpoints"][0]["checkpointId"])
    team.pause(execution, checkpoint)
    return execution, checkpoint


class Watch:
    """Looks at the rows all the time: the most that ran at once."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.most = 0
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._is_over.set()
        self._thread.join()

    def running(self) -> int:
        statement = select(func.count()).where(executions.c.status == Status.RUNNING)
        with self.office.database.snapshot() as tx:
            return int(tx.execute(statement).scalar_one())

    def _run(self) -> None:
        while not self._is_over.wait(0.01):
            self.most = max(self.most, self.running())


def start(client: Client, script: list[dict[str, Any]]) -> str:
    return client.create_task_agent("Linger.", model="script", script=script).execution_id


def test_of_eleven_over_two_workers_ten_run_and_a_killed_worker_s_places_are_free_again(
    house: tuple[Deployment, Office],
) -> None:
    deployment, office = house
    client = deployment.clients[-1]
    deployment.hold("linger")
    with Watch(office) as watch:
        started = [start(client, LINGER) for _ in range(14)]
        eventually(lambda: watch.running() == 10)
        end(deployment.processes.pop(0))
        # Its executions are taken over, by rows and by the engine's count, and all come to run again.
        eventually(lambda: are_led_by_one(office))
        deployment.release()
        for execution in started:
            assert client.wait(execution, until="final", timeout_seconds=60).status == "completed"
        deployment.hold("linger")
        again = [start(client, LINGER) for _ in range(11)]
        eventually(lambda: watch.running() == 10)
        deployment.release()
        for execution in again:
            assert client.wait(execution, until="final", timeout_seconds=60).status == "completed"
    assert watch.most == 10


def are_led_by_one(office: Office) -> bool:
    """Ten run, and all of them in one worker."""
    statement = select(executions.c.worker_id).where(executions.c.status == Status.RUNNING)
    with office.database.snapshot() as tx:
        workers = list(tx.execute(statement).scalars())
    return len(workers) == 10 and len(set(workers)) == 1


def test_a_resumed_execution_starts_before_new_ones_and_one_that_waits_holds_no_place(
    house: tuple[Deployment, Office],
) -> None:
    deployment, office = house
    client = deployment.clients[-1]
    waiting = start(client, WRITE)
    status = client.wait(waiting, until="checkpoint", timeout_seconds=60)
    deployment.hold("linger")
    with Watch(office) as watch:
        running = [start(client, LINGER) for _ in range(10)]
        eventually(lambda: watch.running() == 10)
        new = [start(client, LINGER) for _ in range(3)]
        [checkpoint] = status.awaiting
        client.decide(waiting, checkpoint.checkpoint_id, "approve", attempt=checkpoint.attempt)
        assert client.status(waiting).status == "queued"
        client.cancel(running[0])
        assert client.wait(waiting, until="final", timeout_seconds=60).status == "completed"
        # In the sandbox the line is recorded and not written.
        assert [entry.raw["data"]["result"]["status"] for entry in calls_of(client, waiting)] == ["recorded"]
        assert deployment.lines == []
        eventually(lambda: watch.running() == 10)
    first_new = min(str(client.status(each).raw["startedAt"] or "9999") for each in new)
    assert str(client.status(waiting).raw["finishedAt"]) <= first_new
    assert watch.most == 10
    deployment.release()


def calls_of(client: Client, execution: str) -> list[TraceEntry]:
    return [entry for entry in client.trace(execution) if entry.kind == "tool-call"]


def test_a_refused_create_leaves_nothing_behind(house: tuple[Deployment, Office]) -> None:
    """Its transaction is taken back whole: no row, no segment, no event."""
    deployment, office = house
    client = deployment.clients[-1]
    deployment.hold("linger")
    made = list(started_until_refused(client))
    with office.database.snapshot() as tx:
        rows = tx.execute(select(func.count()).select_from(executions)).scalar_one()
        segments = tx.connection.exec_driver_sql("select count(*) from dbos.workflow_status").scalar_one()
    assert rows == segments == len(made)
    assert 100 <= len(made) <= 110
    deployment.release()
    eventually(lambda: client.status(made[-1]).status == "completed")


def started_until_refused(client: Client) -> Iterator[str]:
    while True:
        try:
            yield start(client, LINGER)
        except Conflict as refused:
            if refused.code != "queue-full":
                raise
            return
