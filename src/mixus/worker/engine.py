"""The engine of one process: runs segments off the queue, shows signs of life and takes over lost ones."""

import logging
import threading
from collections.abc import Callable
from datetime import timedelta

from dbos import DBOS, DBOSConfig

from mixus.core import clock, idempotency
from mixus.core.dispatch import APPLICATION, ENGINE_VERSION, QUEUE, SERIALIZER, WORKFLOW
from mixus.core.ids import new_id
from mixus.evals.progress import Leg
from mixus.worker import leases
from mixus.worker.bench import Bench
from mixus.worker.schedule import FIRST_SECONDS, SECONDS, Schedule
from mixus.worker.segment import run_segment

logger = logging.getLogger(__name__)

RUNNING_PER_WORKER = 40
STOP_SECONDS = 10
FORGETTING_SECONDS = 600.0
KEPT = timedelta(days=1)
POLLING_SECONDS = {"sqlite": 0.1, "postgresql": 0.2}


class Engine:
    """Owns the engine's threads. One per process: the engine underneath is a singleton."""

    def __init__(
        self,
        bench: Bench,
        schedule: Schedule | None = None,
        running_per_user: int = 10,
    ) -> None:
        self.bench = bench
        self.database = bench.database
        self.running_per_user = running_per_user
        self.schedule = schedule or Schedule()
        # Two live processes with one id would each run the other's segments.
        self.worker_id = new_id("wrk")
        self._held: set[tuple[str, int]] = set()
        self._stopping = threading.Event()
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Start outside any event loop: the engine then runs its segments on a loop of its own."""
        if self.database.is_sqlite:
            # One process owns the file, so whatever ran before is gone.
            leases.sweep(self.database, clock.utc_now(), lease=timedelta(0))
        _quiet()
        DBOS(config=self._config())
        self._register()
        DBOS.launch()
        DBOS.register_queue(
            QUEUE,
            partition_concurrency=self.running_per_user,
            worker_concurrency=RUNNING_PER_WORKER,
            polling_interval_sec=POLLING_SECONDS[self.database.engine.dialect.name],
            on_conflict="always_update",
        )
        self._threads = [
            self._repeat("leases", self._renew, leases.RENEWAL_SECONDS, self._stopped),
            self._repeat("takeover", self._sweep, leases.RENEWAL_SECONDS, self._stopping),
            self._repeat("forgetting", self._forget, FORGETTING_SECONDS, self._stopping),
            self._repeat("schedule", self._look_after, SECONDS, self._stopping, first=FIRST_SECONDS),
        ]

    def stop(self) -> None:
        """Let running calls end for a while; what is left is for the next worker at once."""
        self._stopping.set()
        self.bench.in_flight.wait_until_empty(STOP_SECONDS)
        DBOS.destroy(workflow_completion_timeout_sec=STOP_SECONDS if self._held else 0)
        # Until here signs of life went on: a call that is given time to end must not be taken over.
        self._stopped.set()
        for thread in self._threads:
            # A mail server that does not answer holds up no stop; what it was sent may be sent again.
            thread.join(STOP_SECONDS)
        leases.release(self.database, self.worker_id, clock.utc_now())

    def _register(self) -> None:
        @DBOS.step(name="leg", preemptible=True)
        async def leg(execution_id: str, seq: int) -> None:
            held = (execution_id, seq)
            self._held.add(held)
            try:
                await run_segment(self.bench, Leg(execution_id, seq, self.worker_id))
            finally:
                self._held.discard(held)

        @DBOS.workflow(name=WORKFLOW)
        async def workflow(execution_id: str, seq: int) -> None:
            await leg(execution_id, seq)

    def _renew(self) -> None:
        held = list(self._held)
        if held:
            with self.database.transaction() as tx:
                leases.renew(tx, self.worker_id, held, clock.utc_now())

    def _sweep(self) -> None:
        taken = leases.sweep(self.database, clock.utc_now())
        if taken:
            logger.info("took over %s executions of lost workers", taken)

    def _forget(self) -> None:
        """What the engine keeps of ended segments is of no use to us: our rows are the journal."""
        now = clock.utc_now()
        self.database.dispatch.forget(now - KEPT)
        with self.database.transaction() as tx:
            idempotency.forget_old(tx, now)

    def _look_after(self) -> None:
        self.schedule.run(self._stopping)

    def _repeat(
        self,
        name: str,
        act: Callable[[], None],
        seconds: float,
        until: threading.Event,
        first: float | None = None,
    ) -> threading.Thread:
        def loop() -> None:
            pause = seconds if first is None else first
            while not until.wait(pause):
                pause = seconds
                try:
                    act()
                except Exception:
                    # The database may be away for a while; this thread is what brings the work back.
                    logger.exception("%s failed; trying again", name)

        thread = threading.Thread(target=loop, name=f"mixus-{name}", daemon=True)
        thread.start()
        return thread

    def _config(self) -> DBOSConfig:
        return {
            "name": APPLICATION,
            "system_database_url": self.database.url.render_as_string(hide_password=False),
            "application_version": ENGINE_VERSION,
            "executor_id": self.worker_id,
            "serializer": SERIALIZER,
            "run_migrations": False,
            "max_executor_threads": 48,
            "console_log_level": "WARNING",
        }


class _Cancellations(logging.Filter):
    """A cancelled execution is no error of the engine's, which logs it with its stack."""

    def filter(self, record: logging.LogRecord) -> bool:
        kind = record.exc_info[0] if record.exc_info else None
        return "was cancelled" not in record.getMessage() and (
            kind is None or "Cancelled" not in kind.__name__
        )


def _quiet() -> None:
    logging.getLogger("dbos").addFilter(_Cancellations())
