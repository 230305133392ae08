"""The model derives each answer from the messages, and never sends a mail twice."""

from dataclasses import replace
from typing import Literal

import pytest
from pydantic_ai.direct import model_request
from pydantic_ai.messages import (
    ModelMessage,
    ModelMessagesTypeAdapter,
    ModelRequest,
    SystemPromptPart,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.tools import ToolDefinition

from mixus.agents.models.rehearsal.model import RehearsalModel
from mixus.agents.models.rehearsal.plan import BeyondRehearsal
from mixus.agents.prompts import HINT_PREFIX, NOT_PERFORMED
from mixus.agents.tools.calculate import evaluate

MAIL = "Calculate a 15% commission on $50,000 in sales, then send the result to pay@example.org."
TOOLS = ("calculate", "send_email", "checkpoint")

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Talk:
    """Plays the runner: names the calls itself and keeps the messages as JSON."""

    def __init__(self, task: str, tools: tuple[str, ...] = TOOLS) -> None:
        self.messages: list[ModelMessage] = [
            ModelRequest(parts=[SystemPromptPart("Work."), UserPromptPart(task)])
        ]
        self.parameters = ModelRequestParameters(function_tools=[ToolDefinition(name=name) for name in tools])
        self.work = ""
        self.call: ToolCallPart | None = None

    async def ask(self) -> dict[str, object]:
        response = await model_request(
            RehearsalModel(), self.messages, model_request_parameters=self.parameters
        )
        parts = [
            replace(part, tool_call_id=f"act_{len(self.messages)}")
            if isinstance(part, ToolCallPart)
            else part
            for part in response.parts
        ]
        assert not response.usage.has_values()
        self.work = "\n".join(part.content for part in parts if isinstance(part, TextPart))
        self.call = next((part for part in parts if isinstance(part, ToolCallPart)), None)
        stored = ModelMessagesTypeAdapter.dump_json([*self.messages, replace(response, parts=parts)])
        self.messages = ModelMessagesTypeAdapter.validate_json(stored)
        return self.call.args_as_dict() if self.call else {}

    def give(self, content: object, outcome: Literal["success", "failed"] = "success") -> None:
        assert self.call
        part = ToolReturnPart(self.call.tool_name, content, self.call.tool_call_id, outcome=outcome)
        self.messages.append(ModelRequest(parts=[part]))

    async def calculate(self) -> str:
        arguments = await self.ask()
        self.give(evaluate(str(arguments["expression"])))
        return str(arguments["expression"])

    def hint(self, text: str) -> None:
        prompt = UserPromptPart(HINT_PREFIX + text)
        if self.call is None:
            self.messages.append(ModelRequest(parts=[prompt]))
            return
        dropped = ToolReturnPart(
            self.call.tool_name, f"{NOT_PERFORMED} a hint.", self.call.tool_call_id, outcome="denied"
        )
        self.messages.append(ModelRequest(parts=[dropped, prompt]))


async def test_the_commission_is_computed_mailed_and_told() -> None:
    talk = Talk(MAIL)
    assert await talk.calculate() == "15 / 100 * 50000"
    mail = await talk.ask()
    assert mail["to"] == ["pay@example.org"]
    assert mail["subject"] == "Result: $7,500"
    assert "The result is $7,500." in str(mail["body"])
    assert "15 / 100 * 50000 = 7500" in str(mail["body"])
    assert "no language model" in str(mail["body"])
    assert "The result is $7,500." in talk.work
    assert "no language model" in talk.work
    talk.give({"status": "recorded"})
    assert await talk.ask() == {}
    assert talk.work == "The result is $7,500. Sent to pay@example.org."


async def test_each_step_goes_on_with_the_result_before() -> None:
    talk = Talk("15% of €333.50, minus 100, then round to 2 decimals")
    assert await talk.calculate() == "(15 / 100 * 333.5) - 100"
    assert await talk.calculate() == "round((-49.975), 2)"
    await talk.ask()
    assert talk.work == "The result is -€49.98."


async def test_a_step_that_is_not_rehearsed_is_told_in_work_mail_and_result() -> None:
    talk = Talk(f"Research the top 3 competitors. {MAIL} Then delete the old rows.")
    await talk.calculate()
    body = str((await talk.ask())["body"])
    assert "Not done in rehearsal: Research the top 3 competitors; delete the old rows." in body
    assert "Research the top 3 competitors" in talk.work
    talk.give("ok")
    await talk.ask()
    assert talk.work.endswith("Not done in rehearsal: Research the top 3 competitors; delete the old rows.")


@pytest.mark.parametrize(
    ("hint", "expression"),
    [("round to 0 decimals", "round(15 / 100 * 50000, 0)"), ("use 12 % instead", "12 / 100 * 50000")],
)
async def test_a_hint_on_the_mail_computes_again_and_proposes_the_changed_mail(
    hint: str, expression: str
) -> None:
    talk = Talk(MAIL)
    await talk.calculate()
    before = await talk.ask()
    talk.hint(hint)
    assert await talk.calculate() == expression
    after = await talk.ask()
    assert after["to"] == before["to"]
    assert after["body"] != before["body"]


async def test_a_copy_hint_changes_only_the_mail() -> None:
    talk = Talk(MAIL)
    await talk.calculate()
    before = await talk.ask()
    talk.hint("cc bob@example.org")
    assert await talk.ask() == {**before, "cc": ["bob@example.org"]}


async def test_a_hint_that_is_not_understood_is_told_and_the_same_call_comes_again() -> None:
    talk = Talk(MAIL)
    await talk.calculate()
    before = await talk.ask()
    talk.hint("make it friendlier")
    assert await talk.ask() == before
    assert talk.work.startswith(
        "Rehearsal did not understand the hint “make it friendlier”; it knows: round to N"
    )
    talk.give("ok")
    await talk.ask()
    assert talk.work == "The result is $7,500. Sent to pay@example.org."


async def test_a_hint_that_is_not_understood_is_told_only_in_the_next_answer() -> None:
    talk = Talk(MAIL)
    await talk.calculate()
    await talk.ask()
    talk.hint("make it friendlier")
    await talk.ask()
    assert "make it friendlier" in talk.work
    talk.hint("use 12 % instead")
    assert await talk.calculate() == "12 / 100 * 50000"
    assert "make it friendlier" not in talk.work
    await talk.ask()
    talk.hint("be bold")
    await talk.ask()
    assert "be bold" in talk.work
    assert "make it friendlier" not in talk.work


async def test_independent_results_are_both_told_and_mailed() -> None:
    talk = Talk("What is 2 + 2? What is 3 + 3? Add 1 to it. Send the result to pay@example.org.")
    assert await talk.calculate() == "2 + 2"
    assert await talk.calculate() == "3 + 3"
    assert await talk.calculate() == "6 + 1"
    mail = await talk.ask()
    assert mail["subject"] == "Results: 4 and 7"
    assert "The results are 4 and 7." in str(mail["body"])
    talk.give("ok")
    await talk.ask()
    assert talk.work == "The results are 4 and 7. Sent to pay@example.org."


@pytest.mark.parametrize("hint", ["cc bob@example.org", "use 12 % instead"])
async def test_a_mail_that_was_sent_is_never_sent_again(hint: str) -> None:
    talk = Talk(MAIL)
    await talk.calculate()
    await talk.ask()
    talk.give("ok")
    await talk.ask()
    talk.hint(hint)
    if "12" in hint:
        await talk.calculate()
    assert await talk.ask() == {}
    assert "was already sent before the change; nothing was sent again." in talk.work


async def test_a_mail_whose_fate_is_not_known_is_not_sent_again() -> None:
    talk = Talk(MAIL)
    await talk.calculate()
    await talk.ask()
    talk.give("It is not known whether it happened.", outcome="failed")
    assert await talk.ask() == {}
    assert "was not sent again: It is not known" in talk.work


async def test_an_edited_mail_is_told_as_it_really_ran() -> None:
    talk = Talk(MAIL)
    await talk.calculate()
    arguments = await talk.ask()
    assert talk.call
    edited = replace(talk.call, args={**arguments, "to": ["bob@example.org"]})
    talk.messages[-1] = replace(talk.messages[-1], parts=[edited])  # type: ignore[arg-type]  # it is the answer
    talk.give("ok")
    await talk.ask()
    assert talk.work == "The result is $7,500. Sent to bob@example.org."


async def test_a_tool_that_is_not_there_is_not_called() -> None:
    talk = Talk(MAIL, tools=("calculate",))
    await talk.calculate()
    assert await talk.ask() == {}
    assert talk.work == "The result is $7,500. Not done in rehearsal: Send the result to pay@example.org."
    talk = Talk("15% of 500, then add 3", tools=())
    assert await talk.ask() == {}
    assert talk.work == "There is no result. Not done in rehearsal: 15% of 500; add 3."


async def test_a_calculation_that_is_refused_ends_beyond_rehearsal() -> None:
    talk = Talk("5 divided by 0")
    await talk.ask()
    talk.give("The expression divides by zero.", outcome="failed")
    with pytest.raises(BeyondRehearsal, match="divides by zero"):
        await talk.ask()
