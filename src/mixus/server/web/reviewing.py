"""One attempt of a checkpoint as its reviewer's page shows it: while it can be decided, and afterwards."""

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final

from mixus.accounts.principal import Principal
from mixus.agents import present_files
from mixus.agents.tools.registry import ToolFailed
from mixus.core.database import Row, Transaction
from mixus.evals import review_queries, timeouts, viewing
from mixus.evals.decide import decide
from mixus.evals.external_rules import is_external
from mixus.evals.lifecycle import HINT_LIMIT, CheckpointStatus, Environment, OnTimeout, Source
from mixus.evals.review_queries import Desk
from mixus.server.services import Services
from mixus.server.web import actions, deciding
from mixus.server.web.actions import Find, Present, ShownAction
from mixus.server.web.asked import Answer, asked
from mixus.server.web.forms import Fields, Refused, tried

OPEN: Final = "review_open.html"
CLOSED: Final = "review_closed.html"
MAY_IT: Final = "May the agent do exactly this?"
IS_RIGHT: Final = "Is this right?"
PRACTICE: Final = "Sandbox: nothing will be sent."
OUTSIDE: Final = (
    "Said to be a sandbox: the agent runs outside of this service, which cannot hold it to that. "
    "Decide as if it were real."
)
# What was asked about is shown where nothing took its place.
REFUSED: Final = frozenset({CheckpointStatus.REJECTED, CheckpointStatus.EXPIRED})
ENDS: Final = {
    OnTimeout.EXPIRE: "it expires, and nothing of it is done",
    OnTimeout.REJECT: "it is rejected, and nothing of it is done",
}


@dataclass(frozen=True)
class Asking:
    """Somebody at the page of a checkpoint. `address` is the page's own."""

    services: Services
    tx: Transaction
    now: datetime
    principal: Principal
    address: str


@dataclass(frozen=True)
class Earlier:
    """What was said of another checkpoint of the same execution."""

    checkpoint: Row
    answer: Answer


def decided(asking: Asking, desk: Desk, fields: Fields) -> Row | Refused:
    """Record what the form says, and how long it took. Whoever decides has looked, measured or not."""

    def act() -> Row:
        verdict = deciding.verdict(fields, desk, asking.services.catalog.tools)
        _note_end(asking, desk, deciding.milliseconds(fields))
        execution_id, checkpoint_id = desk.execution["id"], desk.checkpoint["id"]
        return decide(asking.tx, asking.principal, execution_id, checkpoint_id, verdict, asking.now)

    return tried(asking.tx, act)


def note_view(asking: Asking, desk: Desk, attempt: int) -> None:
    """Somebody who may decide opened what can be decided."""
    if desk.is_open(attempt) and review_queries.why_not(asking.principal, desk.execution) is None:
        viewing.note_view(asking.tx, desk.checkpoint["id"], attempt, asking.now)


def _note_end(asking: Asking, desk: Desk, milliseconds: int | None) -> None:
    """Where no script measured, that somebody looked is all that is known."""
    if milliseconds is None:
        note_view(asking, desk, desk.attempt)
    else:
        note_active(asking, desk, desk.attempt, milliseconds)


def note_active(asking: Asking, desk: Desk, attempt: int, milliseconds: int) -> None:
    if review_queries.why_not(asking.principal, desk.execution) is None:
        viewing.note_active(asking.tx, desk.checkpoint["id"], attempt, milliseconds, asking.now)


def template(desk: Desk, attempt: int) -> str:
    return OPEN if desk.is_open(attempt) else CLOSED


def values(asking: Asking, desk: Desk, attempt: int, fields: Fields) -> dict[str, Any]:
    """`fields` is what was typed and not taken."""
    shared = {
        "address": asking.address,
        "execution": desk.execution,
        "checkpoint": desk.checkpoint,
        "attempt": attempt,
        "earlier": _earlier(desk),
        "is_external": is_external(desk.execution),
    }
    of_its_own = _open(asking, desk, fields) if desk.is_open(attempt) else _closed(desk, attempt, fields)
    return shared | of_its_own


def _open(asking: Asking, desk: Desk, fields: Fields) -> dict[str, Any]:
    shown = actions.shown(desk.checkpoint["proposed_actions"], _find(asking, desk.execution))
    return {
        "question": _question(desk.checkpoint),
        "actions": shown,
        "reality": _reality(desk.execution, shown),
        "answers": asked(desk.checkpoint).answers,
        "hints_left": HINT_LIMIT - len(desk.checkpoint["hints"]),
        "what_then": _what_then(desk.execution),
        "why_not": review_queries.why_not(asking.principal, desk.execution),
        "is_uncertain": desk.checkpoint["source"] is Source.UNCERTAIN,
        "edits": deciding.edits_of(desk),
        "fields": fields,
    }


def _closed(desk: Desk, attempt: int, fields: Fields) -> dict[str, Any]:
    row = asked(desk.checkpoint)
    answer = next((each for each in row.answers if each.attempt == attempt), None)
    is_refused = desk.checkpoint["status"] in REFUSED
    shown = desk.checkpoint["proposed_actions" if is_refused else "effective_actions"]
    return {
        "question": _question(desk.checkpoint),
        "answer": answer,
        "edits": row.edits,
        "actions": actions.shown(shown, None) if attempt == desk.attempt else [],
        "is_asked_again": attempt < desk.attempt and desk.is_open(desk.attempt),
        "typed": deciding.typed(fields, desk),
    }


def _question(checkpoint: Row) -> str:
    asked_for = checkpoint["verification_question"]
    return str(asked_for or (MAY_IT if checkpoint["proposed_actions"] else IS_RIGHT))


def _reality(execution: Row, shown: list[ShownAction]) -> str:
    """What an approval does to the world, before anything else is read."""
    if execution["environment"] is Environment.SANDBOX:
        return OUTSIDE if is_external(execution) else PRACTICE
    done = "; ".join(each.seen.does for each in shown)
    return f"LIVE: this {done}." if done else "LIVE: what the agent does after your approval may be real."


def _what_then(execution: Row) -> str:
    if timeouts.escalates(execution):
        return f"{execution['escalate_to']} is asked in your place"
    return ENDS[execution["on_review_timeout"] or OnTimeout.EXPIRE]


def _earlier(desk: Desk) -> list[Earlier]:
    found = [Earlier(row, answer) for row in desk.others for answer in asked(row).answers]
    return sorted(found, key=lambda each: each.answer.at)


def _find(asking: Asking, execution: Row) -> Find | None:
    """Files of an agent outside are not ours to look at."""
    root = asking.services.settings.files
    return None if is_external(execution) else partial(_present, asking.tx, execution, root)


def _present(tx: Transaction, execution: Row, root: Any, path: str) -> Present:
    try:
        return Present(present_files.content(tx, execution, root, path))
    except ToolFailed as failed:
        return Present(problem=str(failed))
