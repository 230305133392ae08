"""A page as it leaves: its template filled in, and the headers that keep it from being misused."""

from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse, RedirectResponse, Response

from mixus.evals import queries
from mixus.evals.lifecycle import REHEARSAL
from mixus.server.web import showing, static
from mixus.server.web.forms import Refused
from mixus.server.web.visits import OpenVisit, Visit

VERSION: Final = version("mixus")
TEMPLATES: Final = Path(__file__).parent / "templates"
# Scripts, styles and pictures are our own files; a page cannot be framed, and tells no other site of itself.
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
# The badge beside "Review" counts no further.
MOST_COUNTED: Final = 99


def page(visit: Visit, template: str, refused: Refused | None = None, **values: Any) -> Response:
    """For somebody who is signed in. `refused` is why a form of his is shown again."""
    shell = {
        "me": visit.principal,
        "csrf": visit.csrf,
        "awaiting": queries.count_awaiting(visit.tx, visit.principal, MOST_COUNTED + 1),
    }
    return _answer(visit, template, refused, shell | values)


def open_page(visit: OpenVisit, template: str, refused: Refused | None = None, **values: Any) -> Response:
    """For anybody."""
    return _answer(visit, template, refused, {"me": None, "csrf": None, "awaiting": 0} | values)


def see_other(path: str) -> Response:
    """After a form was carried out: what is shown next, and what a reload shows again."""
    return RedirectResponse(path, status_code=303, headers={"Cache-Control": "no-store"})


def html(template: str, status: int, values: dict[str, Any]) -> Response:
    return HTMLResponse(environment().get_template(template).render(values), status, HEADERS)


def _answer(
    visit: Visit | OpenVisit, template: str, refused: Refused | None, values: dict[str, Any]
) -> Response:
    settings = visit.services.settings
    shell = {
        "now": visit.now,
        "path": visit.request.url.path,
        "said": showing.said(visit.request.query_params.get("said")),
        "support": settings.support_contact,
        "mixus_version": VERSION,
        "refused": refused,
        "problems": {} if refused is None else refused.problems,
    }
    answer = html(template, 200 if refused is None else refused.status, shell | values)
    answer.headers.update({} if refused is None else refused.headers)
    return answer


@lru_cache(maxsize=1)
def environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters |= showing.FILTERS
    made.globals |= {"asset": static.address, "REHEARSAL": REHEARSAL}
    return made
