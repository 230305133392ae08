"""Real processes of the service on one database, to be talked to and to be killed."""

import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest

from mixus.client import Client, Status

PROBE = Path(__file__).with_name("probe.py")
LIVE = {"MIXUS_LIVE_TOOLS": "write_line"}


@dataclass
class Deployment:
    """Processes on one database; `lines` is what their tool did to the world."""

    folder: Path
    url: str
    variables: dict[str, str] = field(default_factory=dict)
    processes: list[subprocess.Popen[str]] = field(default_factory=list)
    clients: list[Client] = field(default_factory=list)
    key: str = ""
    email: str = "ada@example.org"
    password: str = "a long walk by the sea"
    address: str = ""

    def start(self, what: str = "serve", *options: str) -> subprocess.Popen[str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MIXUS_")}
        with (self.folder / "log").open("a") as log:
            process = subprocess.Popen(
                [sys.executable, str(PROBE), what, str(self.file), *options],
                env=kept
                | {"MIXUS_DATA": str(self.folder), "MIXUS_DATABASE_URL": self.url}
                | LIVE
                | self.variables,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self.processes.append(process)
        return process

    def serve(self, *options: str) -> Client:
        process = self.start("serve", *options)
        self.address = said(process).split()[2]
        client = Client(self.key, self.address)
        self.clients.append(client)
        return client

    def approve(self, status: Status) -> None:
        """As the person that reviews: in `live` no key decides."""
        checkpoint = next(item for item in status.checkpoints if item.status == "awaiting")
        with httpx2.Client(base_url=self.address, trust_env=False) as browser:
            credentials = {"email": self.email, "password": self.password}
            signed_in = browser.post("/api/session", json=credentials).raise_for_status()
            place = f"/api/eval/executions/{status.execution_id}/checkpoints/{checkpoint.checkpoint_id}"
            browser.post(
                f"{place}/decision",
                json={"attempt": checkpoint.attempt, "action": "approve"},
                headers={"X-CSRF-Token": signed_in.json()["csrfToken"]},
            ).raise_for_status()

    @property
    def file(self) -> Path:
        return self.folder / "lines"

    @property
    def lines(self) -> list[str]:
        return self.file.read_text().splitlines() if self.file.exists() else []

    @property
    def connections(self) -> set[str]:
        """Whom its processes connected to, as address and port."""
        return set(self.file.with_suffix(".connections").read_text().splitlines())

    def hold(self, moment: str) -> None:
        self.file.with_suffix(f".{moment}").touch()

    def release(self) -> None:
        for moment in ("before", "after", "linger"):
            self.file.with_suffix(f".{moment}").unlink(missing_ok=True)

    def kill(self) -> None:
        """All of it, at once, with no chance to say goodbye."""
        self.kill_processes()
        for client in self.clients:
            client.close()
        self.clients.clear()
        self.processes.clear()

    def kill_processes(self) -> None:
        for process in self.processes:
            end(process)


def end(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    if process.stdout is not None:
        process.stdout.close()


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    readable, _, _ = select.select([process.stdout], [], [], 60)
    assert readable, "the process said nothing"
    return process.stdout.readline()


def paused(client: Client, execution: str) -> Status:
    status = client.wait(execution, until="checkpoint", timeout_seconds=60)
    assert status.status == "awaiting-verification", status.raw
    return status


def eventually(holds: Callable[[], bool]) -> None:
    event = threading.Event()
    for _ in range(600):
        if holds():
            return
        event.wait(0.05)
    pytest.fail("it did not come to pass")
