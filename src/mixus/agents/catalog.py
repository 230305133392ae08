"""Which models and tools a deployment has, and whether a task can be carried out with them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any, Final

from pydantic_ai.messages import ToolCallPart
from pydantic_ai.models import Model

from mixus.agents.calls import BadCall, read
from mixus.agents.models.rehearsal.hints import parse
from mixus.agents.models.rehearsal.model import RehearsalModel
from mixus.agents.models.rehearsal.plan import BeyondRehearsal, plan_of
from mixus.agents.models.script import ScriptModel
from mixus.agents.prices import Prices
from mixus.agents.providers import Clients
from mixus.agents.tools.builtin import BUILT_IN
from mixus.agents.tools.registry import Registry
from mixus.core.database import Row
from mixus.core.errors import Invalid
from mixus.evals import scoring, service
from mixus.evals.lifecycle import Effect, Environment, TestMode
from mixus.evals.tasks import NewTask, PlannedStep

REHEARSAL: Final = "rehearsal"
SCRIPT: Final = "script"
OFFLINE: Final = frozenset({REHEARSAL, SCRIPT})


@dataclass(frozen=True)
class Live:
    """What an admin lets agents do in the world."""

    tools: frozenset[str] = frozenset()
    without_verification: bool = False


NOTHING_LIVE: Final = Live()


@dataclass(frozen=True)
class ModelRules:
    """Which models of providers may be used (None: all), what they cost, how patiently they are asked."""

    allowed: frozenset[str] | None = None
    prices: Prices = field(default_factory=Prices)
    # Who judges outcomes; None is the model of the execution itself.
    judge: str | None = None
    # Longest silence within one call.
    timeout_seconds: float = 120.0
    # Before the first quick try again; the next one waits twice as long.
    pause_seconds: float = 0.5


ANY_MODEL: Final = ModelRules()


class Catalog:
    """Made once in cli/. A provider's key that happens to be in the environment spends nothing.

    Only an admin who named a model, whichever it is, lets tasks name one of a provider (`may_spend`).
    """

    def __init__(
        self,
        default_model: str,
        tools: Registry = BUILT_IN,
        *,
        may_spend: bool = False,
        live: Live = NOTHING_LIVE,
        rules: ModelRules = ANY_MODEL,
    ) -> None:
        self.default_model = default_model
        self.tools = tools
        self.may_spend = may_spend
        self.live = live
        self.rules = rules
        self.clients = Clients()

    def prepare(self, task: NewTask) -> NewTask:
        """The task with its tools and its plan; raises Invalid when it cannot be carried out here."""
        self._check_model(task)
        tools = self._check_live(task, self._check_tools(task))
        self._check_script(task, frozenset(tools))
        self._check_outcome(task)
        return replace(task, tools=tools, plan=self._plan(task))

    def plans(self, model: str) -> bool:
        """Whether a task begins with this model's plan; of the others it is known beforehand."""
        return model not in OFFLINE

    def model(self, name: str, script: list[Mapping[str, Any]] | None) -> Model:
        if name == REHEARSAL:
            return RehearsalModel()
        if name == SCRIPT:
            return ScriptModel(script or [])
        return self.clients.model(name)

    def judge_name(self, model: str) -> str:
        """Who judges what this model answered."""
        return self.rules.judge or model

    def require_allowed(self, name: str) -> None:
        """Raises Invalid. The models of ours are always allowed: they call nobody."""
        allowed = self.rules.allowed
        if name in OFFLINE or allowed is None or any(fnmatchcase(name, pattern) for pattern in allowed):
            return
        named = ", ".join(sorted(allowed)) or "none of a provider"
        raise Invalid(f"{name} is not allowed here; allowed are {named}.", field="model")

    def require_live(self, tool: str, test_mode: TestMode) -> None:
        """Asked again at each call: what was allowed when the task was made may be so no more."""
        self._require_verified(test_mode)
        if tool not in self.live.tools:
            raise Invalid(f"{tool} may not be live here.", field="tools")

    def require_again(self, row: Row) -> None:
        """Whether a task of before may be carried out here now; raises Invalid."""
        self.require_allowed(row["model"])
        if row["environment"] is Environment.LIVE:
            self._require_verified(row["test_mode"])

    def _check_model(self, task: NewTask) -> None:
        if task.model in OFFLINE:
            if task.max_cost_usd is not None:
                raise Invalid(f"{task.model} costs nothing; leave the budget out.", field="maxCostUsd")
            if task.max_tokens is not None:
                raise Invalid(f"{task.model} uses no tokens; leave the limit out.", field="maxTokens")
            return
        if not self.may_spend and ":" in task.model:
            raise Invalid(
                "This server calls no provider until its admin sets MIXUS_MODEL; `rehearsal` works.",
                field="model",
            )
        self.require_allowed(task.model)
        model = self.clients.model(task.model)
        if task.max_cost_usd is not None and not self.rules.prices.knows(task.model, model):
            raise Invalid(f"No price is known for {task.model}, so a budget cannot hold.", field="maxCostUsd")

    def _check_tools(self, task: NewTask) -> list[str]:
        seeded = {None, *(place.area for place in task.seeds)}
        offered = [name for name, tool in self.tools.items() if tool.needs_seed in seeded]
        if task.tools is None:
            return offered
        if not set(task.tools) <= set(offered):
            raise Invalid(f"There is no such tool here; there are {', '.join(offered)}.", field="tools")
        return list(dict.fromkeys(task.tools))

    def _check_live(self, task: NewTask, tools: list[str]) -> list[str]:
        """In `live`, only effects that the admin allowed; those that the task did not name are left out."""
        if task.environment is Environment.SANDBOX:
            return tools
        self._require_verified(task.test_mode)
        forbidden = [name for name in tools if not self._may_be_live(name)]
        if task.tools is not None and forbidden:
            raise Invalid(
                f"{forbidden[0]} may not be live here; its admin names such tools in MIXUS_LIVE_TOOLS.",
                field="tools",
            )
        allowed = [name for name in tools if name not in forbidden]
        if all(self.tools[name].effect is Effect.READ for name in allowed):
            raise Invalid("No tool here may have real effects: set MIXUS_LIVE_TOOLS.", field="environment")
        return allowed

    def _require_verified(self, test_mode: TestMode) -> None:
        service.require_verified(test_mode, may_go_unverified=self.live.without_verification)

    def _may_be_live(self, name: str) -> bool:
        return self.tools[name].effect is Effect.READ or name in self.live.tools

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

    def _check_outcome(self, task: NewTask) -> None:
        if task.expected_outcome is None:
            return
        scoring.require_scorable(task.expected_outcome)
        judge = self.judge_name(task.model) if scoring.is_judged(task.expected_outcome) else None
        if judge in OFFLINE:
            raise Invalid(
                f"{judge} cannot judge: name a language model, or have the admin set MIXUS_JUDGE_MODEL.",
                field="expectedOutcome.type",
            )
        if judge and task.max_cost_usd and not self.rules.prices.knows(judge, self.model(judge, None)):
            raise Invalid(f"No price is known for {judge}, so a budget cannot hold.", field="maxCostUsd")

    def _plan(self, task: NewTask) -> list[PlannedStep]:
        """What is known beforehand: a rehearsal's reading of the task, or the script."""
        if task.model == REHEARSAL:
            return _rehearsed(task.description)
        return [
            PlannedStep(f"Call {item['tool']}", self.tools[item["tool"]].effect.value)
            for item in task.script or ()
            if "tool" in item
        ]


def is_pattern(name: str) -> bool:
    """Whether what an admin allows stands for any number of models, by the rules of fnmatch."""
    return not set(name).isdisjoint("*?[")


def _rehearsed(description: str) -> list[PlannedStep]:
    """Empty where it is beyond rehearsal: the execution then ends with that code and its sentence."""
    try:
        return [PlannedStep(step.description, step.effect) for step in plan_of(parse(description, []).steps)]
    except BeyondRehearsal:
        return []
