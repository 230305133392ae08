"""What is asked for: a task before it becomes an execution, as plain values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mixus.evals.lifecycle import Decision, TestMode


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
    timeout_ms: int = 3_600_000
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TaskChange:
    """Fields that may be changed later; None leaves one as it is."""

    name: str | None = None
    metadata: Mapping[str, Any] | None = None
    assigned_reviewer: str | None = None


@dataclass(frozen=True)
class Verdict:
    """A reviewer's decision, bound to the attempt that he saw."""

    attempt: int
    action: Decision
    hint: str | None = None
    comment: str | None = None
