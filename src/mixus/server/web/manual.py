"""/docs and /llms.txt: the documentation as pages and as Markdown."""

from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request
from fastapi import Query as QueryOf
from starlette.responses import PlainTextResponse, Response

from mixus.core.database import Transaction
from mixus.server.api.create import base_url
from mixus.server.deps import now, services_of, snapshot
from mixus.server.web import frame, manual_index, manual_text
from mixus.server.web.forms import Fields
from mixus.server.web.manual_files import TYPES, manual
from mixus.server.web.manual_text import Rendered
from mixus.server.web.sign_in import Known
from mixus.server.web.visits import OpenVisit, Visit, csrf_of

SUMMARY: Final = (
    "mixus evaluates AI agents with a human in the loop: it runs an agent's task, stops before an effect, "
    "asks a person, goes on after the decision, and measures what that cost."
)
# A page, a picture or a pattern is another one only after an upgrade.
HEADERS: Final = {"Cache-Control": "public, max-age=300"}

router = APIRouter(include_in_schema=False)


async def reading(
    request: Request,
    principal: Known,
    tx: Annotated[Transaction, Depends(snapshot, scope="function")],
    moment: Annotated[datetime, Depends(now)],
) -> Visit | OpenVisit:
    """Anybody; whoever is signed in keeps the navigation that he has elsewhere."""
    services = services_of(request)
    if principal is None:
        return OpenVisit(request, services, tx, moment, Fields())
    return Visit(request, principal, services, tx, moment, csrf_of(request), Fields())


Reading = Annotated[Visit | OpenVisit, Depends(reading)]


@router.get("/docs")
def show_contents(visit: Reading, q: Annotated[str, QueryOf(max_length=200)] = "") -> Response:
    found = manual_index.search(q)
    return _shown(visit, "manual_index.html", sections=manual_index.sections(), wanted=q, found=found)


@router.get("/docs/{path:path}.{kind}")
def send_file(path: str, kind: str) -> Response:
    file = manual().file(f"{path}.{kind}")
    return Response(file.read_bytes(), headers=HEADERS | {"Content-Type": TYPES[file.suffix]})


@router.get("/docs/{name:path}")
def show_page(visit: Reading, name: str) -> Response:
    page = manual().page(name)
    here, before, after = manual_index.place_of(name)
    values = {"page": page, "text": _rendered(name), "here": here, "before": before, "after": after}
    return _shown(visit, "manual_page.html", sections=manual_index.sections(), **values)


@router.get("/llms.txt")
def list_for_models(request: Request) -> Response:
    return PlainTextResponse("\n".join(_lines(base_url(request))) + "\n", headers=HEADERS)


def _shown(visit: Visit | OpenVisit, template: str, **values: Any) -> Response:
    if isinstance(visit, Visit):
        return frame.page(visit, template, **values)
    return frame.open_page(visit, template, **values)


@lru_cache(maxsize=256)
def _rendered(name: str) -> Rendered:
    folder = PurePosixPath(name).parent.as_posix()
    return manual_text.rendered(manual().page(name).source, folder, manual().address)


def _lines(base: str) -> Iterator[str]:
    """As llmstxt.org has it: a title, a summary, and the pages by section."""
    yield from ("# mixus", "", f"> {SUMMARY}", "", f"Every route, exactly: {base}/openapi.json")
    for section in manual_index.sections():
        yield from ("", f"## {section.title}", "")
        for entry in section.entries:
            note = f": {entry.note}" if entry.note else ""
            yield f"- [{entry.title}]({base}/docs/{entry.name}.md){note}"
