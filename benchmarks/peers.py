"""Other products that check API keys, from the package index, each served as fast as it honestly can be."""

import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.load import get
from benchmarks.processes import START_SECONDS, environment, serving
from benchmarks.racing import Contender

# Theirs, and what serves them. They are no dependencies of ours.
PACKAGES: Final = (
    *(
        "djangorestframework-api-key==3.1.0",
        "djangorestframework==3.18.3",
        "granian==2.8.7",
        "gunicorn==27.0.1",
    ),
    *("fastapi-keygate[async]==0.5.1", "uvicorn==0.54.0", "uvloop==0.23.0", "httptools==0.9.0"),
)
# Enough for the limits that one of them has; few keys cost none of them more than many.
KEYS: Final = 2000


class NotInstalled(Exception):
    """The package index cannot be reached, or no longer has these versions."""


@dataclass(frozen=True)
class Peer:
    name: str
    # The module, and what follows its file and the number of its keys.
    module: str
    options: Sequence[str]
    # Before the key.
    header: str


PEERS: Final = (
    Peer(
        "djangorestframework-api-key 3.1.0 on granian",
        "benchmarks.peer_drf",
        ["granian"],
        "Authorization: Api-Key",
    ),
    Peer(
        "djangorestframework-api-key 3.1.0 on gunicorn",
        "benchmarks.peer_drf",
        ["gunicorn"],
        "Authorization: Api-Key",
    ),
    Peer("fastapi-keygate 0.5.1 on uvicorn", "benchmarks.peer_keygate", [], "X-API-Key:"),
)


def contenders(folder: Path, stack: ExitStack, yardstick: Contender) -> list[Contender]:
    """Installed into an environment that is gone after the run; raises NotInstalled."""
    folder.mkdir()
    python = _installed(folder / "venv")
    return [
        _contender(peer, folder / str(number), python, stack, yardstick) for number, peer in enumerate(PEERS)
    ]


def _installed(place: Path) -> str:
    subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
    python = str(place / "bin" / "python")
    command = [python, "-m", "pip", "--disable-pip-version-check", "--quiet", "install", *PACKAGES]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotInstalled(done.stderr.strip().rpartition("\n")[2])
    return python


def _contender(peer: Peer, place: Path, python: str, stack: ExitStack, yardstick: Contender) -> Contender:
    place.mkdir()
    file = place / "peer.db"
    arguments = [peer.module, str(file), str(KEYS), *peer.options]
    server = stack.enter_context(serving(arguments, environment(), place / "log", python))
    _wait_for(server.port)
    keys = file.with_suffix(".keys").read_text().split()
    requests = [get("/status", key, peer.header) for key in keys]
    return Contender(peer.name, server, requests, yardstick)


def _wait_for(port: int) -> None:
    """One of them knows its address before it listens."""
    end = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)
        else:
            return
