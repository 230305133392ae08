"""Arguments that a reviewer puts in place of the proposed ones: checked like those of a model."""

from collections.abc import Mapping
from typing import Any

from pydantic_ai.messages import ToolCallPart

from mixus.agents.calls import BadCall, read
from mixus.agents.tools.registry import Registry
from mixus.core.errors import Invalid
from mixus.evals.tasks import Effective


def revise(registry: Registry, action: Mapping[str, Any], arguments: Mapping[str, Any]) -> Effective:
    """The action as it will run, and what its approval is bound to; raises Invalid.

    The tool stays: an edit changes what is done with it.
    """
    name = str(action["tool"])
    part = ToolCallPart(name, dict(arguments), tool_call_id=str(action["actionId"]))
    call = read(part, registry, frozenset({name}))
    if isinstance(call, BadCall):
        raise Invalid(call.problem, field="editedActions")
    return Effective(call.shown(), call.digest)
