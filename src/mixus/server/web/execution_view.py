"""What the page of an execution is made of, worked out of its rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from starlette.responses import Response

from mixus.agents.catalog import OFFLINE
from mixus.core.clock import to_ms
from mixus.core.database import Row
from mixus.evals import external_rules, record, service, timeouts
from mixus.evals.lifecycle import FINAL, Failure, Source, TestMode
from mixus.evals.record import Record
from mixus.server.api import documents
from mixus.server.web import frame, live, timeline
from mixus.server.web.asked import Asked, asked
from mixus.server.web.forms import Refused
from mixus.server.web.once import word
from mixus.server.web.timeline import Line
from mixus.server.web.visits import Visit

# So many entries are on one page.
ENTRIES: Final = 20
# What the page shows at once of each; the page of the whole has all.
MOST_CHECKPOINTS: Final = 4
MOST_STEPS: Final = 8
FULL_WIDTH: Final = 1000

WHY: Final[Mapping[Source, str]] = {
    Source.MANUAL: "asked for by the task",
    Source.AUTO: "found before an effect",
    Source.RESULT: "on the final answer",
    Source.UNCERTAIN: "it is not known whether this happened",
}
# What to do after each way to fail.
REMEDIES: Final[Mapping[str, str]] = {
    Failure.STEP_LIMIT: "Raise maxSteps, or make the task smaller.",
    Failure.COST_LIMIT: "Raise maxCostUsd, or use a model with a known price.",
    Failure.TOKEN_LIMIT: "Raise maxTokens, or make the task smaller.",
    Failure.TIME_LIMIT: "Raise timeoutMs; waiting for a person does not count.",
    Failure.PROVIDER_ERROR: "The message says what the provider answered. Retry when that is mended.",
    Failure.TOOL_ERROR: "Use another model, or say the task more clearly.",
    Failure.PLAN_REFUSED: "Use another model, or say the task more clearly.",
    Failure.EFFECT_UNCERTAIN: "Look whether it happened before you retry.",
    Failure.BEYOND_REHEARSAL: "The rehearsal follows rules and understands few words. Use a model.",
    Failure.STATE_UNREADABLE: "Retry it, and report this.",
    Failure.AGENT_ERROR: "The message is the word of the agent. Look at its log.",
}


@dataclass(frozen=True)
class Share:
    """A part of the time: where it begins in the bar, how wide it is, and how long it was."""

    name: str
    words: str
    start: int
    width: int
    milliseconds: int


def show(visit: Visit, found: Record, after: int | None = None, refused: Refused | None = None) -> Response:
    """The page; with what was refused on top of it."""
    execution = found.execution
    start = max(execution["trace_count"] - ENTRIES, 0) if after is None else after
    lines = [timeline.line(entry) for entry in record.entries(visit.tx, found, start, ENTRIES)]
    return frame.page(
        visit,
        "execution.html",
        refused,
        **values(visit, found),
        stream=live.of_one(execution),
        lines=lines,
        pages=pages(start, execution["trace_count"]),
        latest=latest(lines, execution),
        once=word(visit.now),
    )


def values(visit: Visit, found: Record) -> dict[str, Any]:
    """What the page and its whole have in common."""
    execution = found.execution
    metrics = documents.metrics(documents.plain(execution), to_ms(visit.now))
    said = human(found)
    every = [asked(row) for row in found.checkpoints]
    return {
        "found": found,
        "execution": execution,
        "metrics": metrics,
        "human": said,
        "notice": documents.notice(execution, said["requested"]),
        "shares": shares(metrics),
        "asked": every,
        "asked_at_once": asked_at_once(every),
        "awaiting_now": next((each for each in every if each.is_awaiting), None),
        "may_decide": record.may_decide(found, visit.principal),
        "may_change": record.may_change(found, visit.principal),
        "may_retry": may_retry(visit, found),
        "is_final": execution["status"] in FINAL,
        "is_external": external_rules.is_external(execution),
        "escalates": timeouts.escalates(execution),
        "done_steps": done_steps(found),
        "timeout": review_timeout(execution),
        "most_checkpoints": MOST_CHECKPOINTS,
        "most_steps": MOST_STEPS,
        "why": WHY,
        "remedies": REMEDIES,
    }


def human(found: Record) -> dict[str, Any]:
    """In the baseline nobody was asked: its checkpoints record where somebody would have been."""
    is_verified = found.execution["test_mode"] is TestMode.WITH_VERIFICATION
    rows = found.checkpoints if is_verified else []
    return documents.human_verification([documents.plain(row) for row in rows])


def may_retry(visit: Visit, found: Record) -> bool:
    is_free = service.why_no_retry(visit.principal, found.execution) is None
    return is_free and record.may_change(found, visit.principal)


def shares(metrics: Mapping[str, Any]) -> list[Share]:
    parts = (
        ("queued", "queued", metrics["queuedMs"]),
        ("agent", "agent at work", metrics["agentMs"]),
        ("human", "waiting for a human", metrics["waitingMs"]),
    )
    made: list[Share] = []
    passed = 0
    for name, words, milliseconds in parts:
        start, end = (_place(at, metrics["durationMs"]) for at in (passed, passed + milliseconds))
        made.append(Share(name, words, start, end - start, milliseconds))
        passed += milliseconds
    return made


def _place(at: int, whole: int) -> int:
    return FULL_WIDTH * at // whole if whole else 0


def pages(start: int, count: int) -> dict[str, int | None]:
    """What is before and behind the entries that are shown; None where nothing is."""
    following = start + ENTRIES
    return {
        "count": count,
        "earlier": max(start - ENTRIES, 0) if start else None,
        "later": following if following < count else None,
    }


def latest(lines: Sequence[Line], execution: Row) -> Line | None:
    """The last thing that happened, where the page shows it."""
    is_shown = bool(lines) and lines[-1].number >= execution["trace_count"]
    return lines[-1] if is_shown else None


def done_steps(found: Record) -> int | None:
    """How many steps of the plan are behind it; None where that cannot be said.

    A plan that is known beforehand is a list of calls. A model's own is not, and after a hint calls are
    made again.
    """
    execution = found.execution
    has_hints = any(row["hints"] for row in found.checkpoints)
    if execution["model"] not in OFFLINE or has_hints:
        return None
    calls: int = execution["tool_calls"]
    return min(calls, len(execution["plan"]))


def review_timeout(execution: Row) -> timedelta | None:
    timeout_ms = execution["review_timeout_ms"]
    return None if timeout_ms is None else timedelta(milliseconds=timeout_ms)


def asked_at_once(every: Sequence[Asked]) -> Sequence[Asked]:
    """Those that say most: what awaits, then what was answered last; in their order."""
    busy = [each for each in every if each.is_awaiting or each.answers]
    chosen = {id(each) for each in [*busy[-MOST_CHECKPOINTS:], *every][:MOST_CHECKPOINTS]}
    return [each for each in every if id(each) in chosen]
