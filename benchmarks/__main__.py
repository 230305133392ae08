"""`python -m benchmarks [--quick] [SUBJECT …]`: measure, show and keep the figures."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Protocol

from rich.console import Console

from benchmarks import (
    agents,
    authenticating,
    keys,
    pages,
    report,
    starting,
    stepping,
    throughput,
    turnaround,
)
from benchmarks.report import Section
from mixus.core.clock import utc_now

# The widest of our tables; without a terminal the console would take 80.
WIDTH: Final = 110


class Measure(Protocol):
    def __call__(self, folder: Path, *, is_quick: bool) -> Iterator[Section]: ...


SUBJECTS: Final[dict[str, Measure]] = {
    "turnaround": turnaround.measure,
    "throughput": throughput.measure,
    "starting": starting.measure,
    "authentication": authenticating.measure,
    "keys": keys.measure,
    "steps": stepping.measure,
    "agents": agents.measure,
    "pages": pages.measure,
}


def main() -> None:
    asked = arguments()
    console = Console(highlight=False)
    console.width = max(console.width, WIDTH)
    sections: list[Section] = []
    for name in asked.subjects or SUBJECTS:
        console.print(f"Measuring {name} …", style="dim")
        for section in measured(SUBJECTS[name], is_quick=asked.quick):
            report.show(console, section)
            sections.append(section)
    report.show_goals(console, sections)
    path = report.write(sections, utc_now(), is_quick=asked.quick)
    console.print(f"Written to {path}", style="dim", soft_wrap=True)


def measured(measure: Measure, *, is_quick: bool) -> Iterator[Section]:
    """Each subject in a folder of its own. The name is short: it will hold a socket."""
    with TemporaryDirectory(prefix="mixus-bench-", ignore_cleanup_errors=True) as folder:
        yield from measure(Path(folder), is_quick=is_quick)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measure mixus on this machine."
    )
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT", help=f"of {', '.join(SUBJECTS)}; else all")
    parser.add_argument("--quick", action="store_true", help="a short run, to see that it works")
    asked = parser.parse_args()
    unknown = [name for name in asked.subjects if name not in SUBJECTS]
    if unknown:
        parser.error(f"no subject {', '.join(unknown)}; there are {', '.join(SUBJECTS)}")
    return asked


if __name__ == "__main__":
    main()
