"""An execution's own copy, as a tool reads it."""

from collections.abc import Mapping
from dataclasses import dataclass

from mixus.evals import workspace
from mixus.evals.lifecycle import Area
from mixus.evals.tasks import Place
from mixus.worker.bench import Bench


@dataclass(frozen=True)
class OwnCopy:
    bench: Bench
    execution_id: str

    async def find(self, place: Place) -> tuple[bytes | None] | None:
        return await self.bench.read(workspace.find, self.execution_id, place)

    async def entries(self, area: Area) -> Mapping[str, bytes | None]:
        return await self.bench.read(workspace.entries, self.execution_id, area)
