"""An edit is taken to the letter, and nothing that a reviewer's form holds is passed over."""

from typing import Any

import pytest
from api.factories import Team
from web.waiting import Desks, action
from web.windows import House

from mixus.core.database import Database
from mixus.evals.lifecycle import CheckpointStatus
from mixus.server.web.asked import asked


@pytest.fixture
def desks(house: House, team: Team, database: Database) -> Desks:
    return Desks(house, team, database)


# Python takes each of these pairs for the same.
TWINS = [(1, "true"), (True, "1"), (1.0, "1"), ([1], "[true]"), ({"a": 1}, '{"a": true}')]


@pytest.mark.parametrize(("given", "typed"), TWINS)
def test_an_edit_that_python_takes_for_none_is_one(desks: Desks, given: Any, typed: str) -> None:
    waiting = desks.waiting([action("x_run", "other", value=given)])
    answer = desks.bob.submit(waiting.at(), waiting.path, "approve", **{"edit-0-0": typed})
    assert answer.status_code == 422
    assert "You edited arguments" in answer.text
    assert waiting.row()["status"] is CheckpointStatus.AWAITING


def test_an_edit_that_python_takes_for_none_is_shown_as_one(desks: Desks) -> None:
    waiting = desks.waiting([action("x_run", "other", value=1)])
    desks.bob.submit(waiting.at(), waiting.path, "approve")
    waiting.change(effective_actions=[action("x_run", "other", value=True)])
    [edit] = asked(waiting.row()).edits
    assert (edit.before, edit.after) == ("1", "true")


@pytest.mark.parametrize(
    "extra",
    [
        {"edit-9-9": "x"},
        {"edit-0-0": ["cy@example.org", "eve@example.org"]},
        {"editedActions": "[]"},
        {"comment": ["Fine", "Not fine"]},
    ],
)
def test_a_field_that_the_page_has_not_or_has_once_decides_nothing(
    desks: Desks, extra: dict[str, Any]
) -> None:
    waiting = desks.waiting()
    fields = desks.bob.form(waiting.at(), waiting.path).fields
    answer = desks.bob.post(waiting.path, {**fields, "action": "approve", **extra})
    assert answer.status_code == 422
    assert waiting.row()["status"] is CheckpointStatus.AWAITING
