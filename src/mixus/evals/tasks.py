"""What is asked for: a task before it becomes an execution, as plain values."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mixus.evals.lifecycle import Area, Decision, Environment, OnTimeout, TestMode


@dataclass(frozen=True)
class NewCheckpoint:
    stage: str
    description: str
    verification_question: str | None = None


@dataclass(frozen=True)
class PlannedStep:
    description: str
    effect: str
    stage: str | None = None


@dataclass(frozen=True)
class Place:
    """Of a piece of an execution's own copy; the database has the path `main`."""

    area: Area
    path: str


@dataclass(frozen=True)
class NewTask:
    """A valid task. `tools` (None is all) and `plan` are decided by the agents room before it gets here."""

    description: str
    name: str
    model: str
    test_mode: TestMode = TestMode.WITH_VERIFICATION
    checkpoints: Sequence[NewCheckpoint] = ()
    auto_detect: bool = True
    review_result: bool = False
    assigned_reviewer: str | None = None
    script: Sequence[Mapping[str, Any]] | None = None
    tools: Sequence[str] | None = None
    plan: Sequence[PlannedStep] = ()
    max_steps: int = 50
    max_cost_usd: float | None = None
    max_tokens: int | None = None
    timeout_ms: int = 3_600_000
    review_timeout_ms: int | None = None
    escalate_to: str | None = None
    on_review_timeout: OnTimeout | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    environment: Environment = Environment.SANDBOX
    expected_outcome: Mapping[str, Any] | None = None
    template: str | None = None
    parameters: Mapping[str, Any] | None = None
    # What the execution's own copy begins with.
    seeds: Mapping[Place, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class TaskChange:
    """Fields that may be changed later; None leaves one as it is."""

    name: str | None = None
    metadata: Mapping[str, Any] | None = None
    assigned_reviewer: str | None = None


@dataclass(frozen=True)
class Effective:
    """An action as it will run, and the digest that releases exactly this."""

    action: Mapping[str, Any]
    digest: str


@dataclass(frozen=True)
class Edits:
    """Arguments in place of the proposed ones, by action id.

    `revise` checks them by the rules of the tool, which an evaluation does not know.
    """

    arguments: Mapping[str, Mapping[str, Any]]
    revise: Callable[[Mapping[str, Any], Mapping[str, Any]], Effective]


@dataclass(frozen=True)
class Verdict:
    """A reviewer's decision, bound to the attempt that he saw."""

    attempt: int
    action: Decision
    hint: str | None = None
    comment: str | None = None
    edits: Edits | None = None
