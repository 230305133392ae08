"""What we add to an agent: time to a step, tokens to a prompt; and how many segments one process runs."""

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models import Model
from pydantic_ai.models.function import AgentInfo, FunctionModel

from benchmarks.numbers import p50, p95
from benchmarks.report import Goal, Section
from benchmarks.service import running
from mixus.accounts import service as accounts
from mixus.accounts.principal import Principal, Role, Scope, Via
from mixus.agents import offering, planning
from mixus.agents.catalog import Catalog
from mixus.agents.instructions import system_prompt
from mixus.agents.tools.calculate import evaluate
from mixus.agents.tools.registry import Tool
from mixus.agents.tools.toolbox import tools_of
from mixus.cli.database import upgrade
from mixus.client import Client
from mixus.core.clock import utc_now
from mixus.core.database import Database, sqlite_url
from mixus.core.events import Actor
from mixus.core.settings import Settings
from mixus.evals import service
from mixus.evals.lifecycle import TestMode
from mixus.evals.progress import Leg
from mixus.evals.tasks import NewTask
from mixus.worker.bench import Bench
from mixus.worker.segment import run_segment

CALLS: Final = 20
SEGMENTS: Final = 400
AT_ONCE: Final = 40
# English text and JSON alike: what the providers' own counters say is within a tenth of it or so.
CHARACTERS_PER_TOKEN: Final = 4


def measure(folder: Path, *, is_quick: bool) -> Iterator[Section]:
    yield _steps(folder, rounds=8 if is_quick else 40)
    yield _segments(folder, SEGMENTS // 4 if is_quick else SEGMENTS)
    yield _prompts()


def instant() -> Model:
    """Asks for one calculation after the other, and takes no time to think."""

    def say(messages: list[ModelMessage], _info: AgentInfo) -> ModelResponse:
        spoken = sum(isinstance(message, ModelResponse) for message in messages)
        if spoken == CALLS:
            return ModelResponse(parts=[TextPart("done")])
        return ModelResponse(parts=[ToolCallPart("calculate", {"expression": f"{spoken} * 2"})])

    return FunctionModel(say, model_name="instant")


class InstantCatalog(Catalog):
    """Our own catalog, with that model and without its plan, which the other agent does not make."""

    def __init__(self) -> None:
        super().__init__("rehearsal")
        self._model = instant()

    def model(self, _name: str, _script: Any) -> Model:
        return self._model

    def plans(self, _model: str) -> bool:
        return False


def _steps(folder: Path, rounds: int) -> Section:
    database = Database(sqlite_url(folder / "steps.db"))
    upgrade(database)
    bench, principal = Bench(database, InstantCatalog(), utc_now), _somebody(database)
    ours: list[float] = []
    bare: list[float] = []
    _our_step_ms(bench, principal)
    for _ in range(rounds):
        ours.append(_our_step_ms(bench, principal))
        bare.append(_bare_step_ms())
    database.close()
    added = [mine - theirs for mine, theirs in zip(ours, bare, strict=True)]
    rows = [
        ("mixus, both written to disk before anything follows", p50(ours), p95(ours)),
        ("the same pydantic-ai agent alone, in memory", p50(bare), p95(bare)),
        ("what mixus adds", p50(added), p95(added)),
        ("as a ratio", p50([mine / theirs for mine, theirs in zip(ours, bare, strict=True)]), None),
    ]
    return Section(
        "A step of an agent: one answer of an instant model, one tool call, on SQLite",
        f"{rounds} rounds in turns, {CALLS} steps each",
        ("who", "p50 ms", "p95 ms"),
        rows,
        [Goal("overhead per step on SQLite, p50", p50(added), 15, "ms")],
    )


def _somebody(database: Database) -> Principal:
    with database.transaction() as tx:
        account = accounts.create(tx, "bench@example.org", Role.MEMBER, utc_now(), Actor(None))
    return Principal(account.id, account.email, Role.MEMBER, frozenset(Scope), "key_bench", Via.KEY)


def _our_step_ms(bench: Bench, principal: Principal) -> float:
    task = NewTask(
        "Measure.", "Measure", "instant", test_mode=TestMode.WITHOUT_VERIFICATION, tools=["calculate"]
    )
    with bench.database.transaction() as tx:
        row = service.create_task(tx, principal, task, utc_now())
    start = time.perf_counter()
    asyncio.run(run_segment(bench, Leg(row["id"], row["seq"], "wrk_bench")))
    return (time.perf_counter() - start) / CALLS * 1000


def _bare_step_ms() -> float:
    agent = Agent(instant(), system_prompt="Do it.")

    @agent.tool_plain
    async def calculate(expression: str) -> str:
        return evaluate(expression)

    start = time.perf_counter()
    result = asyncio.run(agent.run("Measure."))
    assert result.output == "done"
    return (time.perf_counter() - start) / CALLS * 1000


def _segments(folder: Path, count: int) -> Section:
    limits = {
        "MIXUS_RUNNING_PER_USER": str(AT_ONCE),
        "MIXUS_QUEUED_PER_USER": "10000",
        "MIXUS_REQUESTS_PER_MINUTE": "100000",
    }
    with running(folder, **limits) as server, server.client() as client:
        seconds = _run_all(client, count)
    return Section(
        "Segments of one process on SQLite",
        f"{count} executions of a script with one answer, created one after the other, {AT_ONCE} at once; "
        "from the creation of the first to the end of the last",
        ("what", "per second"),
        [("segments", count / seconds)],
        [Goal("segments per second in one process", count / seconds, 25, "/s", is_floor=True)],
    )


def _run_all(client: Client, count: int) -> float:
    script: list[dict[str, Any]] = [{"final": "done"}]
    ids = [
        client.create_task_agent("Measure.", model="script", script=script).execution_id for _ in range(count)
    ]
    ended = [client.wait(execution_id, "final", 120) for execution_id in ids]
    starts = [status.created_at for status in ended if status.created_at]
    ends = [status.finished_at for status in ended if status.finished_at]
    assert len(ends) == count
    return (max(ends) - min(starts)).total_seconds()


def _prompts() -> Section:
    """Told at each step: the rules and the tools. The task and what was said are the user's own."""
    everything = Settings(web_hosts="*", http_hosts="example.org", search_url="http://127.0.0.1:1")
    kinds = {
        "of every deployment, without a database": [
            tool for tool in tools_of(Settings()).values() if tool.needs_seed is None
        ],
        "with web, HTTP, search and a database": list(tools_of(everything).values()),
    }
    rows = [(name, len(tools) + 1, _tokens(tools)) for name, tools in kinds.items()]
    return Section(
        "The prompt that we add to each step",
        f"characters of the rules and of the tools' definitions as JSON, divided by {CHARACTERS_PER_TOKEN}",
        ("tools", "how many", "tokens"),
        rows,
        [Goal("prompt of every deployment, per step", float(rows[0][2]), 900, "tokens")],
    )


def _tokens(tools: list[Tool]) -> int:
    offered = [offering.definition(tool) for tool in (planning.TOOL, *tools)]
    written = [[each.name, each.description, each.parameters_json_schema] for each in offered]
    told = system_prompt([], plans=True) + json.dumps(written, separators=(",", ":"))
    return len(told) // CHARACTERS_PER_TOKEN
