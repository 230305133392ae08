"""`python creators_main.py`: makes keys for a person from several processes at once, as often as it is told.

Reads lines `URL USER PROCESSES THREADS EACH` and answers each with how many keys were made. One import for
all of them: the processes are forked, and each opens the database for itself.
"""

import os
import sys
import threading

from factories import NOBODY, PEPPER

from mixus.accounts.principal import Scope
from mixus.core.clock import utc_now
from mixus.core.database import Database
from mixus.core.errors import Conflict
from mixus.keys import service
from mixus.keys.service import NewKey


def create(database: Database, user_id: str, count: int, made: list[str]) -> None:
    for _ in range(count):
        try:
            with database.transaction() as tx:
                new = NewKey(user_id, "raced", [Scope.READ])
                made.append(service.create(tx, PEPPER, new, NOBODY, utc_now())[1].id)
        except Conflict as refused:
            if refused.error_code != "key-limit":
                raise


def child(url: str, user_id: str, threads: int, each: int) -> int:
    """How many this process made; a fault of its own ends it with more than it could ever make."""
    made: list[str] = []
    try:
        database = Database(url)
        running = [
            threading.Thread(target=create, args=(database, user_id, each, made)) for _ in range(threads)
        ]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join()
        database.close()
    except Exception:  # noqa: BLE001 - whatever it was, this process must end here
        sys.excepthook(*sys.exc_info())
        return 200
    return len(made)


def main() -> None:
    for line in sys.stdin:
        url, user_id, processes, threads, each = line.split()
        children = []
        for _ in range(int(processes)):
            pid = os.fork()
            if pid == 0:
                os._exit(child(url, user_id, int(threads), int(each)))
            children.append(pid)
        codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
        sys.stdout.write(f"{sum(codes)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
