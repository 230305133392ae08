"""The filters of the list as they stand in its address: each is read by itself, and a wrong one is said."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from starlette.datastructures import QueryParams

from mixus.core.errors import Invalid
from mixus.core.members import member_text
from mixus.core.pages import place_of
from mixus.evals.lifecycle import Status, TestMode
from mixus.evals.queries import Filters
from mixus.evals.tables import executions
from mixus.server.wire import refuse_unkeepable

PATH: Final = "/eval"
LONGEST: Final = 200
LABELS: Final[Mapping[str, str]] = {
    "q": "Text",
    "status": "Status",
    "mode": "Mode",
    "model": "Model",
    "metadata": "Metadata",
    "from": "First day",
    "to": "Last day",
}


@dataclass(frozen=True)
class Asked:
    """`given` is what was typed, `problems` has a sentence for each of it that was left out."""

    filters: Filters
    cursor: str | None
    given: Mapping[str, str]
    problems: Mapping[str, str]

    @property
    def active(self) -> dict[str, str]:
        return {name: text for name, text in self.given.items() if name not in self.problems}

    def address(self, **changed: str | None) -> str:
        """Of the same list with these filters changed, from its first page; None takes one away."""
        kept = {name: text for name, text in (self.active | changed).items() if text}
        return f"{PATH}?{urlencode(kept)}" if kept else PATH


def asked(query: QueryParams) -> Asked:
    given = {name: query[name] for name in LABELS if query.get(name)}
    values: dict[str, Any] = {}
    problems: dict[str, str] = {}
    for name, text in given.items():
        _keep(values, problems, name, text, READERS[name])
    cursor = query.get("cursor") or None
    if cursor is not None:
        _keep(values, problems, "cursor", cursor, _cursor)
    if values.get("from") and values.get("to") and values["from"] >= values["to"]:
        problems["to"] = "The last day is before the first."
    filters = Filters(
        status=values.get("status"),
        test_mode=values.get("mode"),
        text=values.get("q"),
        created_from=values.get("from"),
        created_to=None if "to" in problems else values.get("to"),
        model=values.get("model"),
        metadata=values.get("metadata"),
    )
    return Asked(filters, values.get("cursor"), given, problems)


def _keep(
    values: dict[str, Any],
    problems: dict[str, str],
    name: str,
    text: str,
    reader: Callable[[str], Any],
) -> None:
    try:
        refuse_unkeepable(text, name)
        values[name] = reader(text)
    except Invalid as refused:
        problems[name] = refused.detail


def _text(text: str) -> str:
    if len(text) > LONGEST:
        raise Invalid(f"Give at most {LONGEST} characters.", field="q")
    return text


def _status(text: str) -> Status:
    if text not in set(Status):
        raise Invalid(f"There is no such status; there are {', '.join(Status)}.", field="status")
    return Status(text)


def _mode(text: str) -> TestMode:
    if text not in set(TestMode):
        raise Invalid(f"There is no such mode; there are {', '.join(TestMode)}.", field="mode")
    return TestMode(text)


def _metadata(text: str) -> tuple[str, str]:
    """`suite=nightly`; the value may hold another equals sign."""
    name, equals, value = _text(text).partition("=")
    if not equals:
        raise Invalid("Give a name and a value, such as suite=nightly.", field="metadata")
    member_text(executions.c.metadata, name.strip())
    return name.strip(), value.strip()


def _first_day(text: str) -> datetime:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise Invalid("Give a day such as 2026-11-23.", field="from") from None
    return datetime.combine(day, time(), UTC)


def _last_day(text: str) -> datetime:
    """The moment in which it ends, because the day itself is meant as well."""
    try:
        return _first_day(text) + timedelta(days=1)
    except OverflowError:
        raise Invalid("Give an earlier day.", field="to") from None


def _cursor(text: str) -> str:
    place_of(text)
    return text


READERS: Final[Mapping[str, Callable[[str], Any]]] = {
    "q": _text,
    "status": _status,
    "mode": _mode,
    "model": _text,
    "metadata": _metadata,
    "from": _first_day,
    "to": _last_day,
}
