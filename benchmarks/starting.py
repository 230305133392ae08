"""How long the command takes to answer, and the service to be there."""

import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from benchmarks.numbers import p50
from benchmarks.processes import environment, serving
from benchmarks.report import Goal, Section
from benchmarks.service import MIXUS, settings_of

COLUMNS = ("start", "median s", "slowest s", "runs")


def measure(folder: Path, *, is_quick: bool) -> Iterator[Section]:
    helps, serves = (4, 2) if is_quick else (10, 5)
    _help_seconds()
    python = [_seconds([sys.executable, "-c", "pass"]) for _ in range(helps)]
    shown = [_help_seconds() for _ in range(helps)]
    first = [_serve_seconds(folder / f"first-{number}") for number in range(serves)]
    again = [_serve_seconds(folder / "first-0") for _ in range(serves)]
    samples = {
        "python -c pass": python,
        "mixus --help": shown,
        "mixus serve → first answer, on an empty folder": first,
        "mixus serve → first answer, on data that are there": again,
    }
    yield Section(
        "Starting",
        "wall time from the start of the process; the files are in the system's memory",
        COLUMNS,
        [(name, p50(found), max(found), len(found)) for name, found in samples.items()],
        [
            Goal("mixus --help, median", p50(shown), 0.25, "s"),
            Goal("serve → first answer on an empty folder, median", p50(first), 2.5, "s"),
        ],
    )


def _help_seconds() -> float:
    return _seconds([str(Path(sys.executable).with_name("mixus")), "--help"])


def _seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, env=environment(), stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


def _serve_seconds(folder: Path) -> float:
    folder.mkdir(exist_ok=True)
    start = time.perf_counter()
    with serving([MIXUS, "serve", "--port", "0"], settings_of(folder), folder / "serve.log") as server:
        with urllib.request.urlopen(f"{server.url}/healthz", timeout=10) as answer:  # noqa: S310 - loopback
            assert answer.status == 200
        return time.perf_counter() - start
