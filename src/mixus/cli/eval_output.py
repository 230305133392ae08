"""What `mixus eval` prints; what a server, a model or a person wrote is made harmless first."""

import json
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final, TextIO

from rich.cells import cell_len, set_cell_size
from rich.console import Console, Group, RenderableType
from rich.segment import Segment, Segments
from rich.table import Table
from rich.text import Text

from mixus.cli.actions import action_shown, columns
from mixus.cli.eval_entries import plan_lines, told
from mixus.cli.terminal import clock, counted, duration, line, moment, plain

if TYPE_CHECKING:
    from mixus.client import Checkpoint, Execution, MixusError, Status, TaskCreated

COMPLETED, ENDED_BADLY, USAGE, WAITS_FOR_HUMAN, UNDER_WAY, REFUSED = range(6)
STYLES: Final = {
    "completed": "green",
    "awaiting-verification": "yellow",
    "queued": "cyan",
    "running": "cyan",
    "awaiting": "yellow",
    "approved": "green",
    "failed": "red",
    "rejected": "red",
    "cancelled": "red",
    "expired": "red",
}
EVENT_STYLES: Final = {"checkpoint": "yellow", "completed": "green", "failed": "red", "rejected": "red"}
# A time, two spaces, the name of a kind (of those that come often the longest), two spaces.
EVENT_INDENT: Final = 23
# On a narrower terminal an execution of a list takes two lines.
ONE_LINE_FROM: Final = 110


def print_still(execution_id: str) -> None:
    """Said once to who waits in front of a screen that shows nothing."""
    sentence = f"Not there yet: `mixus eval watch {line(execution_id)}` says why."
    console(sys.stderr).print(Text(sentence, style="dim"), soft_wrap=True)


def exit_code(status: "Status") -> int:
    if status.is_awaiting:
        return WAITS_FOR_HUMAN
    if not status.is_final:
        return UNDER_WAY
    has_failed_score = status.score is not None and status.score.passed is False
    return COMPLETED if status.status == "completed" and not has_failed_score else ENDED_BADLY


def console(stream: TextIO | None = None) -> Console:
    return Console(file=stream or sys.stdout, markup=False, emoji=False, highlight=False)


def put(out: Console, shown: RenderableType) -> None:
    """Print without the spaces that fill a table to its width."""
    for segments in out.render_lines(shown, pad=False):
        while segments and not segments[-1].text.strip():
            segments.pop()
        if segments:
            segments[-1] = Segment(segments[-1].text.rstrip(), segments[-1].style)
        out.print(Segments([*segments, Segment.line()]), end="", soft_wrap=True)


def print_json(value: Any) -> None:
    # ASCII alone: an escape sequence in the answer stays an escape of JSON.
    print(json.dumps(value), flush=True)


def print_error(error: "MixusError") -> None:
    request = f", request {line(error.request_id)}" if error.request_id else ""
    sentence, fields = (
        line(error.detail),
        [f"{line(field.field)}: {line(field.message)}" for field in getattr(error, "errors", ())],
    )
    if len(fields) == 1 and fields[0].endswith(f": {sentence}"):
        # One sentence, and not the same again below it.
        sentence = fields.pop()
    told_of = f"Error: {sentence} ({line(error.code)}{request})"
    console(sys.stderr).print(Text("\n  ".join((told_of, *fields))), soft_wrap=True)


def print_created(created: "TaskCreated", stream: TextIO | None = None) -> None:
    out = console(stream)
    out.print(Text(f"Created {line(created.execution_id)} ({model_of(created)})."))
    if created.review_url:
        out.print(Text(f"Review: {line(created.review_url)}"), soft_wrap=True)
    for warning in created.warnings:
        sentence = warning.get("message", warning) if isinstance(warning, dict) else warning
        out.print(Text(f"Warning: {line(sentence)}", style="yellow"), soft_wrap=True)


def print_status(status: "Status") -> None:
    out = console()
    out.print(Text(line(status.execution_id), style="bold"))
    put(out, rows(status_rows(status)))
    for checkpoint in status.checkpoints:
        out.print()
        print_checkpoint(checkpoint)


def print_checkpoint(checkpoint: "Checkpoint", stream: TextIO | None = None) -> None:
    out = console(stream)
    out.print(Text(f"Checkpoint {line(checkpoint.checkpoint_id)}", style="bold"))
    put(out, rows(checkpoint_rows(checkpoint)))


def print_executions(executions: Iterable["Execution"]) -> None:
    """Print a line each; on a narrow terminal the task has its own. A pipe gets whole lines, for `grep`."""
    out = console()
    is_terminal = out.file.isatty()
    is_narrow = is_terminal and out.width < ONE_LINE_FROM
    cells = [("Execution", "Status", "Created", "Model", "Task"), *map(list_cells, executions)]
    widths = [max(cell_len(row[column]) for row in cells) for column in range(4)]
    for row in cells:
        shown = Text("  ").join(
            Text(set_cell_size(cell, width), STYLES.get(cell, ""))
            for cell, width in zip(row, widths, strict=False)
        )
        shown.rstrip()
        shown = Text.assemble(shown, "\n  " if is_narrow else "  ", row[-1])
        for part in shown.split("\n"):
            if is_terminal:
                part.truncate(out.width, overflow="ellipsis")
            out.print(part, soft_wrap=True)


