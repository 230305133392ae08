"""/admin/models: which models tasks may name, who they are asked of, and what is known of their prices."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from fastapi import APIRouter
from starlette.responses import Response

from mixus.agents import provider_states
from mixus.agents.catalog import OFFLINE, Catalog, is_pattern
from mixus.core.errors import Invalid
from mixus.server.web import frame
from mixus.server.web.visits import Seeing

router = APIRouter(include_in_schema=False)


class Priced(StrEnum):
    NOTHING = "costs nothing"
    OWN = "own price"
    KNOWN = "known"
    UNKNOWN = "not known"


@dataclass(frozen=True)
class NamedModel:
    """`problem` says why it cannot be used; None where it can."""

    name: str
    uses: Sequence[str]
    problem: str | None
    priced: Priced


@router.get("/admin/models")
def show_models(visit: Seeing) -> Response:
    catalog = visit.services.catalog
    return frame.page(
        visit,
        "admin_models.html",
        catalog=catalog,
        allowed=None if catalog.rules.allowed is None else sorted(catalog.rules.allowed),
        models=named_models(catalog),
        providers=provider_states.providers_of(catalog),
        prices=sorted(catalog.rules.prices.own.items()),
    )


def named_models(catalog: Catalog) -> Sequence[NamedModel]:
    """Those that a setting names in full; a pattern fits any number of others."""
    uses: dict[str, list[str]] = {catalog.default_model: ["default"]}
    if catalog.rules.judge is not None:
        uses.setdefault(catalog.rules.judge, []).append("judge")
    for name in sorted(catalog.rules.allowed or ()):
        if not is_pattern(name):
            uses.setdefault(name, []).append("allowed")
    return [_named(catalog, name, words) for name, words in uses.items()]


def _named(catalog: Catalog, name: str, uses: Sequence[str]) -> NamedModel:
    if name in OFFLINE:
        return NamedModel(name, uses, None, Priced.NOTHING)
    if name in catalog.rules.prices.own:
        return NamedModel(name, uses, _problem(catalog, name), Priced.OWN)
    problem = _problem(catalog, name)
    is_known = problem is None and catalog.rules.prices.knows(name, catalog.clients.model(name))
    return NamedModel(name, uses, problem, Priced.KNOWN if is_known else Priced.UNKNOWN)


def _problem(catalog: Catalog, name: str) -> str | None:
    try:
        catalog.require_allowed(name)
        catalog.clients.model(name)
    except Invalid as refused:
        return refused.detail
    return None
