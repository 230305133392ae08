"""Metrics over many executions: counted by the database, and timed exactly."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, Select, case, cast, func, select, true, type_coerce

from mixus.accounts.principal import Principal, Scope
from mixus.core.clock import to_ms
from mixus.core.database import Transaction
from mixus.core.errors import Invalid
from mixus.evals import access, human
from mixus.evals.human import GROUP, Group, Human, Milliseconds, by_group, milliseconds
from mixus.evals.lifecycle import REHEARSAL, Status, TestMode
from mixus.evals.tables import executions

DEFAULT_RANGE: Final = timedelta(days=30)
LONGEST_RANGE: Final = timedelta(days=366)
EARLIEST: Final = datetime.min.replace(tzinfo=UTC)

_queued, _agent, _waiting = executions.c.queued_ms, executions.c.agent_ms, executions.c.waiting_ms
TIMES: Final[Mapping[str, ColumnElement[int]]] = {
    "duration_ms": _queued + _agent + _waiting,
    "agent_ms": _agent,
    "queued_ms": _queued,
    "waiting_ms": _waiting,
}


@dataclass(frozen=True)
class Selection:
    """Which executions count: those created in the range, and of these what the rest says; None is any."""

    created_from: datetime
    created_to: datetime
    test_mode: TestMode | None = None
    model: str | None = None
    template: str | None = None
    include_rehearsal: bool = False


@dataclass
class Measured:
    """A group of executions: what adds up, and the times of the finished ones, eight bytes each."""

    counts: defaultdict[str, Any] = field(default_factory=lambda: defaultdict(int))
    times: Mapping[str, Milliseconds] = field(
        default_factory=lambda: {name: milliseconds() for name in TIMES}
    )
    human: Human = field(default_factory=Human)

    def add(self, other: "Measured") -> None:
        for name, count in other.counts.items():
            self.counts[name] += count
        for name, values in other.times.items():
            self.times[name].extend(values)
        self.human.add(other.human)


def range_of(
    created_from: datetime | None, created_to: datetime | None, now: datetime
) -> tuple[datetime, datetime]:
    """The range that is meant: what is not said ends now, or begins thirty days before the end."""
    end = created_to or now
    start = created_from or end - min(DEFAULT_RANGE, end - EARLIEST)
    if start >= end:
        raise Invalid("The range has no time in it; `from` must be before `to`.", field="from")
    if end - start > LONGEST_RANGE:
        raise Invalid(f"The range is longer than {LONGEST_RANGE.days} days; ask for less.", field="from")
    return start, end


def measure(
    tx: Transaction, principal: Principal, selection: Selection, now: datetime
) -> dict[Group, Measured]:
    """What the caller may see, by test mode and model."""
    principal.require(Scope.READ)
    chosen = _chosen(principal, selection)
    found: defaultdict[Group, Measured] = defaultdict(Measured)
    for group, counts in by_group(tx, _counts(chosen, now)):
        found[group].counts.update(zip(counts._fields[len(GROUP) :], counts[len(GROUP) :], strict=True))
    # In order here and not in SQL: SQLite has no percentiles, and one rule holds for both stores.
    for group, times in by_group(tx, _times(chosen)):
        for values, time_ms in zip(found[group].times.values(), times[len(GROUP) :], strict=True):
            values.append(time_ms)
    for group, asked in by_group(tx, human.asked(chosen)):
        found[group].human.count(asked)
    return dict(sorted(found.items()))


def together(groups: Iterable[Measured]) -> Measured:
    everything = Measured()
    for group in groups:
        everything.add(group)
    return everything


def _chosen(principal: Principal, selection: Selection) -> list[ColumnElement[bool]]:
    conditions = [
        access.visible_to(principal),
        executions.c.created_at >= selection.created_from,
        executions.c.created_at < selection.created_to,
    ]
    wanted = {
        executions.c.test_mode: selection.test_mode,
        executions.c.model: selection.model,
        executions.c.template: selection.template,
    }
    conditions += [column == value for column, value in wanted.items() if value is not None]
    # Whoever names it has asked for it.
    if not selection.include_rehearsal and selection.model != REHEARSAL:
        conditions.append(executions.c.model != REHEARSAL)
    return conditions


def _counts(chosen: Sequence[ColumnElement[bool]], now: datetime) -> Select[Any]:
    tokens = executions.c.input_tokens + executions.c.output_tokens
    has_tokens = tokens.is_not(None)
    return (
        select(
            *GROUP,
            func.count().label("executions"),
            *(func.count().filter(executions.c.status == status).label(status.value) for status in Status),
            func.count(executions.c.passed).label("scored"),
            func.count().filter(executions.c.passed.is_(True)).label("passed"),
            # Of those alone of which both are known, so that the two sums are of the same executions.
            func.count(tokens).label("tokens_known"),
            _sum(executions.c.input_tokens, has_tokens).label("input_tokens"),
            _sum(executions.c.output_tokens, has_tokens).label("output_tokens"),
            func.count(executions.c.cost_usd).label("cost_known"),
            func.coalesce(func.sum(executions.c.cost_usd), 0.0).label("cost_usd"),
            _sum(_waited(now), true()).label("waited_ms"),
        )
        .where(*chosen)
        .group_by(*GROUP)
    )


def _times(chosen: Sequence[ColumnElement[bool]]) -> Select[Any]:
    times = [value.label(name) for name, value in TIMES.items()]
    return select(*GROUP, *times).where(*chosen, executions.c.finished_at.is_not(None))


def _sum(value: ColumnElement[int], condition: ColumnElement[bool]) -> ColumnElement[int]:
    """Postgres adds whole numbers up to one of a kind that JSON does not have."""
    return cast(func.coalesce(func.sum(value).filter(condition), 0), BigInteger)


def _waited(now: datetime) -> ColumnElement[int]:
    """For people, up to now; the clock of another process may be ahead of ours."""
    since = type_coerce(executions.c.since, BigInteger)
    is_open = (executions.c.status == Status.AWAITING) & (since < to_ms(now))
    return _waiting + case((is_open, to_ms(now) - since), else_=0)
