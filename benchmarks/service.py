"""`mixus serve` as an admin sets it up: on a folder or a database of its own, with one account and key."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.processes import Server, environment, serving
from mixus.client import Client, Status

MIXUS: Final = "mixus.cli.main"
EMAIL: Final = "bench@example.org"
TASK: Final = "Calculate a 15% commission on $50,000 in sales, then e-mail the result to pay@example.org."
PATIENCE_SECONDS: Final = 60.0


@dataclass(frozen=True)
class Service:
    server: Server
    key: str

    def client(self) -> Client:
        return Client(self.key, self.server.url)


@contextmanager
def running(
    folder: Path, *options: str, database_url: str | None = None, **variables: str
) -> Iterator[Service]:
    """`variables` are settings besides those that say where the data are."""
    settings = settings_of(folder, database_url, **variables)
    if database_url is not None:
        command(settings, "db", "upgrade")
    with serving([MIXUS, "serve", "--port", "0", *options], settings, folder / "serve.log") as server:
        yield Service(server, make_key(settings))


def settings_of(folder: Path, database_url: str | None = None, **variables: str) -> dict[str, str]:
    store = {} if database_url is None else {"MIXUS_DATABASE_URL": database_url}
    return environment(MIXUS_DATA=str(folder / "data"), **store, **variables)


def make_key(settings: Mapping[str, str]) -> str:
    command(settings, "user", "create", EMAIL)
    return command(settings, "keys", "create", "--user", EMAIL, "--name", "bench", "--scope", "eval:manage")


def command(settings: Mapping[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", MIXUS, *arguments], env=settings, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def paused(client: Client) -> Status:
    """An execution that did its calculation and waits for a reviewer, with a mail to send."""
    created = client.create_task_agent(
        TASK,
        task_name="Commission",
        checkpoints=[
            {
                "stage": "calculation",
                "description": "The commission, before anyone is told.",
                "verification_question": "Is the result $7,500?",
            }
        ],
    )
    return client.wait(created.execution_id, timeout_seconds=PATIENCE_SECONDS)
