"""What the routes work with, made once per application."""

from dataclasses import dataclass

from anyio import CapacityLimiter

from mixus.agents.catalog import Catalog
from mixus.core.database import Database
from mixus.core.limits import Limiter
from mixus.core.settings import Settings
from mixus.evals.capacity import Capacity
from mixus.keys.pepper import Pepper
from mixus.keys.service import Rules
from mixus.server.authentication import Door
from mixus.server.bookkeeper import Bookkeeper
from mixus.server.changes import Changes
from mixus.server.watcher import Watcher

# SQLite has one writer at a time; on Postgres half of the pool is left to reads and the engine.
SQLITE_TURNS, POSTGRES_TURNS = 1, 20


@dataclass(frozen=True)
class Services:
    """`turns` lets transactions queue up in the event loop.

    Waiting for the write lock in the threads that also run the routes would leave none of them to the
    one that holds it.
    """

    settings: Settings
    database: Database
    pepper: Pepper
    limiter: Limiter
    door: Door
    bookkeeper: Bookkeeper
    catalog: Catalog
    rules: Rules
    capacity: Capacity
    running_per_user: int
    watcher: Watcher
    changes: Changes
    turns: CapacityLimiter


def turns_of(database: Database) -> CapacityLimiter:
    return CapacityLimiter(SQLITE_TURNS if database.is_sqlite else POSTGRES_TURNS)
