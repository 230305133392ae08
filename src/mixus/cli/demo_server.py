"""The demo's own server: a real process with its data in a temporary folder, gone when the demo ends."""

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

from mixus.core.errors import MixusError

START_SECONDS = 60
STOP_SECONDS = 10
MIXUS = (sys.executable, "-m", "mixus.cli.main")


class DemoFailed(MixusError):
    """The demo cannot go on."""

    code = "demo-failed"


@dataclass(frozen=True)
class DemoServer:
    url: str
    environment: dict[str, str]

    def command(self, *arguments: str) -> str:
        """What a command prints on standard output, run on the server's own data."""
        done = subprocess.run(  # noqa: S603 - our own command
            [*MIXUS, *arguments], env=self.environment, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise DemoFailed(f"`mixus {arguments[0]} {arguments[1]}` failed: {_last_line(done.stderr)}")
        return done.stdout.strip()


@contextmanager
def running(model: str | None) -> Iterator[DemoServer]:
    """A server that answers; its process group and its folder are gone afterwards, whatever happened."""
    _leave_in_order()
    with TemporaryDirectory(prefix="mixus-demo-", ignore_cleanup_errors=True) as folder:
        environment = _environment(Path(folder), model)
        with Path(folder, "server.log").open("w+") as log:
            server = subprocess.Popen(  # noqa: S603 - our own command
                [*MIXUS, "serve", "--port", "0"],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                # A group of its own, so that Ctrl-C reaches us alone and we end it in order.
                start_new_session=True,
            )
            try:
                yield DemoServer(_ready_url(server, log), environment)
            finally:
                _stop(server)


def _environment(folder: Path, model: str | None) -> dict[str, str]:
    """The embedded defaults, whatever is set around us; the provider's key stays."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MIXUS_")}
    own = {"MIXUS_DATA": str(folder / "data"), "PYTHONUNBUFFERED": "1"}
    return kept | own | ({} if model is None else {"MIXUS_MODEL": model})


def _ready_url(server: subprocess.Popen[str], log: IO[str]) -> str:
    assert server.stdout is not None  # noqa: S101 - made with a pipe
    readable, _, _ = select.select([server.stdout], [], [], START_SECONDS)
    line = server.stdout.readline() if readable else ""
    words = line.split()
    if words[:2] != ["mixus", "serves"]:
        log.seek(0)
        raise DemoFailed(f"The server did not start: {_last_line(log.read())}")
    return words[2]


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "it said nothing."


def _stop(server: subprocess.Popen[str]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(subprocess.TimeoutExpired):
        _signal_group(server, signal.SIGTERM)
        server.wait(STOP_SECONDS)
    _signal_group(server, signal.SIGKILL)
    server.communicate()
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _signal_group(server: subprocess.Popen[str], number: signal.Signals) -> None:
    with suppress(ProcessLookupError):  # it may have ended by itself
        os.killpg(server.pid, number)


def _leave_in_order() -> None:
    """Closing the terminal or ending us from outside must stop the server too.

    Ctrl-C is asked for again: a shell that starts us in the background has had it ignored.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _frame: sys.exit(128 + number))


def status_line(status: object) -> str:
    return json.dumps(status, separators=(",", ":"))
