"""One of several processes that ask the same limiter.

It takes an address and an order, starts at a line on its input, and prints its calls as a list.
The clock of the calls is shared by all processes of a machine.
"""

import json
import random
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sqlalchemy import Row

from mixus.core.database import Database
from mixus.core.limits import Policy, PostgresLimiter


class Watched(PostgresLimiter):
    """Keeps what the row said last: when it admitted, or with a minus when it refused."""

    latest_us: int | None = None

    def _ask(self, name: str, policy: Policy) -> Row[Any]:
        row = super()._ask(name, policy)
        self.latest_us = row.latest
        return row


def fire(database: Database, name: str, policy: Policy, pauses: list[float]) -> list[dict[str, Any]]:
    limiter = Watched(database)
    calls = []
    for pause in pauses:
        time.sleep(pause)
        limiter.latest_us = None
        sent = time.monotonic_ns()
        allowance = limiter.admit(name, policy)
        received = time.monotonic_ns()
        calls.append(
            {
                "sent": sent,
                "received": received,
                "is_admitted": allowance.is_admitted,
                "row_us": limiter.latest_us,
            }
        )
    return calls


def main() -> None:
    url, order = sys.argv[1], json.loads(sys.argv[2])
    chance = random.Random(order["seed"])
    mean = order["mean_pause_seconds"]
    pauses = [
        [chance.expovariate(1 / mean) if mean else 0.0 for _ in range(order["calls"])]
        for _ in range(order["threads"])
    ]
    policy = Policy(order["limit"], order["window_seconds"])
    database = Database(url)
    database.engine.connect().close()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    with ThreadPoolExecutor(order["threads"]) as pool:
        parts = pool.map(lambda part: fire(database, order["name"], policy, part), pauses)
        calls = [call for part in parts for call in part]
    database.close()
    sys.stdout.write(json.dumps(calls))


if __name__ == "__main__":
    main()
