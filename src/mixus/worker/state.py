"""Where an execution stands, read from its rows: all that a segment knows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pydantic_ai.messages import ToolCallPart
from sqlalchemy import select

from mixus.agents import calls, conversation, planning
from mixus.agents.calls import BadCall, Call
from mixus.agents.catalog import Catalog
from mixus.agents.conversation import Conversation
from mixus.agents.gate import Board
from mixus.core.database import Row, Transaction
from mixus.evals import effects, progress, queries
from mixus.evals.lifecycle import STATE_FORMAT, Failure, Source, Status
from mixus.evals.progress import Leg, LostSegment
from mixus.evals.tables import executions
from mixus.worker.bench import Failed

ACTS: Final = frozenset({"checkpoint", "checkpoint-skipped", "effect-intended"})


@dataclass(frozen=True)
class State:
    row: Row
    journal: Sequence[Row]
    effects: dict[str, Row]
    board: Board
    conversation: Conversation
    calls: Sequence[Call | BadCall]
    is_planning: bool = False

    def part(self, action_id: str) -> ToolCallPart:
        return next(part for part in self.conversation.open_calls if part.tool_call_id == action_id)

    def agent_ms(self, now: datetime) -> int:
        """Agent time so far; the execution is running."""
        running = now - self.row["since"]
        return int(self.row["agent_ms"]) + max(0, int(running.total_seconds() * 1000))

    def seconds_left(self, now: datetime) -> float:
        return (int(self.row["timeout_ms"]) - self.agent_ms(now)) / 1000


def read_state(tx: Transaction, leg: Leg, catalog: Catalog, known: Sequence[Row]) -> State:
    """Read what is new since `known`; raises LostSegment, StateUnreadable or Failed."""
    row = tx.execute(select(executions).where(executions.c.id == leg.execution_id)).mappings().one_or_none()
    if row is None or row["seq"] != leg.seq or row["status"] is not Status.RUNNING:
        raise LostSegment
    if row["state_format"] != STATE_FORMAT:
        raise Failed(
            Failure.STATE_UNREADABLE, f"Its state is of format {row['state_format']}; a newer mixus wrote it."
        )
    number = known[-1]["number"] if known else 0
    journal = [*known, *progress.journal_after(tx, leg.execution_id, number)]
    intents = effects.of_execution(tx, leg.execution_id)
    talk = conversation.rebuild(journal, intents)
    board = _board(tx, row, intents)
    is_planning = catalog.plans(row["model"]) and not row["plan"] and not _has_acted(journal)
    if is_planning:
        stages = {each["stage"] for each in board.checkpoints if each["source"] is Source.MANUAL}
        asked = [planning.read(part, stages) for part in talk.open_calls]
    else:
        asked = [_read(part, catalog, row, intents.get(part.tool_call_id)) for part in talk.open_calls]
    return State(row, journal, intents, board, talk, asked, is_planning)


def _read(part: ToolCallPart, catalog: Catalog, row: Row, intent: Row | None) -> Call | BadCall:
    """What was intended may have happened, and stays a call whatever has become of its tool."""
    call = planning.again(part) or calls.read(part, catalog.tools, frozenset(row["tools"]))
    if isinstance(call, BadCall) and intent is not None:
        return calls.as_intended(part, intent["effect"]) or call
    return call


def _has_acted(journal: Sequence[Row]) -> bool:
    """It was begun by a release that asked for no plan, and may hold what was approved or was under way."""
    return any(
        entry["kind"] in ACTS or (entry["kind"] == "tool-call" and "arguments" in entry["data"])
        for entry in journal
    )


def _board(tx: Transaction, row: Row, intents: dict[str, Row]) -> Board:
    return Board(
        test_mode=row["test_mode"],
        is_auto=row["auto_detect"],
        checkpoints=queries.checkpoints_of(tx, [row["id"]]),
        effects={action_id: _is_settled(intent) for action_id, intent in intents.items()},
    )


def _is_settled(intent: Row) -> bool:
    return intent["finished_at"] is not None
