"""What the pages show is what happens: their examples are run, in order, against a real server."""

import os
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from docs import sessions
from docs.sessions import Session, Step

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    page.relative_to(ROOT).as_posix()
    for page in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md"))
    if sessions.steps(page.read_text())
)
TRIES = 20


def environment() -> dict[str, str]:
    """As on a machine where nothing of ours is set; a pipeline would have to name its model."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("MIXUS_") and not name.endswith("_API_KEY") and name != "CI"
    }
    return kept | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"}


def shown(session: Session, step: Step, server: ExitStack) -> str:
    lines = len((step.output or "").splitlines())
    if step.kind == "serve":
        return server.enter_context(session.serving(step.text, lines))
    said = session.run(step.language, step.text)
    for _ in range(TRIES if step.kind == "ask again" else 0):
        if session.fits(step.output or "", said):
            break
        said = session.run(step.language, step.text)
    return said


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_shows_is_what_happens(page: str, tmp_path: Path) -> None:
    session = Session(tmp_path, environment())
    with ExitStack() as server:
        for step in sessions.steps((ROOT / page).read_text()):
            said = shown(session, step, server)
            assert step.output is None or session.fits(step.output, said), (
                f"{page} shows\n\n{step.text}\n{step.output}\nand it says\n\n{said}"
            )


def test_an_output_that_is_another_one_is_seen(tmp_path: Path) -> None:
    session = Session(tmp_path, {})
    one, two = f"exe_{'a' * 22}", f"exe_{'b' * 22}"
    assert session.fits(f"{one} {one} at 2026-01-01T00:00:00Z", f"{two} {two} at 2027-02-02T10:00:00.123Z")
    assert session.fits(f"again {one} …", f"again {two} and more")
    assert not session.fits(one, one)
    assert not session.fits("completed", "failed")


def test_the_pages_that_teach_are_run() -> None:
    assert {"README.md", "docs/tutorial.md"} <= set(PAGES)
