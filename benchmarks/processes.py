"""Servers as real processes: started, listened to, measured and stopped by their own handles."""

import os
import select
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

START_SECONDS: Final = 60
STOP_SECONDS: Final = 15
TICKS_PER_SECOND: Final = os.sysconf("SC_CLK_TCK")
# Of a line in /proc/PID/stat, counted after the name of the program: time in user mode and in the kernel.
USER_TICKS, KERNEL_TICKS = 11, 12


class NotStarted(Exception):
    """The process ended, or said nothing, before it was ready."""


@dataclass(frozen=True)
class Server:
    url: str
    pid: int

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def cpu_seconds(self) -> float:
        """Of all its threads and of the processes that it started, to a hundredth of a second."""
        return sum(_ticks(pid) for pid in _family(self.pid)) / TICKS_PER_SECOND


def _family(pid: int) -> list[int]:
    found = [task.read_text().split() for task in Path(f"/proc/{pid}/task").glob("*/children")]
    return [pid, *(member for children in found for child in children for member in _family(int(child)))]


def _ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[USER_TICKS]) + int(fields[KERNEL_TICKS])


@contextmanager
def serving(
    arguments: Sequence[str], environment: Mapping[str, str], log: Path, python: str = sys.executable
) -> Iterator[Server]:
    """A Python module that prints a line with its address when it answers; gone afterwards."""
    with log.open("a") as errors:
        process = subprocess.Popen(
            [python, "-m", *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        try:
            yield Server(_address(process, log), process.pid)
        finally:
            _stop(process)


def environment(**variables: str) -> dict[str, str]:
    """Ours without any setting of mixus or key of a provider, and with these."""
    foreign = ("MIXUS_", "OPENAI_", "ANTHROPIC_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return {**kept, "PYTHONUNBUFFERED": "1", **variables}


def _address(process: subprocess.Popen[str], log: Path) -> str:
    assert process.stdout is not None
    readable, _, _ = select.select([process.stdout], [], [], START_SECONDS)
    line = process.stdout.readline() if readable else ""
    found = [word for word in line.split() if word.startswith("http://")]
    if not found:
        raise NotStarted(f"{line}{log.read_text()[-2000:]}")
    return found[0]


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.communicate(timeout=STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
