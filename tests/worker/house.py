"""A house for tests: the real rooms on a real database, with segments run one at a time by hand."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models import Model
from pydantic_ai.models.function import AgentInfo, FunctionModel
from sqlalchemy import insert, select

from mixus.accounts.principal import Principal, Role, Scope, Via
from mixus.accounts.tables import accounts
from mixus.agents.catalog import Catalog, Live
from mixus.agents.edits import revise
from mixus.agents.tools.builtin import BUILT_IN
from mixus.agents.tools.registry import Arguments, Context, Tool, ToolFailed, registry
from mixus.core.database import Database, Row
from mixus.evals import decide, queries, service
from mixus.evals.lifecycle import Decision, Effect, Environment, Status
from mixus.evals.progress import Leg
from mixus.evals.tables import effects, executions, trace
from mixus.evals.tasks import Edits, NewTask, Verdict
from mixus.worker import leases
from mixus.worker.bench import Bench
from mixus.worker.segment import run_segment

START = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)

# What a model says, in order: a text, a batch of (tool, arguments), or whatever else a provider may give.
Saying = str | ModelResponse | Sequence[tuple[str, Mapping[str, Any]]]


class Clock:
    """Time that moves only when a test says so, and a millisecond at each look."""

    def __init__(self) -> None:
        self.moment = START

    def __call__(self) -> datetime:
        self.moment += timedelta(milliseconds=1)
        return self.moment

    def advance(self, **duration: float) -> None:
        self.moment += timedelta(**duration)


class Crash(BaseException):
    """The process dies here: nothing of ours may catch it."""


@dataclass(frozen=True)
class CrashingBench(Bench):
    """Dies at the n-th write, before or after its commit."""

    countdown: list[int] = field(default_factory=list)
    is_committed: bool = False

    async def write(self, use_case: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        self.countdown[0] -= 1
        if self.countdown[0] == 0 and not self.is_committed:
            raise Crash
        result = await super().write(use_case, *arguments, **named)
        if self.countdown[0] == 0:
            raise Crash
        return result


class Line(Arguments):
    text: str


class Outside:
    """A tool whose effect is outside the database: what it did cannot be rolled back."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.fault: Callable[[str], None] | None = None
        self.gate: asyncio.Event | None = None
        self.answer: str | None = None

    async def run(self, arguments: Line, _context: Context) -> str:
        if self.fault is not None:
            self.fault(arguments.text)
        if self.gate is not None:
            await self.gate.wait()
        self.lines.append(arguments.text)
        return self.answer or f"wrote {arguments.text}"

    def tool(self, effect: Effect = Effect.MODIFY) -> Tool:
        return Tool("write_line", "Write a line.", effect, Line, self.run)


class SayingCatalog(Catalog):
    """Real tools, and a model that says what the test tells it, by how often it has spoken."""

    def __init__(self, tools: Mapping[str, Tool]) -> None:
        live = Live(frozenset(tools), without_verification=True)
        super().__init__("rehearsal", tools, may_spend=True, live=live)
        self.sayings: dict[str, Sequence[Saying]] = {}
        self.meanwhile: Callable[[], None] | None = None
        self.has_plans = False
        # Those of one house may differ.
        self.planners: set[str] = set()

    def plans(self, model: str) -> bool:
        """A saying is no plan unless a test wants it to be one."""
        if model in self.sayings:
            return self.has_plans or model in self.planners
        return super().plans(model)

    def model(self, name: str, script: list[Mapping[str, Any]] | None) -> Model:
        if name not in self.sayings:
            return super().model(name, script)
        return FunctionModel(lambda messages, info: self._say(name, messages, info), model_name=name)

    def prepare(self, task: NewTask) -> NewTask:
        if task.model in self.sayings:
            return replace(task, tools=list(self.tools if task.tools is None else task.tools))
        return super().prepare(task)

    def _say(self, name: str, messages: list[ModelMessage], _info: AgentInfo) -> ModelResponse:
        if self.meanwhile is not None:
            self.meanwhile()
        spoken = sum(isinstance(message, ModelResponse) for message in messages)
        sayings = self.sayings[name]
        saying = sayings[min(spoken, len(sayings) - 1)]
        if isinstance(saying, ModelResponse):
            return saying
        if isinstance(saying, str):
            return ModelResponse(parts=[TextPart(saying)])
        return ModelResponse(
            parts=[ToolCallPart(tool, dict(arguments), "same-id") for tool, arguments in saying]
        )


