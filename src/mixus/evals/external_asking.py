"""Raising a checkpoint for a foreign agent: what the reviewer is shown, and what his approval is bound to."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select, update

from mixus.core.database import Row, Transaction
from mixus.core.ids import new_id
from mixus.evals import progress, queries
from mixus.evals.board import Board
from mixus.evals.digests import digest
from mixus.evals.external_gate import Raise
from mixus.evals.lifecycle import DECLARED, Effect, Failure, Source, TestMode
from mixus.evals.progress import Leg, Pause
from mixus.evals.tables import checkpoints, trace
from mixus.evals.tasks import NewCheckpoint

MOST_WORK: Final = 20_000
MOST_LINES: Final = 200
MAY_IT: Final = "May the agent do exactly this?"
IS_RIGHT: Final = "Is this right?"


@dataclass(frozen=True)
class Action:
    """A call of a foreign tool, as its agent proposes it."""

    action_id: str
    tool: str
    effect: Effect
    arguments: Mapping[str, Any]

    @property
    def digest(self) -> str:
        return digest(self.tool, self.arguments)

    def shown(self) -> dict[str, Any]:
        return {
            "actionId": self.action_id,
            "tool": self.tool,
            "effect": self.effect.value,
            "arguments": dict(self.arguments),
        }


@dataclass(frozen=True)
class Asked:
    """`spec` describes it where no declared checkpoint does; `work` of None is what the agent noted."""

    spec: NewCheckpoint
    work: str | None = None
    actions: Sequence[Action] = ()
    digests: Mapping[str, str] = field(default_factory=dict)


def board_of(tx: Transaction, row: Row) -> Board:
    return Board(row["test_mode"], row["auto_detect"], queries.checkpoints_of(tx, [row["id"]]))


def leg_of(row: Row) -> Leg:
    """The fence of whoever holds this row."""
    return Leg(row["id"], row["seq"], row["worker_id"])


def about_effect(action: Action, work: str | None) -> Asked:
    spec = NewCheckpoint(action.effect.value, f"Before {action.tool} takes effect.", MAY_IT)
    return Asked(spec, work, [action], {action.action_id: action.digest})


def ask(tx: Transaction, execution: Row, wanted: Raise, asked: Asked, now: datetime) -> str | None:
    """Raise the checkpoint, and answer its id; the baseline records it and answers None."""
    row, is_new = wanted.row, wanted.row is None
    is_declared = row is not None and row["source"] in DECLARED
    pause = Pause(
        checkpoint_id=new_id("chk") if row is None else row["id"],
        is_new=is_new,
        # Asked again after a hint, it is about something new, and no longer about what may have happened.
        source=row["source"] if row is not None and is_declared else Source.AUTO,
        spec=_own_spec(row) if row is not None and is_declared else asked.spec,
        work=(work_of(tx, execution["id"]) if asked.work is None else asked.work)[-MOST_WORK:],
        actions=[action.shown() for action in asked.actions],
        digests=asked.digests,
    )
    if execution["test_mode"] is TestMode.WITHOUT_VERIFICATION:
        progress.pass_by(tx, leg_of(execution), pause, now)
        return None
    progress.pause(tx, leg_of(execution), pause, now)
    return pause.checkpoint_id


def ask_uncertain(tx: Transaction, row: Row, actions: Sequence[Action], now: datetime) -> str | None:
    """Effects of a running execution were begun and have no result: the reviewer says what to take them for.

    No digest goes with them: what may have happened is never released again. Answers the checkpoint's id,
    and None in the baseline, which it ends.
    """
    pause = Pause(
        checkpoint_id=new_id("chk"),
        is_new=True,
        source=Source.UNCERTAIN,
        spec=NewCheckpoint(
            actions[0].effect.value,
            f"{_names(actions)} was begun in a process outside, which did not say how it ended.",
            "It is not known whether this happened. Approve to count it as done; a hint tells the agent.",
        ),
        work=work_of(tx, row["id"]),
        actions=[action.shown() for action in actions],
        digests={},
    )
    if board_of(tx, row).is_baseline:
        progress.pass_by(tx, leg_of(row), pause, now)
        progress.fail(tx, leg_of(row), Failure.EFFECT_UNCERTAIN, unknown(actions), now)
        return None
    progress.pause(tx, leg_of(row), pause, now)
    return pause.checkpoint_id


def unknown(actions: Sequence[Action]) -> str:
    return f"It is not known whether {_names(actions)} took effect."


def _names(actions: Sequence[Action]) -> str:
    return ", ".join(dict.fromkeys(action.tool for action in actions))


def add_work(tx: Transaction, execution_id: str, action: Action, line: str) -> None:
    """Tell a reviewer who is asked what became of this effect what has been heard of it since."""
    for row in queries.checkpoints_of(tx, [execution_id]):
        proposed = {each["actionId"] for each in row["proposed_actions"]}
        if row["source"] is Source.UNCERTAIN and action.action_id in proposed:
            work = f"{row['work']}\n{line}".strip()[-MOST_WORK:]
            tx.execute(update(checkpoints).where(checkpoints.c.id == row["id"]).values(work=work))


def work_of(tx: Transaction, execution_id: str) -> str:
    """What the agent noted since the last decision, newest last."""
    lines: list[str] = []
    for entry in _latest(tx, execution_id):
        data = entry["data"]
        if entry["kind"] == "decision":
            break
        facts = json.dumps(data["data"], ensure_ascii=False) if data["data"] else ""
        lines.append(": ".join(filter(None, [data["name"], facts])))
    return "\n".join(reversed(lines))[-MOST_WORK:]


def _latest(tx: Transaction, execution_id: str) -> Sequence[Row]:
    return (
        tx.execute(
            select(trace.c.kind, trace.c.data)
            .where(trace.c.execution_id == execution_id, trace.c.kind.in_(["step", "decision"]))
            .order_by(trace.c.number.desc())
            .limit(MOST_LINES)
        )
        .mappings()
        .all()
    )


def _own_spec(row: Row) -> NewCheckpoint:
    return NewCheckpoint(row["stage"], row["description"], row["verification_question"])
