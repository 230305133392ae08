"""What the pages show is what happens: their examples are run, in order, against a real server."""

import os
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from docs.sessions import Session, Step, steps

ROOT = Path(__file__).parents[2]
ALL_PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
PAGES = [page.relative_to(ROOT).as_posix() for page in ALL_PAGES if steps(page.read_text())]
TRIES = 20


def environment() -> dict[str, str]:
    """As on a machine where nothing of ours is set, and where `CI` does not ask for a named model."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("MIXUS_") and not name.endswith("_API_KEY") and name != "CI"
    }
    return kept | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}", "COLUMNS": "80"}


def said_by(session: Session, step: Step, servers: ExitStack) -> str:
    if step.kind == "serve":
        return servers.enter_context(session.serving(step))
    said = session.run(step)
    for _ in range(TRIES):
        if step.kind == "run" or session.fits(step.output, said):
            break
        said = session.run(step)
    return said


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_shows_is_what_happens(page: str, tmp_path: Path) -> None:
    session = Session(tmp_path, environment())
    with ExitStack() as servers:
        for step in steps((ROOT / page).read_text()):
            said = said_by(session, step, servers)
            assert session.fits(step.output, said), f"{page}: {step.text}\nshows\n{step.output}\nsays\n{said}"
    session.forget()


def test_an_output_that_is_another_one_is_seen(tmp_path: Path) -> None:
    session = Session(tmp_path, {})
    one, two = f"exe_{'a' * 22}", f"exe_{'b' * 22}"
    assert session.fits(f"{one} {one} at 2026-01-01T00:00:00Z", f"{two} {two} at 2027-02-02T10:00:00.123Z")
    assert session.fits(f"again {one} …", f"again {two} and more")
    assert not session.fits(one, one)
    assert not session.fits("it is … completed", "it is not failed")


def test_the_pages_that_teach_are_run() -> None:
    assert {"README.md", "docs/tutorial.md"} <= set(PAGES)
