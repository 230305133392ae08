"""Which models and tools a deployment has, and whether a task can be carried out with them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from genai_prices import Usage, calc_price
from pydantic_ai.messages import ToolCallPart
from pydantic_ai.models import Model

from mixus.agents import providers
from mixus.agents.calls import BadCall, read
from mixus.agents.models.rehearsal.hints import parse
from mixus.agents.models.rehearsal.model import RehearsalModel
from mixus.agents.models.rehearsal.plan import BeyondRehearsal, plan_of
from mixus.agents.models.script import ScriptModel
from mixus.agents.tools.builtin import BUILT_IN
from mixus.agents.tools.registry import Registry
from mixus.core.errors import Invalid
from mixus.evals.tasks import NewTask, PlannedStep

REHEARSAL: Final = "rehearsal"
SCRIPT: Final = "script"
OFFLINE: Final = frozenset({REHEARSAL, SCRIPT})


class Catalog:
    """Made once in cli/. A provider's key that happens to be in the environment spends nothing.

    Only an admin who named a model, whichever it is, lets tasks name one of a provider (`may_spend`).
    """

    def __init__(self, default_model: str, tools: Registry = BUILT_IN, *, may_spend: bool = False) -> None:
        self.default_model = default_model
        self.tools = tools
        self.may_spend = may_spend

    def prepare(self, task: NewTask) -> NewTask:
        """The task with its tools and its plan; raises Invalid when it cannot be carried out here."""
        self._check_model(task)
        tools = self._check_tools(task)
        self._check_script(task, frozenset(tools))
        return replace(task, tools=tools, plan=self._plan(task))

    def model(self, name: str, script: list[Mapping[str, Any]] | None) -> Model:
        if name == REHEARSAL:
            return RehearsalModel()
        if name == SCRIPT:
            return ScriptModel(script or [])
        return providers.model(name)

    def _check_model(self, task: NewTask) -> None:
        if task.model in OFFLINE:
            if task.max_cost_usd is not None:
                raise Invalid(f"{task.model} costs nothing; leave the budget out.", field="maxCostUsd")
            return
        if not self.may_spend and ":" in task.model:
            raise Invalid(
                "This server calls no provider until its admin sets MIXUS_MODEL; `rehearsal` works.",
                field="model",
            )
        model = providers.model(task.model)
        if task.max_cost_usd is not None and not _has_price(model):
            raise Invalid(f"No price is known for {task.model}, so a budget cannot hold.", field="maxCostUsd")

    def _check_tools(self, task: NewTask) -> list[str]:
        if task.tools is None:
            return list(self.tools)
        unknown = sorted(set(task.tools) - set(self.tools))
        if unknown:
            raise Invalid(f"There is no such tool here; there are {', '.join(self.tools)}.", field="tools")
        return list(dict.fromkeys(task.tools))

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
        return [PlannedStep(step.description, step.effect) for step in plan_of(parse(description, []).steps)]
    except BeyondRehearsal:
        return []


def _has_price(model: Model) -> bool:
    try:
        calc_price(Usage(input_tokens=1), model.model_name, provider_id=model.system)
    except LookupError:
        return False
    return True
