"""What `mixus eval` prints; what a server, a model or a person wrote is made harmless first."""

import json
import re
import sys
import unicodedata
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from mixus.client import Action, Checkpoint, Execution, MixusError, Status, TaskCreated

COMPLETED, ENDED_BADLY, USAGE, WAITS_FOR_HUMAN, UNDER_WAY, REFUSED = range(6)
# Escape sequences whole, so that none of their letters is left over: CSI, OSC, other strings, two characters.
ANSI: Final = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b\]|\x9d)[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"
    r"|(?:\x1b[PX^_]|[\x90\x98\x9e\x9f])[^\x1b\x9c]*(?:\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]"
)
# Control, format (they turn text around), lone surrogates, line and paragraph separators.
HARMFUL: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
# Joiners, without which some scripts cannot be written.
ALLOWED: Final = frozenset("\n\u200c\u200d")
UNITS: Final = (("day", 86_400_000), ("hour", 3_600_000), ("minute", 60_000), ("second", 1000))
STYLES: Final = {
    "completed": "green",
    "awaiting-verification": "yellow",
    "queued": "cyan",
    "running": "cyan",
    "awaiting": "yellow",
    "approved": "green",
}
WIDE: Final = 200


def exit_code(status: "Status") -> int:
    if status.is_awaiting:
        return WAITS_FOR_HUMAN
    if not status.is_final:
        return UNDER_WAY
    has_failed_score = status.score is not None and status.score.passed is False
    return COMPLETED if status.status == "completed" and not has_failed_score else ENDED_BADLY


