"""/admin/limits: how much anybody may do, and which variable says so."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from annotated_types import Ge, Gt, Le
from fastapi import APIRouter
from pydantic.fields import FieldInfo
from starlette.responses import Response

from mixus.accounts import attempts, links, passwords, sessions
from mixus.accounts.tables import Purpose
from mixus.core import idempotency
from mixus.core.settings import Settings
from mixus.evals import lifecycle, timeouts
from mixus.server import wire
from mixus.server.web import frame
from mixus.server.web.showing import span
from mixus.server.web.visits import Seeing

# A limit that is no number.
WORDED: Final = frozenset({"endless_keys"})

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True)
class Limit:
    variable: str
    meaning: str
    value: Any
    default: Any
    lowest: Any
    highest: Any
    # Whether it must be more than the lowest.
    is_above: bool


@router.get("/admin/limits")
def show_limits(visit: Seeing) -> Response:
    return frame.page(
        visit, "admin_limits.html", limits=limits_of(visit.services.settings), fixed=fixed_limits()
    )


def limits_of(settings: Settings) -> Sequence[Limit]:
    """Every setting that is a number, in the order of the settings."""
    return [
        _limit(name, field, getattr(settings, name))
        for name, field in Settings.model_fields.items()
        if field.annotation in {int, float} or name in WORDED
    ]


def fixed_limits() -> Sequence[tuple[str, str]]:
    """What a version has and no setting changes."""
    pair = attempts.PER_PAIR
    return [
        ("Body of a request", f"{wire.LONGEST_BODY // 1024**2} MiB"),
        ("Hints at one checkpoint", str(lifecycle.HINT_LIMIT)),
        ("Longest time for a reviewer", span(timedelta(milliseconds=timeouts.LONGEST_MS))),
        ("Characters of a password", f"{passwords.SHORTEST} to {passwords.LONGEST}"),
        (
            "Wrong passwords from one network at one address",
            f"{pair.limit} in {span(timedelta(seconds=pair.window_seconds))}",
        ),
        ("Life of a session", span(sessions.LIFETIME)),
        ("Life of an invitation and of a password link", span(links.LIFETIMES[Purpose.INVITATION])),
        ("Memory for an Idempotency-Key", span(idempotency.KEPT)),
    ]


def _limit(name: str, field: FieldInfo, value: Any) -> Limit:
    bounds = {type(bound): bound for bound in field.metadata}
    lowest = bounds[Ge].ge if Ge in bounds else bounds[Gt].gt if Gt in bounds else None
    highest = bounds[Le].le if Le in bounds else None
    variable, meaning = f"MIXUS_{name.upper()}", field.description or ""
    return Limit(variable, meaning, value, field.default, lowest, highest, is_above=Gt in bounds)
