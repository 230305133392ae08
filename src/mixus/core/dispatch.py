"""Hands segments to the engine inside a transaction of ours: what is rolled back was never enqueued."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from dbos import DBOSClient, DBOSPortableJSONSerializer
from sqlalchemy import Connection

from mixus.core import clock

APPLICATION = "mixus"
QUEUE = "segments"
WORKFLOW = "run_segment"
# The promise that a segment enqueued by one release can be run by another; raised by hand when it breaks.
ENGINE_VERSION = "1"
FIRST, RESUMED = 2, 1
# Never the default, pickle: renaming a class would strand what waits, and a row could run code.
SERIALIZER = DBOSPortableJSONSerializer()


@dataclass(frozen=True)
class Segment:
    """One leg of an execution, from a start or a decision to the next checkpoint or the end."""

    execution_id: str
    seq: int
    user_id: str
    priority: int = FIRST

    @property
    def workflow_id(self) -> str:
        """The engine silently never runs an id again, so every re-enqueue takes a new `seq`."""
        return f"{self.execution_id}:{self.seq}"


@dataclass(frozen=True)
class EngineState:
    """ENQUEUED, DELAYED, PENDING (dequeued), SUCCESS, ERROR, CANCELLED; and since when."""

    status: str
    since: datetime


class Dispatch:
    """The engine's client. Every field is required here: it accepts a missing one and waits for ever."""

    def __init__(self, url: str) -> None:
        self.url = url

    def enqueue(self, connection: Connection, segment: Segment) -> None:
        self._client.enqueue_in_transaction(
            connection,
            {
                "workflow_name": WORKFLOW,
                "queue_name": QUEUE,
                "workflow_id": segment.workflow_id,
                "workflow_id_reuse_policy": "reject",
                "queue_partition_key": segment.user_id,
                "priority": segment.priority,
                "app_version": ENGINE_VERSION,
            },
            segment.execution_id,
            segment.seq,
        )

    def cancel(self, workflow_ids: list[str]) -> None:
        """End these segments, calls in flight included. Never inside our own transaction on SQLite."""
        if workflow_ids:
            self._client.cancel_workflows(workflow_ids)

    def states(self, workflow_ids: list[str]) -> dict[str, EngineState]:
        """What the engine knows of each segment; one that it does not know is missing."""
        if not workflow_ids:
            return {}
        found = self._client.list_workflows(workflow_ids=workflow_ids, load_input=False, load_output=False)
        return {
            workflow.workflow_id: EngineState(workflow.status, clock.from_ms(workflow.updated_at or 0))
            for workflow in found
        }

    def forget(self, before: datetime, limit: int = 1000) -> int:
        """Delete what the engine keeps of segments that ended before then; how many there were."""
        ended = self._client.list_workflows(
            status=["SUCCESS", "ERROR", "CANCELLED"],
            end_time=before.isoformat(),
            name=WORKFLOW,
            limit=limit,
            load_input=False,
            load_output=False,
        )
        if ended:
            self._client.delete_workflows([workflow.workflow_id for workflow in ended])
        return len(ended)

    def close(self) -> None:
        if "_client" in self.__dict__:
            self._client.destroy()

    @cached_property
    def _client(self) -> DBOSClient:
        return DBOSClient(
            system_database_url=self.url,
            application_name=APPLICATION,
            serializer=SERIALIZER,
            lazy=True,
            retry_connection_errors=False,
        )
