"""Executions whose agent runs in the caller's own process: what is different about them, as pure rules."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import orjson
from sqlalchemy import ColumnElement

from mixus.core.database import Row
from mixus.core.errors import Invalid
from mixus.evals.digests import digest
from mixus.evals.tables import executions
from mixus.evals.tasks import Effective, Verdict

# As JSON: of the arguments of one effect, and of all else that its process says at once.
MOST_BYTES: Final = 64 * 1024
# No provider has this name, so that no task can take it by itself.
PREFIX: Final = "external:"
IS_EXTERNAL: Final[ColumnElement[bool]] = executions.c.model.startswith(PREFIX)


def external_model(agent: str) -> str:
    return PREFIX + agent


def is_external(execution: Row) -> bool:
    return str(execution["model"]).startswith(PREFIX)


def by_its_rules(execution: Row, verdict: Verdict) -> Verdict:
    """The verdict, with edits checked as its tools allow: of foreign ones only the name is known."""
    if verdict.edits is None or not is_external(execution):
        return verdict
    return replace(verdict, edits=replace(verdict.edits, revise=_revise))


def _revise(action: Mapping[str, Any], arguments: Mapping[str, Any]) -> Effective:
    if len(orjson.dumps(arguments)) > MOST_BYTES:
        raise Invalid(
            f"Its process takes arguments of at most {MOST_BYTES} bytes as JSON.", field="editedActions"
        )
    revised = {**action, "arguments": dict(arguments)}
    return Effective(revised, digest(str(action["tool"]), revised["arguments"]))
