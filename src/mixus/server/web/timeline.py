"""The trace as a person reads it: each entry a sentence, with what was said, what it took, and its data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson

from mixus.core import clock
from mixus.core.database import Row
from mixus.core.text import shortened
from mixus.server.web import showing
from mixus.server.web.tellers import TELLERS, Told

# What the list shows of an entry; the entry's own page has all of it.
LONGEST_SENTENCE: Final = 200
LONGEST_QUOTE: Final = 200
LONGEST_DATA: Final = 260


@dataclass(frozen=True)
class Line:
    """`facts` are what it took, in words."""

    number: int
    at: datetime
    kind: str
    told: Told
    facts: Sequence[str]
    data: Mapping[str, Any]

    @property
    def exact(self) -> str:
        return clock.shown(self.at)

    @property
    def sentence(self) -> str:
        return shortened(self.told.sentence, LONGEST_SENTENCE)

    @property
    def quote(self) -> str:
        return shortened(self.told.quote.strip(), LONGEST_QUOTE)

    @property
    def excerpt(self) -> str:
        """The members, a line each. Only the entry's own page has them as JSON."""
        return shortened(_spelled(self.data), LONGEST_DATA)

    @property
    def is_cut(self) -> bool:
        return len(_spelled(self.data)) > LONGEST_DATA or len(self.told.quote.strip()) > LONGEST_QUOTE


def line(entry: Row) -> Line:
    data: Mapping[str, Any] = entry["data"]
    return Line(
        entry["number"],
        entry["at"],
        entry["kind"],
        _told(entry["kind"], data),
        _facts(data),
        data,
    )


def _spelled(data: Mapping[str, Any]) -> str:
    return "\n".join(f"{name}: {_value(value)}" for name, value in data.items() if value is not None)


def _value(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _told(kind: str, data: Mapping[str, Any]) -> Told:
    """A kind that this release does not know shows by its name and its data."""
    teller = TELLERS.get(kind)
    return Told("list", kind) if teller is None else teller(data)


def _facts(data: Mapping[str, Any]) -> list[str]:
    used = data.get("modelCall")
    spent = {**data, **used} if isinstance(used, dict) else data
    facts = [] if data.get("durationMs") is None else [showing.duration(data["durationMs"])]
    tokens = _first(spent, "inputTokens", "input_tokens"), _first(spent, "outputTokens", "output_tokens")
    if any(count is not None for count in tokens):
        facts.append(f"{showing.number(tokens[0])} tokens in, {showing.number(tokens[1])} out")
    cost = _first(spent, "costUsd", "cost_usd")
    return facts if cost is None else [*facts, showing.money(cost)]


def _first(data: Mapping[str, Any], *names: str) -> Any:
    return next((data[name] for name in names if data.get(name) is not None), None)
