"""Which models and tools a deployment has, and whether a task can be carried out with them."""

import os
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any, Final

from genai_prices import Usage, calc_price
from pydantic_ai.exceptions import UserError
from pydantic_ai.messages import ToolCallPart
from pydantic_ai.models import Model, infer_model

from mixus.agents.calls import BadCall, read
from mixus.agents.models import rehearsal
from mixus.agents.models.script import ScriptModel
from mixus.agents.tools.builtin import BUILT_IN
from mixus.agents.tools.registry import Registry
from mixus.core.errors import Invalid
from mixus.evals.tasks import NewTask, PlannedStep

REHEARSAL: Final = "rehearsal"
SCRIPT: Final = "script"
OFFLINE: Final = frozenset({REHEARSAL, SCRIPT})


class Catalog:
    """Made once in cli/; it holds the provider clients, which own connections."""

    def __init__(self, default_model: str, tools: Registry = BUILT_IN) -> None:
        self.default_model = default_model
        self.tools = tools

    def prepare(self, task: NewTask) -> NewTask:
        """The task with its tools and its plan; raises Invalid when it cannot be carried out here."""
        self._check_model(task)
        tools = self._check_tools(task)
        self._check_script(task, frozenset(tools))
        return replace(task, tools=tools, plan=self._plan(task))

    def model(self, name: str, script: list[Mapping[str, Any]] | None) -> Model:
        if name == REHEARSAL:
            return rehearsal.RehearsalModel()
        if name == SCRIPT:
            return ScriptModel(script or [])
        return provider_model(name)

    def _check_model(self, task: NewTask) -> None:
        if task.model in OFFLINE:
            if task.max_cost_usd is not None:
                raise Invalid(f"{task.model} costs nothing; leave the budget out.", field="maxCostUsd")
            return
        try:
            model = provider_model(task.model)
        except (UserError, ValueError, ImportError) as refused:
            raise Invalid(_model_sentence(task.model, refused), field="model") from refused
        if task.max_cost_usd is not None and not _has_price(model):
            raise Invalid(f"No price is known for {task.model}, so a budget cannot hold.", field="maxCostUsd")

    def _check_tools(self, task: NewTask) -> list[str]:
        unknown = sorted(set(task.tools) - set(self.tools))
        if unknown:
            raise Invalid(f"There is no tool {unknown[0][:64]!r} here.", field="tools")
        return list(dict.fromkeys(task.tools)) or list(self.tools)

    def _check_script(self, task: NewTask, allowed: frozenset[str]) -> None:
        """A script is refused now rather than half-way: every call must be one that can be made."""
        if (task.model == SCRIPT) is (task.script is None):
            raise Invalid("A script goes with the model `script`, and only with it.", field="script")
        for index, item in enumerate(task.script or ()):
            if "tool" not in item:
                continue
            part = ToolCallPart(item["tool"], dict(item.get("arguments", {})), tool_call_id="act")
            call = read(part, self.tools, allowed)
            if isinstance(call, BadCall):
                raise Invalid(call.problem, field=f"script.{index}")

    def _plan(self, task: NewTask) -> list[PlannedStep]:
        """What is known beforehand: a rehearsal's reading of the task, or the script."""
        if task.model == REHEARSAL:
            return _rehearsed(task.description)
        return [
            PlannedStep(f"Call {item['tool']}", self.tools[item["tool"]].effect.value)
            for item in task.script or ()
            if "tool" in item
        ]


def _rehearsed(description: str) -> list[PlannedStep]:
    """Empty where it is beyond rehearsal: the execution then ends with that code and its sentence."""
    try:
        return [PlannedStep(step.description, step.effect) for step in rehearsal.plan(description)]
    except rehearsal.BeyondRehearsal:
        return []


@cache
def provider_model(name: str) -> Model:
    """A client of the provider, made once for all executions."""
    if ":" not in name:
        raise UserError(f"Unknown model: {name}")
    return infer_model(name)


def _model_sentence(name: str, refused: Exception) -> str:
    provider = name.partition(":")[0]
    variable = f"{provider.upper().replace('-', '_')}_API_KEY"
    if variable in str(refused) and variable not in os.environ:
        return f"The server has no key for {provider}: set {variable} where it runs."
    if isinstance(refused, ImportError):
        return f"The server lacks the library for {provider}; install pydantic-ai-slim[{provider}] there."
    return "The model must be `rehearsal`, `script` or `provider:name` with a provider that is known here."


def _has_price(model: Model) -> bool:
    try:
        calc_price(Usage(input_tokens=1), model.model_name, provider_id=model.system)
    except LookupError:
        return False
    return True
