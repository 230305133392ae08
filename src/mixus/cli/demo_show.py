"""How the demo shows what happens: readable at 80 columns, with and without a terminal."""

from rich.console import Console, Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from mixus.client import Action, Checkpoint, Status

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
        parts: list[Text] = [Text(checkpoint.description)]
        if checkpoint.verification_question:
            parts.append(Text(checkpoint.verification_question, style="bold yellow"))
        if checkpoint.work:
            parts.append(Text(f"\n{checkpoint.work}"))
        for action in checkpoint.proposed_actions:
            parts.append(Text(f"\nProposed action: {action.tool} ({action.effect})", style="dim"))
            parts.append(_action(action))
        title = f"Waiting for a human: {checkpoint.stage} (attempt {checkpoint.attempt})"
        self.console.print(Panel(Group(*parts), title=title, title_align="left", border_style="yellow"))

    def result(self, status: Status) -> None:
        self.console.print(
            Panel(Text(str(status.result)), title="Result", title_align="left", border_style="green")
        )
        self.console.print(_metrics(status))


def _action(action: Action) -> Text:
    if not isinstance(action.arguments, dict):
        return Text(str(action.arguments))
    arguments = dict(action.arguments)
    body = arguments.pop("body", None)
    lines = [f"{name.capitalize() + ':':<9}{_value(value)}" for name, value in arguments.items() if value]
    return Text("\n".join(lines) + (f"\n\n{body}" if body else ""))


def _value(value: object) -> str:
    return ", ".join(str(item) for item in value) if isinstance(value, list) else str(value)


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
        "tokens in, out": f"{_known(metrics.input_tokens)}, {_known(metrics.output_tokens)}",
        "cost": "none" if metrics.cost_usd is None else f"${metrics.cost_usd:.4f}",
        "human asked, approved, hints": f"{human.requested}, {human.approved}, {human.hints}",
        "decided by a key, not a human": f"{human.by_key}",
    }.items():
        table.add_row(name, value)
    return table


def _known(count: int | None) -> str:
    return "none" if count is None else str(count)
