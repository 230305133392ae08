"""`python fleet_main.py N`: N processes of `mixus serve --no-worker`, until standard input ends.

They are forked when everything is imported, which costs more than all else of a start, and before anything
is built: each opens its own database connections and shares no memory with another.
"""

import os
import signal
import sys
import threading

from mixus.cli import logs, serve
from mixus.cli import settings as cli_settings
from mixus.cli.building import build


def serve_until_killed() -> None:
    logs.configure()
    service = build(cli_settings.load())
    with serve.listen("127.0.0.1", 0) as listener:
        serve.run(service, listener, with_worker=False)


def main() -> None:
    assert threading.active_count() == 1
    children = []
    for _ in range(int(sys.argv[1])):
        child = os.fork()
        if child == 0:
            # Only the first process must know when the test is over.
            os.close(0)
            serve_until_killed()
            os._exit(0)
        children.append(child)
    sys.stdin.read()
    for child in children:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
