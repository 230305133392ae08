"""Hands segments to the engine inside a transaction of ours: what is rolled back was never enqueued."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dbos import DBOSClient, DBOSPortableJSONSerializer, EnqueueOptions
from sqlalchemy import Connection

from mixus.core import clock

APPLICATION = "mixus"
QUEUE = "segments"
WORKFLOW = "run_segment"
# The promise that a segment enqueued by one release can be run by another; raised by hand when it breaks.
ENGINE_VERSION = "1"
FIRST, RESUMED = 2, 1
# The engine's words. A dequeued segment holds one of its user's places.
DEQUEUED = "PENDING"
WAITING = ["ENQUEUED", "DELAYED"]
ENDED = ["SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"]
# Never the default, pickle: renaming a class would strand what waits, and a row could run code.
SERIALIZER = DBOSPortableJSONSerializer()


@dataclass(frozen=True)
class Segment:
    """One leg of an execution, from a start or a decision to the next checkpoint or the end."""

    execution_id: str
    seq: int
    user_id: str
    priority: int = FIRST
    # How long it is kept back; until then it holds no place.
    delay_seconds: float | None = None


def workflow_id(execution_id: str, seq: int) -> str:
    """The engine silently never runs an id again, so every re-enqueue takes a new `seq`."""
    return f"{execution_id}:{seq}"


@dataclass(frozen=True)
class EngineState:
    """One of the engine's words, and since when."""

    status: str
    since: datetime


class Dispatch:
    """The engine's client. Every field is required here: it accepts a missing one and waits for ever."""

    def __init__(self, url: str) -> None:
        self._client = DBOSClient(
            system_database_url=url,
            application_name=APPLICATION,
            serializer=SERIALIZER,
            lazy=True,
            retry_connection_errors=False,
        )

    def enqueue(self, connection: Connection, segment: Segment) -> None:
        options: EnqueueOptions = {
            "workflow_name": WORKFLOW,
            "queue_name": QUEUE,
            "workflow_id": workflow_id(segment.execution_id, segment.seq),
            "workflow_id_reuse_policy": "reject",
            "queue_partition_key": segment.user_id,
            "priority": segment.priority,
            "app_version": ENGINE_VERSION,
        }
        if segment.delay_seconds is not None:
            options["delay_seconds"] = segment.delay_seconds
        self._client.enqueue_in_transaction(connection, options, segment.execution_id, segment.seq)

    def cancel(self, workflow_ids: list[str]) -> None:
        """End these segments, calls in flight included. Never inside our own transaction on SQLite."""
        if workflow_ids:
            self._client.cancel_workflows(workflow_ids)

    def states(self, workflow_ids: list[str]) -> dict[str, EngineState]:
        """What the engine knows of each segment; one that it does not know is missing."""
        return self._list(workflow_ids=workflow_ids) if workflow_ids else {}

    def dequeued(self) -> dict[str, EngineState]:
        """Segments that hold one of their user's places, whether their process still lives or not."""
        return self._list(status=DEQUEUED)

    def forget(self, before: datetime, page: int = 1000) -> int:
        """Delete what the engine keeps of segments that ended before then; how many there were."""
        count = 0
        while ended := self._list(status=ENDED, end_time=before.isoformat(), limit=page):
            self._client.delete_workflows(list(ended))
            count += len(ended)
        return count

    def _list(self, **filters: Any) -> dict[str, EngineState]:
        found = self._client.list_workflows(name=WORKFLOW, load_input=False, load_output=False, **filters)
        return {
            workflow.workflow_id: EngineState(workflow.status, clock.from_ms(workflow.updated_at or 0))
            for workflow in found
        }

    def close(self) -> None:
        self._client.destroy()