def list_cells(execution: "Execution") -> tuple[str, ...]:
    mark = "" if execution.test_mode in (None, "with-verification") else f"[{line(execution.test_mode)}] "
    return (
        line(execution.execution_id),
        line(execution.status),
        moment(execution.created_at),
        model_of(execution),
        mark + line(execution.task_name),
    )


def print_event(kind: str, at: str, members: dict[str, Any]) -> None:
    """Print what `watch` says of one entry, each line cut to the width."""
    out = console()
    data = members.get("data")
    if not isinstance(data, dict):
        data = {name: value for name, value in members.items() if name not in {"number", "at", "kind"}}
    mark = "[rehearsal] " if members.get("rehearsal") else ""
    first, *others = told(kind, data)
    head = Text.assemble(f"{clock(at)}  ", (f"{line(kind):<11}", EVENT_STYLES.get(kind, "bold")))
    for shown in (head.append(f"  {mark}{first}"), *(Text(" " * EVENT_INDENT + other) for other in others)):
        shown.rstrip()
        shown.truncate(max(out.width, EVENT_INDENT * 2), overflow="ellipsis")
        out.print(shown, soft_wrap=True)


def status_rows(status: "Status") -> Iterator[tuple[str, Any]]:
    yield "task", status.task_name
    yield "status", Text(line(status.status), style=STYLES.get(status.status, ""))
    yield "mode", status.test_mode
    yield "model", model_of(status)
    yield "environment", status.environment
    yield "created", moment(status.created_at)
    yield "plan", "\n".join(plan_lines(step.raw for step in status.plan))
    yield "result", status.result
    if status.score is not None:
        passed = {True: "passed", False: "not passed", None: "unscored"}[status.score.passed]
        yield "score", f"{passed}: {plain(status.score.detail)}" if status.score.detail else passed
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
    parts = [counted(metrics.steps, "step"), counted(metrics.tool_calls, "tool call")]
    if metrics.input_tokens is not None and metrics.output_tokens is not None:
        parts.append(f"{metrics.input_tokens:,} tokens in, {metrics.output_tokens:,} out")
    if metrics.cost_usd is not None:
        parts.append(f"${metrics.cost_usd:g}")
    else:
        free = "rehearsal" if status.rehearsal else "script" if status.model == "script" else None
        parts.append(f"no cost ({free})" if free else "cost unknown")
    return ", ".join(parts)


def checkpoint_rows(checkpoint: "Checkpoint") -> Iterator[tuple[str, Any]]:
    yield "stage", checkpoint.stage
    yield "status", Text(line(checkpoint.status), style=STYLES.get(checkpoint.status, ""))
    yield "attempt", str(checkpoint.attempt)
    yield "description", checkpoint.description
    yield "question", checkpoint.verification_question
    for hint in checkpoint.hints:
        yield "hint", hint_text(hint)
    yield "work", checkpoint.work
    several = len(checkpoint.proposed_actions) > 1
    for action in checkpoint.proposed_actions:
        yield "proposed", action_shown(action, is_named=several)
    if is_otherwise(checkpoint):
        for action in checkpoint.effective_actions:
            yield "effective", action_shown(action, is_named=several)
        if checkpoint.decision == "approve" and not checkpoint.effective_actions:
            yield "effective", "none"
    yield "due", moment(checkpoint.due_at)
    if checkpoint.decision:
        via = f" via {checkpoint.decided_via}" if checkpoint.decided_via else ""
        who = f"{checkpoint.decided_by or 'nobody'}{via}"
        yield "decision", f"{checkpoint.decision} by {who}, {moment(checkpoint.decided_at)}".rstrip(", ")


def is_otherwise(checkpoint: "Checkpoint") -> bool:
    """Whether something else was released than what was proposed."""
    proposed, effective = (
        [(action.tool, action.effect, action.arguments) for action in actions]
        for actions in (checkpoint.proposed_actions, checkpoint.effective_actions)
    )
    return proposed != effective


def hint_text(hint: Any) -> str:
    if not isinstance(hint, dict) or "hint" not in hint:
        return plain(hint)
    comment = f"\ncomment: {plain(hint['comment'])}" if hint.get("comment") else ""
    who = f"{line(hint.get('by') or 'nobody')} via {line(hint.get('via') or 'unknown')}"
    return f"attempt {line(hint.get('attempt', '?'))}: {plain(hint['hint'])} ({who}){comment}"


def model_of(item: "Execution | TaskCreated") -> str:
    name = line(item.model or "")
    return f"{name} [rehearsal]" if item.rehearsal and name != "rehearsal" else name


def rows(pairs: Iterable[tuple[str, Any]]) -> Table:
    """Return label and value side by side: a value of many lines stays in its column."""
    grid = columns(padding=2)
    for label, value in pairs:
        if value is not None and value != "":
            grid.add_row(
                Text(f"  {label}", style="dim"),
                value if isinstance(value, (Text, Group)) else Text(plain(value)),
            )
    return grid
