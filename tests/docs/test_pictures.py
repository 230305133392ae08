"""The documentation shows pages as they are drawn by `make screenshots`, and no picture that nobody draws."""

import re
from collections.abc import Iterator
from pathlib import Path

from browser.screenshots import IMAGES, PICTURES

ROOT = Path(__file__).parents[2]
PICTURE = re.compile(r"!\[([^\]]*)\]\(([^)]+)\)")
MOST_BYTES = 150_000


def shown() -> Iterator[tuple[Path, str, Path]]:
    """Where, with which words, and the file."""
    for page in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md")):
        for words, target in PICTURE.findall(page.read_text()):
            yield page, words, (page.parent / target).resolve()


def test_every_picture_is_there_and_says_what_it_shows() -> None:
    found = list(shown())
    assert found
    for page, words, file in found:
        assert file.is_file(), f"{page} shows {file}"
        assert len(words) > 20, f"{page} does not say what {file.name} shows"


def test_every_picture_is_drawn_anew_by_one_command() -> None:
    assert {file.stem for file in IMAGES.glob("*.png")} == set(PICTURES)


def test_no_picture_is_heavy() -> None:
    assert [file.name for file in IMAGES.glob("*.png") if file.stat().st_size > MOST_BYTES] == []