def plain(value: Any) -> str:
    """Return a value as text that can do nothing to a terminal."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = ANSI.sub("", text.replace("\r\n", "\n").replace("\t", " "))
    return "".join(
        letter for letter in text if letter in ALLOWED or unicodedata.category(letter) not in HARMFUL
    )


def line(value: Any) -> str:
    """Return a value on one line, so that it cannot pass for a line of ours."""
    return " ".join(plain(value).split())


def duration(milliseconds: int) -> str:
    """Return the two largest units in words: `3 minutes 20 seconds`."""
    if milliseconds < 1000:  # noqa: PLR2004 -- one second
        return f"{milliseconds} milliseconds"
    if milliseconds < 10_000:  # noqa: PLR2004 -- ten seconds
        return counted(round(milliseconds / 1000, 1), "second")
    parts = []
    for name, size in UNITS:
        amount, milliseconds = divmod(milliseconds, size)
        if amount:
            parts.append(counted(amount, name))
    return " ".join(parts[:2])


def counted(amount: float, noun: str) -> str:
    return f"{amount:g} {noun}" + ("" if amount == 1 else "s")


def console(stream: TextIO | None = None) -> Console:
    stream = stream or sys.stdout
    return Console(
        file=stream, markup=False, emoji=False, highlight=False, width=None if stream.isatty() else WIDE
    )


def print_json(value: Any) -> None:
    # ASCII alone: an escape sequence in the answer stays an escape of JSON.
    print(json.dumps(value), flush=True)


def print_error(error: "MixusError") -> None:
    request = f", request {line(error.request_id)}" if error.request_id else ""
    fields = "".join(
        f"\n  {line(field.field)}: {line(field.message)}" for field in getattr(error, "errors", ())
    )
    console(sys.stderr).print(Text(f"Error: {line(error.detail)} ({line(error.code)}{request}){fields}"))


def print_created(created: "TaskCreated", stream: TextIO | None = None) -> None:
    out = console(stream)
    out.print(Text(f"Created {line(created.execution_id)} ({model_of(created)})."))
    if created.review_url:
        out.print(Text(f"Review: {line(created.review_url)}"), soft_wrap=True)
    for warning in created.warnings:
        out.print(Text(f"Warning: {line(warning)}", style="yellow"))


def print_status(status: "Status") -> None:
    out = console()
    out.print(Text(f"{line(status.execution_id)}  {line(status.task_name)}", style="bold"))
    out.print(rows(status_rows(status)))
    for checkpoint in status.checkpoints:
        out.print(Text(f"\nCheckpoint {line(checkpoint.checkpoint_id)}", style="bold"))
        out.print(rows(checkpoint_rows(checkpoint)))


def print_checkpoint(checkpoint: "Checkpoint", stream: TextIO | None = None) -> None:
    console(stream).print(rows(checkpoint_rows(checkpoint)))


def print_executions(executions: Iterable["Execution"]) -> None:
    table = Table("Execution", "Status", "Task", "Mode", "Model", "Created", box=None, pad_edge=False)
    table.columns[0].no_wrap = True
    for execution in executions:
        table.add_row(
            Text(line(execution.execution_id)),
            Text(line(execution.status), style=STYLES.get(execution.status, "")),
            Text(line(execution.task_name)),
            Text(line(execution.test_mode or "")),
            Text(model_of(execution)),
            Text(moment(execution.created_at)),
        )
    console().print(table)


def print_event(kind: str, at: str, members: dict[str, Any]) -> None:
    """Print one line of `watch`."""
    hidden = {"number", "at", "kind", "rehearsal"}
    details = "  ".join(
        f"{line(name)}={line(value)}"
        for name, value in members.items()
        if name not in hidden and value is not None
    )
    mark = " [rehearsal]" if members.get("rehearsal") else ""
    console().print(Text(f"{line(at)}  {line(kind)}{mark}  {details}".rstrip()), soft_wrap=True)


def status_rows(status: "Status") -> Iterator[tuple[str, Any]]:
    yield "status", Text(line(status.status), style=STYLES.get(status.status, "red"))
    yield "mode", status.test_mode
    yield "model", model_of(status)
    yield "environment", status.environment
    yield "result", status.result
    if status.score is not None:
        passed = {True: "passed", False: "not passed", None: "unscored"}[status.score.passed]
        yield "score", f"{passed} {plain(status.score.detail or '')}".strip()
    if status.error is not None:
        yield "error", f"{status.error.message} ({status.error.code})"
    yield "notice", status.notice
    yield "time", time_of(status)
    yield "spent", spent_by(status)


def time_of(status: "Status") -> str:
    metrics = status.metrics
    return (
        f"{duration(metrics.duration_ms)}: queued {duration(metrics.queued_ms)}, "
        f"agent {duration(metrics.agent_ms)}, waiting for a human {duration(metrics.waiting_ms)}"
    )


def spent_by(status: "Status") -> str:
    metrics = status.metrics
    cost = "cost unknown" if metrics.cost_usd is None else f"${metrics.cost_usd:g}"
    return f"{counted(metrics.steps, 'step')}, {counted(metrics.tool_calls, 'tool call')}, {cost}"


def checkpoint_rows(checkpoint: "Checkpoint") -> Iterator[tuple[str, Any]]:
    yield "stage", checkpoint.stage
    yield "status", Text(line(checkpoint.status), style=STYLES.get(checkpoint.status, ""))
    yield "attempt", str(checkpoint.attempt)
    yield "description", checkpoint.description
    yield "question", checkpoint.verification_question
    yield "work", checkpoint.work
    for action in checkpoint.proposed_actions:
        yield "proposed", action_text(action)
    for hint in checkpoint.hints:
        yield "hint", hint
    if checkpoint.decision:
        yield (
            "decision",
            f"{checkpoint.decision} by {checkpoint.decided_by or 'nobody'} via {checkpoint.decided_via}",
        )


def action_text(action: "Action") -> str:
    return f"{action.tool} ({action.effect}) {plain(action.arguments)}"


def model_of(item: "Execution | TaskCreated") -> str:
    name = line(item.model or "")
    return f"{name} [rehearsal]" if item.rehearsal and name != "rehearsal" else name


def moment(at: datetime | None) -> str:
    return "" if at is None else at.isoformat(sep=" ", timespec="seconds")


def rows(pairs: Iterable[tuple[str, Any]]) -> Table:
    """Return label and value side by side: a value of many lines stays in its column."""
    grid = Table.grid(padding=(0, 2))
    for label, value in pairs:
        if value is not None and value != "":
            grid.add_row(
                Text(f"  {label}", style="dim"), value if isinstance(value, Text) else Text(plain(value))
            )
    return grid
