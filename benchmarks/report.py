"""What was measured: as tables for people and as JSON for programs."""

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from mixus.core.clock import rfc3339, to_ms

RESULTS: Final = Path(__file__).parent / "results"
Cell = str | float | None


@dataclass(frozen=True)
class Goal:
    """`limit` is the most that is allowed, or the least when `is_floor`."""

    what: str
    measured: float
    limit: float
    unit: str
    is_floor: bool = False

    @property
    def is_reached(self) -> bool:
        return self.measured >= self.limit if self.is_floor else self.measured <= self.limit


@dataclass(frozen=True)
class Section:
    """The figures of one subject; the first column names what each row is about."""

    title: str
    method: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[Cell, ...]]
    goals: Sequence[Goal] = ()

    def as_json(self) -> dict[str, Any]:
        return {
            "title": self.title,
            "method": self.method,
            "figures": [dict(zip(self.columns, row, strict=True)) for row in self.rows],
            "goals": [{**asdict(goal), "is_reached": goal.is_reached} for goal in self.goals],
        }


def show(console: Console, section: Section) -> None:
    table = Table(title=section.title, title_justify="left", title_style="bold", caption=section.method)
    table.caption_justify = "left"
    for index, column in enumerate(section.columns):
        table.add_column(column, justify="right" if index else "left")
    for row in section.rows:
        table.add_row(*(_shown(cell) for cell in row))
    console.print(table)


def show_goals(console: Console, sections: Sequence[Section]) -> None:
    console.print("[bold]Goals[/bold]")
    for goal in [goal for section in sections for goal in section.goals]:
        sign = "≥" if goal.is_floor else "≤"
        verdict = "[green]reached[/green]" if goal.is_reached else "[red]not reached[/red]"
        console.print(
            f"  {goal.what}: goal {sign} {goal.limit:g} {goal.unit}, "
            f"measured {_shown(goal.measured)} {goal.unit}, {verdict}",
            soft_wrap=True,
        )


def write(sections: Sequence[Section], now: datetime, *, is_quick: bool) -> Path:
    """A file of its own for each run, so that two can be compared."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{now:%Y%m%d-%H%M%S}.json"
    document = {
        "at": rfc3339(to_ms(now)),
        "isQuick": is_quick,
        "machine": {
            "cores": os.cpu_count(),
            "system": platform.platform(),
            "python": platform.python_version(),
        },
        "sections": [section.as_json() for section in sections],
    }
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    return path


def _shown(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, str):
        return cell
    if cell >= 1000:
        return f"{cell:,.0f}"
    return f"{cell:.0f}" if cell >= 100 else f"{cell:.3g}"
