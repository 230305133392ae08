"""What a template is: a ready task with parameters, whose success can be measured."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mixus.agents.templates.parameters import Parameter, Values
from mixus.evals.tasks import NewCheckpoint, Place


@dataclass(frozen=True)
class Brief:
    """A template with its parameters filled in. `expected_outcome` is computed exactly, not by a model."""

    description: str
    expected_outcome: Mapping[str, Any]
    checkpoints: tuple[NewCheckpoint, ...] = ()
    # What the execution's own copy begins with.
    seeds: Mapping[Place, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Rehearsed:
    """Whether the model `rehearsal` does all of it with the right result, and what it does at most."""

    whole: bool
    note: str


@dataclass(frozen=True)
class Template:
    """`brief` is pure: the same parameters give the same task, also when it is tried again years later."""

    name: str
    title: str
    description: str
    parameters: tuple[Parameter, ...]
    tools: tuple[str, ...]
    rehearsal: Rehearsed
    brief: Callable[[Values], Brief]
    # Pause before every effect, beside the checkpoints.
    auto_detect: bool = True
