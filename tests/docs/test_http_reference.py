"""The pages about the API name every route, field, event and refusal that there is."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from factories import PEPPER

from mixus.agents.catalog import Catalog
from mixus.core.database import Database
from mixus.core.settings import Settings
from mixus.server.app import create_app

ROOT: Final = Path(__file__).parents[2]
DOCS: Final = ROOT / "docs"
PAGES: Final = "\n".join(page.read_text() for page in sorted((DOCS / "reference").glob("api*.md")))
SUBJECTS: Final = "account|checkpoint|execution|key|link|session"
# Templates of pages are named after what they show, too.
KIND: Final = re.compile(rf'"((?:{SUBJECTS})\.(?!html")[a-z-]+)"')


@pytest.fixture(scope="module")
def reference() -> dict[str, Any]:
    return create_app(Settings(), Database("sqlite:///nowhere"), PEPPER, Catalog("rehearsal")).openapi()


def test_every_route_is_in_the_reference(reference: dict[str, Any]) -> None:
    routes = [f"{method.upper()} {path}" for path, item in reference["paths"].items() for method in item]
    assert "POST /api/keys/{keyId}/rotate" in routes
    assert [route for route in routes if f"`{route}" not in PAGES] == []


def test_every_route_of_the_reference_is_there(reference: dict[str, Any]) -> None:
    named = set(re.findall(r"`(GET|POST|PATCH|DELETE) (/[\w/{}.-]+)`", PAGES))
    paths = reference["paths"] | {"/openapi.json": {"get": {}}}
    assert sorted(path for method, path in named if method.lower() not in paths.get(path, {})) == []


def fields(reference: dict[str, Any]) -> Iterator[str]:
    for schema in reference["components"]["schemas"].values():
        yield from schema.get("properties", {})
    for item in reference["paths"].values():
        for operation in item.values():
            yield from (parameter["name"] for parameter in operation.get("parameters", ()))


def test_every_field_and_parameter_is_in_the_reference(reference: dict[str, Any]) -> None:
    missing = {name for name in fields(reference) if re.search(rf"\b{name}\b", PAGES) is None}
    assert sorted(missing) == []


def test_every_kind_of_event_is_on_its_page_and_no_other() -> None:
    source = "\n".join(file.read_text() for file in (ROOT / "src").rglob("*.py"))
    page = (DOCS / "how-to" / "read-the-audit.md").read_text().partition("## Kinds")[2]
    documented = set(re.findall(rf"`((?:{SUBJECTS})\.[a-z-]+)`", page))
    assert sorted(set(KIND.findall(source)) ^ documented) == []


def test_every_401_and_403_has_a_section_in_troubleshooting() -> None:
    errors = (DOCS / "reference" / "errors.md").read_text()
    codes = set(re.findall(r"^\| (?:401|403) \| `([a-z-]+)` \|", errors, re.MULTILINE))
    assert {"key-expired", "insufficient-scope", "csrf"} <= codes
    titles = re.findall(r"^### (.+)$", (DOCS / "troubleshooting.md").read_text(), re.MULTILINE)
    sections = {code for title in titles for code in title.split(", ")}
    assert sorted(codes - sections) == []
