"""The model `rehearsal`: fixed rules that stand in for a provider in demos, tests and CI.

It reads a task by a small grammar (docs/reference/rehearsal.md): arithmetic with percent of, plus, minus,
times, divide by, discounts and parentheses; “round to 2 decimals”; “send the result to a@example.org”.
Every number and operator is used, or the task is beyond rehearsal: it never guesses. What it cannot do
(research) is a step that is told as not done. It is stateless: each answer derives from the messages.
"""

import hashlib
import json
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation

from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.settings import ModelSettings

from mixus.agents.models.history import History, PerformedCall, read_history
from mixus.agents.models.rehearsal import wording
from mixus.agents.models.rehearsal.hints import parse
from mixus.agents.models.rehearsal.plan import (
    CALCULATIONS,
    PREVIOUS,
    BeyondRehearsal,
    Rehearsal,
    Step,
    StepKind,
)


class RehearsalModel(Model):
    """Answers with the next call of the task's steps, or with the final answer."""

    @property
    def model_name(self) -> str:
        return "rehearsal"

    @property
    def system(self) -> str:
        return "mixus"

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """Raises BeyondRehearsal where the task, or the answer of a tool, is not understood."""
        del model_settings
        history = read_history(messages)
        tools = frozenset(tool.name for tool in model_request_parameters.function_tools)
        rehearsal = parse(history.task, history.hints)
        walk = _Walk(history, tools, rehearsal, _new_hints(messages, history))
        for number, step in enumerate(rehearsal.steps, start=1):
            call = walk.through(number, step)
            if call:
                work = TextPart(walk.work(step))
                return ModelResponse(parts=[work, call], model_name=self.model_name)
        return ModelResponse(parts=[TextPart(walk.final())], model_name=self.model_name)


@dataclass
class _Walk:
    """One pass over the steps, up to the first that has no result yet."""

    history: History
    tools: frozenset[str]
    rehearsal: Rehearsal
    new_hints: list[str]
    previous: str | None = None
    results: list[str] = field(default_factory=list)
    computed: list[str] = field(default_factory=list)
    undone: list[str] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    def through(self, number: int, step: Step) -> ToolCallPart | None:
        """The call that the step still needs, or None when it is done, or cannot be done."""
        if step.kind in CALCULATIONS and self._can(step):
            return self._calculation(number, step)
        if step.kind is StepKind.MAIL and self._can(step):
            return self._mail(number, step)
        self.undone.append(step.description)
        if step.kind is not StepKind.MAIL:
            self.previous = None
        return None

    def _can(self, step: Step) -> bool:
        lacks_result = PREVIOUS in step.expression and self.previous is None
        return step.tool in self.tools and not lacks_result

    def _calculation(self, number: int, step: Step) -> ToolCallPart | None:
        expression = step.expression.replace(PREVIOUS, _operand(self.previous or ""))
        call = self._call(number, "calculate", {"expression": expression})
        done = self._performed(call)
        if done is None:
            return call
        value = _value(done)
        self.previous = format(value, "f")
        ran = str(done.arguments.get("expression", expression))
        self.computed.append(f"{ran} = {self.previous}")
        if PREVIOUS in step.expression:
            # The answer holds the result of each chain: this one takes the place of what it goes on with.
            self.results.pop()
        self.results.append(wording.money(value, step.currency, step.places))
        return None

    def _mail(self, number: int, step: Step) -> ToolCallPart | None:
        later = [step.description for step in self.rehearsal.steps[number:] if not step.is_rehearsed]
        arguments: dict[str, object] = {
            "to": list(step.to),
            "cc": list(step.cc),
            "subject": step.subject or wording.mail_subject(self.results),
            "body": wording.mail_body(self.results, self.computed, [*self.undone, *later]),
        }
        call = self._call(number, "send_email", arguments)
        prefix = f"rehearsal-{number}-send_email-"
        past = [done for done in self.history.performed if done.label.startswith(prefix)]
        if not past:
            return call
        self._tell_fate(past[-1], is_changed=past[-1].label != call.id)
        return None

    def _tell_fate(self, mail: PerformedCall, *, is_changed: bool) -> None:
        to = _recipients(mail.arguments)
        if not mail.is_success:
            self.notices.append(f"The mail to {to} was not sent again: {mail.content}")
            return
        self.sent.append(to)
        if is_changed:
            self.notices.append(
                f"The mail to {to} was already sent before the change; nothing was sent again."
            )

    def _call(self, number: int, tool: str, arguments: dict[str, object]) -> ToolCallPart:
        digest = hashlib.sha256(json.dumps(arguments, sort_keys=True).encode()).hexdigest()[:12]
        # `id` stays when the runner gives the call an id of its own, or a reviewer edits its arguments.
        label = f"rehearsal-{number}-{tool}-{digest}"
        call_id = f"{label}-{self.history.responses + 1}"
        return ToolCallPart(tool, arguments, tool_call_id=call_id, id=label, provider_name="mixus")

    def _performed(self, call: ToolCallPart) -> PerformedCall | None:
        return next((done for done in self.history.performed if done.label == call.id), None)

    def _hint_sentences(self) -> list[str]:
        unknown = [hint for hint in self.new_hints if hint in self.rehearsal.unknown_hints]
        return [wording.unknown_sentence(hint) for hint in unknown]

    def work(self, step: Step) -> str:
        """What was done so far and what comes next, for the reviewer."""
        so_far = wording.result_sentence(self.results) if self.results else ""
        upcoming = f"Next: {step.description}."
        return wording.joined(
            *self._hint_sentences(),
            "Rehearsal, no language model.",
            so_far,
            wording.computed_sentence(self.computed),
            *self.notices,
            wording.undone_sentence(self.undone),
            upcoming,
        )

    def final(self) -> str:
        sent = f"Sent to {'; '.join(self.sent)}." if self.sent else ""
        return wording.joined(
            wording.result_sentence(self.results),
            sent,
            *self.notices,
            wording.undone_sentence(self.undone),
            *self._hint_sentences(),
        )


def _new_hints(messages: list[ModelMessage], history: History) -> list[str]:
    """Those since the last answer: an answer tells a hint that is not understood once."""
    answers = [place for place, message in enumerate(messages) if isinstance(message, ModelResponse)]
    told = read_history(messages[: answers[-1]]).hints if answers else []
    return history.hints[len(told) :]


def _operand(value: str) -> str:
    return f"({value})" if value.startswith("-") else value


def _value(done: PerformedCall) -> Decimal:
    try:
        value = Decimal(done.content)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite():
        raise BeyondRehearsal(f"The calculation did not give a number: {done.content[:200]}")
    return value


def _recipients(arguments: dict[str, object]) -> str:
    """As they really ran: a reviewer may have edited them."""
    to, cc = _addresses(arguments.get("to")), _addresses(arguments.get("cc"))
    return f"{to}, cc {cc}" if cc else to


def _addresses(value: object) -> str:
    return " and ".join(str(address) for address in value) if isinstance(value, list) else ""
