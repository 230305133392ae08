"""The page about templates is what they are."""

import re
from pathlib import Path
from typing import Final

import pytest

from mixus.agents.templates.catalogue import TEMPLATES, task

PAGE: Final = (Path(__file__).parents[2] / "docs" / "reference" / "templates.md").read_text()
SECTIONS: Final = dict(re.findall(r"^### `([a-z-]+)`\n(.*?)(?=^### |\Z)", PAGE, re.MULTILINE | re.DOTALL))


def test_every_template_is_on_the_page_and_no_other() -> None:
    assert list(SECTIONS) == list(TEMPLATES)


@pytest.mark.parametrize("name", list(TEMPLATES))
def test_the_page_says_of_a_template_what_it_says_itself(name: str) -> None:
    template, section = TEMPLATES[name], SECTIONS[name]
    made = task(name, {}, "rehearsal")
    assert made.expected_outcome is not None
    whole = "whole" if template.rehearsal.whole else "not whole"
    assert template.description in section
    assert f"Checkpoints: {', '.join(each.stage for each in made.checkpoints)}." in section
    assert f"the answer is {made.expected_outcome['value']:,}." in section
    assert f"Rehearsal: {whole}. {template.rehearsal.note}" in section
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| (.+) \|$", section, re.MULTILINE)
    assert [(row[0], row[1]) for row in rows] == [
        (each.name, str(each.default)) for each in template.parameters
    ]
    assert all(
        row[2].startswith(each.description) for row, each in zip(rows, template.parameters, strict=True)
    )
