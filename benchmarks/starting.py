"""How long the command takes to answer, and the service to be there."""

import resource
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from benchmarks.numbers import p50
from benchmarks.processes import environment, serving
from benchmarks.report import Goal, Section
from benchmarks.service import MIXUS, settings_of

COLUMNS = ("start", "median s", "fastest s", "slowest s", "median CPU s", "runs")
PYTHON, HELP = "python -c pass", "mixus --help"
FIRST = "mixus serve → first answer, on an empty folder"
AGAIN = "mixus serve → first answer, on data that are there"


def measure(folder: Path, *, is_quick: bool) -> Iterator[Section]:
    helps, serves = (4, 2) if is_quick else (10, 5)
    _shown()
    wall: dict[str, list[float]] = {PYTHON: [], HELP: [], FIRST: [], AGAIN: []}
    cpu: dict[str, list[float]] = {name: [] for name in wall}

    def take(name: str, act: Callable[[], float]) -> None:
        before = _children_seconds()
        wall[name].append(act())
        cpu[name].append(_children_seconds() - before)

    for _ in range(helps):
        take(PYTHON, lambda: _ran([sys.executable, "-c", "pass"]))
        take(HELP, _shown)
    for number in range(serves):
        place = folder / str(number)
        place.mkdir()
        take(FIRST, partial(_answered, place))
        take(AGAIN, partial(_answered, place))
    yield Section(
        "Starting",
        "from the start of the process, its files in the system's memory; CPU to the end of the process",
        COLUMNS,
        [
            (name, p50(found), min(found), max(found), p50(cpu[name]), len(found))
            for name, found in wall.items()
        ],
        [
            Goal("mixus --help, median", p50(wall[HELP]), 0.25, "s"),
            Goal("serve → first answer on an empty folder, median", p50(wall[FIRST]), 2.5, "s"),
        ],
    )


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _shown() -> float:
    return _ran([str(Path(sys.executable).with_name("mixus")), "--help"])


def _ran(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, env=environment(), stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


def _answered(folder: Path) -> float:
    start = time.perf_counter()
    with serving([MIXUS, "serve", "--port", "0"], settings_of(folder), folder / "serve.log") as server:
        with urllib.request.urlopen(f"{server.url}/healthz", timeout=10) as answer:  # noqa: S310 - loopback
            assert answer.status == 200
        return time.perf_counter() - start
