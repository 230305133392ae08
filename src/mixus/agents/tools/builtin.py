"""Calculating, mail and asking the reviewer: tools that need no setting."""

from typing import Final

from pydantic import Field

from mixus.agents.tools.calculate import CalculationRefused, evaluate
from mixus.agents.tools.mail import send_email
from mixus.agents.tools.registry import Arguments, Context, Registry, Tool, ToolFailed, registry
from mixus.core.smtp import MailServer
from mixus.evals.lifecycle import Effect

CHECKPOINT: Final = "checkpoint"


class Calculation(Arguments):
    expression: str = Field(
        max_length=500, description="Arithmetic such as `50000 * 15 / 100` or `round(2 / 3, 2)`."
    )


class Ask(Arguments):
    stage: str = Field(min_length=1, max_length=200)
    work: str = Field(default="", max_length=20_000, description="What was done, with its result.")


def tools(server: MailServer | None) -> Registry:
    """Without a mail server, a mail can be recorded and not be sent."""
    return registry(
        Tool(
            name="calculate",
            description="Work out an arithmetic expression exactly.",
            effect=Effect.READ,
            arguments=Calculation,
            run=_calculate,
        ),
        send_email(server),
        Tool(
            name=CHECKPOINT,
            description="Ask the reviewer to verify the work of a stage.",
            effect=Effect.READ,
            arguments=Ask,
            run=_checkpoint,
        ),
    )


async def _calculate(arguments: Calculation, _context: Context) -> str:
    try:
        return evaluate(arguments.expression)
    except CalculationRefused as refused:
        raise ToolFailed(str(refused)) from refused


async def _checkpoint(arguments: Ask, _context: Context) -> str:
    """Reached only when the gate let it through: it was approved, or nobody is left to ask."""
    return f"Go on: {arguments.stage} needs no further decision."


BUILT_IN: Final = tools(None)