class House:
    """`label` keeps several houses in one database apart."""

    def __init__(self, database: Database, label: str = "") -> None:
        self.database = database
        self.label = label
        self.clock = Clock()
        self.outside = Outside()
        self.catalog = SayingCatalog({**BUILT_IN, **registry(self.outside.tool())})
        self.bench = Bench(database, self.catalog, self.clock)
        self.owner = self.person(f"usr_owner{label}", f"ana{label}@example.org")
        self.reviewer = self.person(f"usr_reviewer{label}", f"bob{label}@example.org")

    def person(self, user_id: str, email: str, role: Role = Role.MEMBER) -> Principal:
        with self.database.transaction() as tx:
            tx.execute(insert(accounts).values(id=user_id, email=email, role=role, created_at=self.clock()))
        return Principal(user_id, email, role, frozenset(Scope), f"ses_{user_id}", Via.SESSION)

    @property
    def key(self) -> Principal:
        """The owner, calling with a key: no session starts anything."""
        return replace(self.owner, via=Via.KEY, may_go_live=True)

    def create(self, *sayings: Saying, **task: Any) -> str:
        """An execution whose model says these things; `task` are further fields of NewTask."""
        name = f"test:{len(self.catalog.sayings)}"
        self.catalog.sayings[name] = sayings
        environment = Environment.LIVE if self._writes(sayings) else Environment.SANDBOX
        fields = {"description": "Do it.", "name": "It", "model": name, "environment": environment}
        return self.create_task(NewTask(**{**fields, **task}))

    def _writes(self, sayings: Sequence[Saying]) -> bool:
        """Whether a line is written, which is outside the database and so real."""
        calls = [call for saying in sayings if not isinstance(saying, str | ModelResponse) for call in saying]
        return any(tool == "write_line" for tool, _ in calls)

    def create_task(self, task: NewTask) -> str:
        prepared = self.catalog.prepare(task)
        with self.database.transaction() as tx:
            return str(service.create_task(tx, self.key, prepared, self.clock())["id"])

    def run(self, execution_id: str, bench: Bench | None = None) -> Row:
        """Run the segment that the execution is at."""
        leg = Leg(execution_id, self.row(execution_id)["seq"], "wrk_test")
        asyncio.run(run_segment(bench or self.bench, leg))
        return self.row(execution_id)

    def crash(self, execution_id: str, *, at_write: int, is_committed: bool) -> bool:
        """Run until the n-th write and die there; whether it came to that."""
        bench = CrashingBench(
            self.database, self.catalog, self.clock, countdown=[at_write], is_committed=is_committed
        )
        try:
            self.run(execution_id, bench)
        except Crash:
            return True
        return False

    def take_over(self) -> int:
        self.clock.advance(seconds=60)
        return leases.sweep(self.database, self.clock())

    def decide(
        self,
        execution_id: str,
        action: Decision,
        *,
        principal: Principal | None = None,
        checkpoint: Row | None = None,
        attempt: int | None = None,
        **said: Any,
    ) -> Row:
        """`said` is what else the verdict holds."""
        checkpoint = checkpoint or self.awaiting(execution_id)
        verdict = Verdict(attempt or checkpoint["attempt"], action, **said)
        with self.database.transaction() as tx:
            return decide.decide(
                tx, principal or self.owner, execution_id, checkpoint["id"], verdict, self.clock()
            )

    def edits(self, arguments: Mapping[str, Mapping[str, Any]]) -> Edits:
        return Edits(arguments, partial(revise, self.catalog.tools))

    def approve(self, execution_id: str) -> Row:
        self.decide(execution_id, Decision.APPROVE)
        return self.run(execution_id)

    def edit(self, execution_id: str, *arguments: Mapping[str, Any]) -> Row:
        """Approve with these arguments in place of the proposed ones, in order."""
        actions = self.awaiting(execution_id)["proposed_actions"]
        edits = {action["actionId"]: each for action, each in zip(actions, arguments, strict=False)}
        return self.decide(execution_id, Decision.APPROVE, edits=self.edits(edits))

    def hint(self, execution_id: str, text: str) -> Row:
        self.decide(execution_id, Decision.HINT, hint=text)
        return self.run(execution_id)

    def cancel(self, execution_id: str) -> Row:
        with self.database.transaction() as tx:
            return service.cancel(tx, self.owner, execution_id, self.clock())

    def row(self, execution_id: str) -> Row:
        with self.database.snapshot() as tx:
            return tx.execute(select(executions).where(executions.c.id == execution_id)).mappings().one()

    def status(self, execution_id: str) -> Status:
        return Status(self.row(execution_id)["status"])

    def checkpoints(self, execution_id: str) -> Sequence[Row]:
        with self.database.snapshot() as tx:
            return queries.checkpoints_of(tx, [execution_id])

    def awaiting(self, execution_id: str) -> Row:
        return next(row for row in self.checkpoints(execution_id) if row["status"] == "awaiting")

    def journal(self, execution_id: str) -> Sequence[Row]:
        with self.database.snapshot() as tx:
            statement = select(trace).where(trace.c.execution_id == execution_id)
            return tx.execute(statement.order_by(trace.c.number)).mappings().all()

    def effects(self, execution_id: str) -> Sequence[Row]:
        with self.database.snapshot() as tx:
            statement = select(effects).where(effects.c.execution_id == execution_id)
            return tx.execute(statement.order_by(effects.c.intended_at)).mappings().all()

    def mails(self, execution_id: str) -> list[Any]:
        return [
            entry["data"]["arguments"]
            for entry in self.journal(execution_id)
            if entry["kind"] == "tool-call" and entry["data"]["tool"] == "send_email"
        ]


def mail(to: str = "pay@example.org", body: str = "b") -> tuple[str, dict[str, Any]]:
    return ("send_email", {"to": [to], "subject": "s", "body": body})


def line(text: str) -> tuple[str, dict[str, Any]]:
    return ("write_line", {"text": text})


def sure_failure(text: str) -> None:
    raise ToolFailed(f"cannot write {text}")
