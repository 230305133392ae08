"""`mixus eval metrics` and `export`: how executions went, and all of them as a file."""

import codecs
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, TYPE_CHECKING, Annotated, Any, Final, Literal, TextIO

import typer

from mixus.cli import eval_request as request
from mixus.cli.eval_server import server
from mixus.cli.terminal import duration, exact, line
from mixus.cli.terminal import moment as minute

if TYPE_CHECKING:
    from mixus.client import GroupTotals, MetricsReport, Totals

FromOption = Annotated[
    str | None,
    typer.Option("--from", metavar="TIME", help="Created at or after: 2026-11-01, 2026-11-01T10:00:00Z."),
]
ToOption = Annotated[str | None, typer.Option("--to", metavar="TIME", help="Created before.")]
RehearsalOption = Annotated[bool, typer.Option("--include-rehearsal", help="Runs of `rehearsal` too.")]
WIDEST: Final = 1000
HEAD: Final = ("Model", "Mode", "Runs", "Success", "Errors", "Median", "p90", "Asked", "Cost")


def metrics(
    from_time: FromOption = None,
    to_time: ToOption = None,
    test_mode: request.ModeOption = None,
    model: Annotated[str | None, typer.Option("--model", "-m", help="Only this model.")] = None,
    template: Annotated[str | None, typer.Option("--template", help="Only this template.")] = None,
    include_rehearsal: RehearsalOption = False,
    json: Annotated[bool, typer.Option("--json", help="Print the server's JSON.")] = False,
) -> None:
    """Show success, errors, time, cost and human work, by test mode and model."""
    from mixus.cli.eval_output import print_json

    with server() as client:
        report = client.metrics(
            from_time=moment(from_time, "--from"),
            to_time=moment(to_time, "--to"),
            test_mode=test_mode,
            model=model,
            template=template,
            include_rehearsal=include_rehearsal,
        )
    if json:
        print_json(report.raw)
    else:
        print_report(report)


def export(
    form: Annotated[
        Literal["jsonl", "csv"], typer.Option("--format", help="A document a line, or a table.")
    ] = "jsonl",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", dir_okay=False, help="A file, made only when all has come."),
    ] = None,
    status: request.StatusOption = None,
    test_mode: request.ModeOption = None,
    query: request.QueryOption = None,
    from_time: FromOption = None,
    to_time: ToOption = None,
    include_rehearsal: RehearsalOption = False,
) -> None:
    """Write executions with their checkpoints, oldest first, to standard output or a file."""
    from mixus.client import ExportFields

    chosen: ExportFields = {
        "status": status,
        "test_mode": test_mode,
        "q": query,
        "from_time": moment(from_time, "--from"),
        "to_time": moment(to_time, "--to"),
        "include_rehearsal": include_rehearsal,
    }
    with target(output) as out, server() as client:
        pieces = client.export_csv(**chosen) if form == "csv" else lines(client.export(**chosen))
        for piece in shown(pieces) if output is None and sys.stdout.isatty() else pieces:
            out.write(piece)


def lines(documents: Iterable[Any]) -> Iterator[bytes]:
    """ASCII alone: an escape sequence in an answer stays an escape of JSON."""
    import json

    for document in documents:
        yield json.dumps(document).encode() + b"\n"


def shown(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """For a terminal, which would obey what a model wrote into a table."""
    for text in codecs.iterdecode(pieces, "utf-8", errors="replace"):
        yield exact(text).encode()


@contextmanager
def target(output: Path | None) -> Iterator[IO[bytes]]:
    """Standard output, or a file that stands under its name only when it is whole."""
    if output is None:
        yield sys.stdout.buffer
        sys.stdout.flush()
        return
    if not (output.parent.is_dir() and os.access(output.parent, os.W_OK | os.X_OK)):
        raise typer.BadParameter(
            f"{output.parent} is no folder that can be written to.", param_hint="--output"
        )
    with NamedTemporaryFile(dir=output.parent, prefix=f".{output.name}.", delete=False) as file:
        part = Path(file.name)
        try:
            yield file
            file.close()
            part.replace(output)
        finally:
            part.unlink(missing_ok=True)


def moment(text: str | None, option: str) -> datetime | None:
    """A day or a time; without a zone it is of this machine, as all times that are shown."""
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
        return at if at.tzinfo else at.astimezone()
    except (ValueError, OverflowError):
        raise typer.BadParameter(
            "Write a time as 2026-11-01 or 2026-11-01T10:00:00Z.", param_hint=option
        ) from None


def print_report(report: "MetricsReport", stream: TextIO | None = None) -> None:
    from rich.table import Table
    from rich.text import Text

    from mixus.cli.eval_output import console, put, rows

    lines_of_cells = [(name_of(group), *cells(group)) for group in report.groups]
    lines_of_cells.append(("all", "", *cells(report.totals)[1:]))
    table = Table(*HEAD, box=None, pad_edge=False)
    for row in lines_of_cells:
        table.add_row(*map(Text, row))
    out = console(stream)
    out.print(Text(f"Created {minute(report.from_time)} to {minute(report.to_time)}"))
    if not report.totals.executions and report.raw.get("includeRehearsal") is False:
        out.print(Text("Runs of `rehearsal` are left out; --include-rehearsal counts them."))
    needed = out.measure(table, options=out.options.update(max_width=WIDEST)).maximum
    if out.file.isatty() and out.width < needed:
        for row in lines_of_cells:
            out.print(Text(f"\n{row[0]}", style="bold"))
            put(out, rows((name.lower(), cell) for name, cell in zip(HEAD[1:], row[1:], strict=True)))
    else:
        # A pipe has no width: whole lines, for `grep`.
        out.width = max(out.width, needed)
        put(out, table)


def name_of(group: "GroupTotals") -> str:
    mark = " [rehearsal]" if group.rehearsal and group.model != "rehearsal" else ""
    return line(group.model) + mark


def cells(totals: "Totals") -> tuple[str, ...]:
    times = totals.durations.duration_ms
    return (
        line(getattr(totals, "test_mode", "")),
        f"{totals.executions:,}",
        rate(totals.success_rate, totals.passed, totals.scored),
        rate(totals.error_rate, totals.by_status.get("failed", 0), totals.finished),
        *("-" if value is None else duration(value) for value in (times.median, times.p90)),
        f"{totals.human.requested:,}",
        cost(totals),
    )


def rate(share: float | None, part: int, whole: int) -> str:
    return "-" if share is None else f"{share:.0%} ({part:,} of {whole:,})"


def cost(totals: "Totals") -> str:
    """The sum of what is known, and of how many runs it is not."""
    known, unknown = totals.cost.cost_usd, totals.cost.cost_unknown
    if known is None and (getattr(totals, "rehearsal", False) or getattr(totals, "model", "") == "script"):
        return "none"
    if known is None:
        return "unknown" if unknown else "-"
    return f"${known:g}" + (f" + {unknown:,} unknown" if unknown else "")
