"""An agent of a user's own: run as a process beside the service, to be killed.

`python external_agent.py FILE [EXECUTION]` begins an execution, or goes on with that one. Its one effect is
a line in FILE. While `FILE.before` exists it waits before it writes it, while `FILE.after` exists after it.
"""

import sys
import time
from pathlib import Path
from typing import Any

from mixus import Client

FILE = Path(sys.argv[1])


def hold(moment: str) -> None:
    while FILE.with_suffix(f".{moment}").exists():
        time.sleep(0.02)


def write(arguments: dict[str, Any]) -> str:
    hold("before")
    with FILE.open("a") as lines:
        lines.write(f"{arguments['text']}\n")
    hold("after")
    return "written"


def main() -> None:
    with Client() as client:
        made = (
            client.attach_external(sys.argv[2])
            if len(sys.argv) > 2
            else client.external_execution("Write a line.", agent="writer", environment="live")
        )
        with made as run:
            sys.stdout.write(f"{run.execution_id}\n")
            sys.stdout.flush()
            with run.step("think"):
                pass
            run.finish(run.effect("write_line", {"text": "one"}, effect="modify", perform=write))


if __name__ == "__main__":
    main()
