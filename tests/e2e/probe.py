"""The service with one more tool, whose effect is a line in a file: run as a process, to be killed.

`python probe.py serve|worker FILE`. While `FILE.before` exists the tool waits before it writes the line,
while `FILE.after` exists it waits afterwards: so a test can kill the process at either moment.
"""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

from mixus.agents.tools.registry import Arguments, Context, Tool, registry
from mixus.cli import logs, serve
from mixus.cli import settings as cli_settings
from mixus.cli.building import build
from mixus.evals.lifecycle import Effect


class Line(Arguments):
    text: str


async def hold(file: Path, moment: str) -> None:
    while file.with_suffix(f".{moment}").exists():  # noqa: ASYNC110 - a test in another process decides
        await asyncio.sleep(0.05)


def linger_tool(file: Path) -> Tool:
    """Only reads, so it may run again; says which process it runs in."""

    async def run(_arguments: Arguments, _context: Context) -> str:
        file.with_suffix(".pid").write_text(str(os.getpid()))
        await hold(file, "linger")
        return "lingered"

    return Tool("linger", "Wait.", Effect.READ, Arguments, run)


def write_line_tool(file: Path) -> Tool:
    async def run(arguments: Line, _context: Context) -> str:
        await hold(file, "before")
        with file.open("a") as lines:
            lines.write(f"{arguments.text}\n")
        await hold(file, "after")
        return "written"

    return Tool("write_line", "Write a line into a file.", Effect.MODIFY, Line, run)


def watch_connections(file: Path) -> None:
    """Write down whom this process connects to, or looks up by name, other than its database's socket."""

    def note(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "socket.connect" and isinstance(arguments[1], tuple):
            places.write(f"{arguments[1][0]}:{arguments[1][1]}\n")
        elif event == "socket.getaddrinfo":
            places.write(f"{arguments[0]}:{arguments[1]}\n")

    places = file.with_suffix(".connections").open("a", buffering=1)
    sys.addaudithook(note)


def main() -> None:
    what, file = sys.argv[1], Path(sys.argv[2])
    watch_connections(file)
    serve.stop_on_signals()
    logs.configure()
    service = build(cli_settings.load(), registry(write_line_tool(file), linger_tool(file)))
    if what == "worker":
        serve.work(service)
    with serve.listen("127.0.0.1", 0) as listener:
        serve.run(service, listener, with_worker="--no-worker" not in sys.argv)


if __name__ == "__main__":
    main()
