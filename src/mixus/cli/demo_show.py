"""How the demo shows what happens: readable at 80 columns, with and without a terminal."""

from rich.console import Console, Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from mixus.cli.actions import action_shown
from mixus.cli.terminal import line, plain
from mixus.client import Checkpoint, Status

WIDTH = 80


class Stage:
    """Prints numbered steps."""

    def __init__(self) -> None:
        self.console = Console(highlight=False, markup=False)
        self.console.width = min(self.console.width, WIDTH)
        self.number = 0

    def step(self, sentence: str) -> None:
        self.number += 1
        self.console.print()
        self.console.print(Text(f"{self.number}. {sentence}", style="bold"))

    def note(self, sentence: str) -> None:
        self.console.print(Text(sentence), style="dim")

    def copyable(self, line: str) -> None:
        """Without line breaks of ours, so that it can be copied from the screen."""
        print(line, flush=True)

    def checkpoint(self, checkpoint: Checkpoint) -> None:
        parts: list[Text | Group] = [Text(plain(checkpoint.description))]
        if checkpoint.verification_question:
            parts.append(Text(plain(checkpoint.verification_question), style="bold yellow"))
        if checkpoint.work:
            parts.append(Text(f"\n{plain(checkpoint.work)}"))
        for action in checkpoint.proposed_actions:
            parts += [Text("\nProposed action:", style="dim"), action_shown(action)]
        title = f"Waiting for a human: {line(checkpoint.stage)} (attempt {checkpoint.attempt})"
        self.console.print(Panel(Group(*parts), title=Text(title), title_align="left", border_style="yellow"))

    def result(self, status: Status) -> None:
        self.console.print(
            Panel(Text(plain(status.result)), title="Result", title_align="left", border_style="green")
        )
        self.console.print(_metrics(status))


def _metrics(status: Status) -> Table:
    metrics, human = status.metrics, status.human_verification
    share = 100 * metrics.waiting_ms / metrics.duration_ms if metrics.duration_ms else 0
    table = Table(title="Metrics", title_justify="left", show_header=False)
    table.add_column(style="dim")
    table.add_column(justify="right")
    for name, value in {
        "total time": f"{metrics.duration_ms} ms",
        "  queued": f"{metrics.queued_ms} ms",
        "  the agent at work": f"{metrics.agent_ms} ms",
        "  waiting for the human": f"{metrics.waiting_ms} ms ({share:.0f} %)",
        "model calls, tool calls": f"{metrics.model_calls}, {metrics.tool_calls}",
        "tokens in, out": f"{_known(status, metrics.input_tokens)}, {_known(status, metrics.output_tokens)}",
        "cost": _known(status, metrics.cost_usd and f"${metrics.cost_usd:.4f}"),
        "human asked, approved, hints": f"{human.requested}, {human.approved}, {human.hints}",
        "decided by a key, not a human": f"{human.by_key}",
    }.items():
        table.add_row(name, value)
    return table


def _known(status: "Status", value: float | str | None) -> str:
    if value is None:
        return "none" if status.rehearsal else "unknown"
    return str(value)
