"""The tools of every deployment: calculate, send_email and checkpoint."""

import re
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field

from mixus.agents.tools.calculate import CalculationRefused, evaluate
from mixus.agents.tools.registry import Arguments, Registry, Tool, ToolFailed, registry
from mixus.evals.lifecycle import Effect

CHECKPOINT: Final = "checkpoint"

_ADDRESS = re.compile(r"[^@\s,;<>\"\x00-\x1f\x7f]{1,64}@[^@\s,;<>\"\x00-\x1f\x7f]{1,255}")


def _address(text: str) -> str:
    if not _ADDRESS.fullmatch(text):
        raise ValueError("not an e-mail address")
    return text


def _one_line(text: str) -> str:
    """A line break in a header would start another header."""
    if not text.isprintable():
        raise ValueError("must be one line without control characters")
    return text


Address = Annotated[str, AfterValidator(_address)]


class Calculation(Arguments):
    expression: str = Field(
        max_length=500, description="Arithmetic such as `50000 * 15 / 100` or `round(2 / 3, 2)`."
    )


class Email(Arguments):
    to: list[Address] = Field(min_length=1, max_length=50, description="Addresses of the recipients.")
    cc: list[Address] = Field(default=[], max_length=50, description="Addresses that get a copy.")
    subject: Annotated[str, AfterValidator(_one_line)] = Field(min_length=1, max_length=200)
    body: str = Field(max_length=20_000, description="Plain text.")


class Ask(Arguments):
    stage: str = Field(min_length=1, max_length=200, description="Which stage is done.")
    work: str = Field(default="", max_length=20_000, description="What was done, with its result.")


async def _calculate(arguments: Calculation) -> str:
    try:
        return evaluate(arguments.expression)
    except CalculationRefused as refused:
        raise ToolFailed(str(refused)) from refused


async def _send_email(arguments: Email) -> dict[str, Any]:
    return {"status": "recorded", "sandbox": True, "recipients": [*arguments.to, *arguments.cc]}


async def _checkpoint(arguments: Ask) -> str:
    """Reached only when the gate let it through: it was approved, or nobody is left to ask."""
    return f"Go on: {arguments.stage} needs no further decision."


BUILT_IN: Final[Registry] = registry(
    Tool(
        name="calculate",
        description="Work out an arithmetic expression exactly.",
        effect=Effect.READ,
        arguments=Calculation,
        run=_calculate,
    ),
    Tool(
        name="send_email",
        description="Send a plain-text e-mail. In the sandbox it is recorded and not sent.",
        effect=Effect.SEND,
        arguments=Email,
        run=_send_email,
        is_recorded=True,
    ),
    Tool(
        name=CHECKPOINT,
        description="Ask the reviewer to verify the work of a stage. Call it when a stage is done.",
        effect=Effect.READ,
        arguments=Ask,
        run=_checkpoint,
    ),
)
