"""An execution's own copy in a dictionary, for tests of tools without a database."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mixus.agents.tools.registry import Changed, Context, Tool
from mixus.evals.lifecycle import Area, Environment
from mixus.evals.tasks import Place


@dataclass(frozen=True)
class OwnCopy:
    contents: dict[Place, bytes | None] = field(default_factory=dict)

    async def find(self, place: Place) -> tuple[bytes | None] | None:
        return (self.contents[place],) if place in self.contents else None

    async def entries(self, area: Area) -> Mapping[str, bytes | None]:
        return {place.path: content for place, content in self.contents.items() if place.area is area}


def call(tool: Tool, own: OwnCopy, environment: Environment = Environment.SANDBOX, **arguments: Any) -> Any:
    """As the worker does it: the change is stored with the result."""
    context = Context("exe_1", "act_1", environment, own)
    perform = tool.record if tool.is_recorded(environment) else tool.run

    async def performed() -> Any:
        return await perform(tool.arguments.model_validate(arguments), context)

    answer = asyncio.run(performed())
    if not isinstance(answer, Changed):
        return answer
    own.contents.update(answer.changes)
    return answer.result
