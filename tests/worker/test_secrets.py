"""Nothing that is kept, shown or sent holds a secret of the deployment, whoever said it."""

import json
from dataclasses import dataclass, replace
from typing import Any

import pytest
from pydantic_ai.messages import ModelResponse, ToolCallPart
from sqlalchemy import select
from worker.house import House, line, mail

from mixus.agents.redaction import REDACTED, Redactor
from mixus.evals.lifecycle import Status
from mixus.evals.tables import checkpoints, effects, executions, trace

SECRET = "the password of the mail server"


@pytest.fixture
def guarded(house: House) -> House:
    house.bench = replace(house.bench, redact=Redactor([SECRET]))
    return house


def everything(house: House) -> str:
    with house.database.snapshot() as tx:
        rows = [
            dict(row)
            for table in (executions, checkpoints, effects, trace)
            for row in tx.execute(select(table)).mappings()
        ]
    return json.dumps(rows, default=str)


def test_a_secret_that_a_model_says_is_neither_proposed_nor_sent(guarded: House) -> None:
    execution = guarded.create([line(f"it is {SECRET}")], f"I sent {SECRET}.")
    guarded.run(execution)
    assert guarded.awaiting(execution)["proposed_actions"][0]["arguments"] == {"text": f"it is {REDACTED}"}
    row = guarded.approve(execution)
    assert (row["status"], row["result"]) == (Status.COMPLETED, f"I sent {REDACTED}.")
    assert guarded.outside.lines == [f"it is {REDACTED}"]
    assert SECRET not in everything(guarded)


def test_a_secret_that_a_tool_tells_never_reaches_the_model(guarded: House) -> None:
    guarded.outside.answer = f"login with {SECRET}"
    execution = guarded.create([line("a")], "done", auto_detect=False)
    guarded.run(execution)
    assert SECRET not in everything(guarded)
    assert guarded.effects(execution)[0]["result"] == f"login with {REDACTED}"


@dataclass
class Login:
    password: str


@pytest.mark.parametrize("answer", [(SECRET, [SECRET]), {"a": (SECRET,)}, Login(SECRET), [Login(SECRET)]])
def test_a_secret_is_found_in_whatever_a_tool_answers(guarded: House, answer: Any) -> None:
    guarded.outside.answer = answer
    execution = guarded.create([line("a")], "done", auto_detect=False)
    guarded.run(execution)
    assert SECRET not in everything(guarded)
    assert REDACTED in json.dumps(guarded.effects(execution)[0]["result"])


def test_a_secret_in_a_failure_is_not_told(guarded: House) -> None:
    def fault(_text: str) -> None:
        raise RuntimeError(f"refused: {SECRET}")

    guarded.outside.fault = fault
    execution = guarded.create([line("a")], "done", auto_detect=False)
    guarded.run(execution)
    assert SECRET not in everything(guarded)


def test_a_secret_in_a_mail_that_is_recorded_is_not_kept(guarded: House) -> None:
    execution = guarded.create([mail(body=SECRET)], "done")
    guarded.run(execution)
    guarded.approve(execution)
    assert guarded.mails(execution)[0]["body"] == REDACTED
    assert SECRET not in everything(guarded)


def test_a_secret_that_a_model_escapes_is_neither_proposed_nor_sent(house: House) -> None:
    secret = 'pa"ss\\wörd'
    house.bench = replace(house.bench, redact=Redactor([secret]))
    call = ToolCallPart("write_line", json.dumps({"text": f"it is {secret}"}), "one")
    execution = house.create(ModelResponse(parts=[call]), "done")
    house.run(execution)
    assert house.awaiting(execution)["proposed_actions"][0]["arguments"] == {"text": f"it is {REDACTED}"}
    assert json.loads(house.journal(execution)[-2]["message"]["parts"][0]["args"]) == {
        "text": f"it is {REDACTED}"
    }
