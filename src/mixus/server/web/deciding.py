"""A reviewer's form: what he may edit, and the verdict that he sent. Nothing typed is passed over."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Final, Literal

import orjson
from pydantic import Field, ValidationError

from mixus.agents.edits import revise
from mixus.agents.tools.registry import Registry
from mixus.core.errors import Invalid
from mixus.core.text import visible
from mixus.evals.digests import digest
from mixus.evals.lifecycle import Decision, Source
from mixus.evals.review_queries import Desk
from mixus.evals.tasks import Edits, Effective, Verdict
from mixus.server import errors
from mixus.server.api.checkpoints import LARGEST_ATTEMPT, DecisionFields
from mixus.server.web.forms import Fields, Form, parsed
from mixus.server.web.visits import CSRF_FIELD

EDIT: Final = "edit"
MILLISECONDS: Final = "milliseconds"
_MILLISECONDS: Final = re.compile("[0-9]{1,8}")
APPROVE: Final = Decision.APPROVE.value
# A form is sent whole, and each byte may take six on its way: longer ones are not sent along to be edited.
MOST_BYTES: Final = 100_000
MOST_FIELDS: Final = 300
MOST_ROWS: Final = 16
CHARACTERS_IN_A_ROW: Final = 70
UNTOUCHED: Final = "Nothing is edited yet: change an argument below its action, or approve it as it is."
FOREIGN: Final = "This form holds a field that the page has not, or one twice; open the page again."
UNUSED: Final = (
    "You edited arguments, and only “Approve with edits” uses that: choose it, or put them back as they were."
)


class DecisionForm(Form):
    """`edit` is an approval with what was changed."""

    attempt: Annotated[int, Field(ge=1, le=LARGEST_ATTEMPT)]
    action: Literal["approve", "edit", "reject", "hint"]
    hint: str | None = None
    comment: str | None = None


@dataclass(frozen=True)
class EditField:
    """One argument. Texts are edited as they are, lists of short ones by line, everything else as JSON."""

    name: str
    label: str
    given: Any

    @property
    def is_list(self) -> bool:
        """Recipients, and the like. An empty list may be one of anything: JSON may be written into it."""
        return isinstance(self.given, list) and all(map(_is_line, self.given))

    @property
    def is_json(self) -> bool:
        return not isinstance(self.given, str) and not self.is_list

    @property
    def text(self) -> str:
        if self.is_list:
            return "\n".join(self.given)
        return _as_json(self.given) if self.is_json else _lines(self.given)

    @property
    def hides(self) -> bool:
        """Whether characters in it do not show in a field."""
        return visible(self.text) != self.text

    def rows(self, typed: str) -> int:
        wanted = sum(1 + len(line) // CHARACTERS_IN_A_ROW for line in typed.split("\n"))
        return min(wanted, MOST_ROWS)

    def value(self, typed: str | None) -> Any:
        """As it was, where it was not touched: a browser changes the ends of lines. Raises Invalid."""
        if typed is None or typed == self.text:
            return self.given
        if self.is_list and not typed.lstrip().startswith("["):
            return [line.strip() for line in typed.split("\n") if line.strip()]
        return self._parsed(typed) if self.is_json or self.is_list else typed

    def _parsed(self, typed: str) -> Any:
        try:
            return orjson.loads(typed)
        except orjson.JSONDecodeError as error:
            raise Invalid(f"This is no JSON: {error.msg}.", field=self.name) from None


def milliseconds(fields: Fields) -> int | None:
    """What the page measured since it last told; None where no script did."""
    text = fields.text(MILLISECONDS) or ""
    return int(text) if _MILLISECONDS.fullmatch(text) else None


def edits_of(desk: Desk) -> dict[str, list[EditField]]:
    """By action id; empty where nothing can be edited here."""
    if desk.checkpoint["source"] is Source.UNCERTAIN:
        return {}
    found = {
        action["actionId"]: [
            EditField(f"{EDIT}-{place}-{number}", name, given)
            for number, (name, given) in enumerate(action["arguments"].items())
        ]
        for place, action in enumerate(desk.checkpoint["proposed_actions"])
    }
    every = [each for fields in found.values() for each in fields]
    length = sum(len(each.text.encode()) for each in every)
    return found if len(every) <= MOST_FIELDS and length <= MOST_BYTES else {}


def verdict(fields: Fields, desk: Desk, tools: Registry) -> Verdict:
    """Raises Invalid. Of an attempt that is over no edit is read: the record itself refuses it."""
    form = parsed(DecisionForm, Fields({name: fields.all(name) for name in DecisionForm.model_fields}))
    if desk.is_open(form.attempt):
        _require_own(fields, desk)
    edited = _edited(fields, desk) if desk.is_open(form.attempt) else {}
    _require_use(form, edited, is_open=desk.is_open(form.attempt))
    body = {
        "attempt": form.attempt,
        "action": APPROVE if form.action == EDIT else form.action,
        "hint": form.hint,
        "comment": form.comment,
        "editedActions": [{"actionId": name, "arguments": each} for name, each in edited.items()] or None,
    }
    try:
        made = DecisionFields.model_validate(body).verdict(tools)
    except ValidationError as invalid:
        raise errors.invalid(invalid.errors()) from None
    return _with_places(made, desk, tools)


def typed(fields: Fields, desk: Desk) -> list[tuple[str, str]]:
    """What somebody wrote in vain, with a name for each, so that he can take it elsewhere."""
    labels = {each.name: each for every in edits_of(desk).values() for each in every}
    found = [("Your comment", fields.text("comment")), ("Your hint", fields.text("hint"))]
    for name in fields.values:
        if name.startswith(f"{EDIT}-"):
            known = labels.get(name)
            text = fields.text(name)
            is_changed = known is None or text != known.text
            label = "An argument you edited" if known is None else f"Your {known.label}"
            found.append((label, text if is_changed else None))
    return [(label, text) for label, text in found if text]


def _edited(fields: Fields, desk: Desk) -> dict[str, dict[str, Any]]:
    """Whole arguments of the actions of which some were changed."""
    found: dict[str, dict[str, Any]] = {}
    of_each = edits_of(desk)
    for action in desk.checkpoint["proposed_actions"]:
        every = of_each.get(action["actionId"], [])
        arguments = {each.label: each.value(fields.text(each.name)) for each in every}
        # Compared by digest, because in Python `true` equals 1, and 1 equals 1.0.
        if every and digest(EDIT, arguments) != digest(EDIT, action["arguments"]):
            found[action["actionId"]] = arguments
    return found


def _require_own(fields: Fields, desk: Desk) -> None:
    """Nothing that a form holds is passed over: neither what is unknown nor what stands there twice."""
    edits = {each.name for every in edits_of(desk).values() for each in every}
    known = edits | {*DecisionForm.model_fields, CSRF_FIELD, MILLISECONDS}
    if any(name not in known or len(texts) > 1 for name, texts in fields.values.items()):
        raise Invalid(FOREIGN, field=EDIT)


def _require_use(form: DecisionForm, edited: Mapping[str, Any], *, is_open: bool) -> None:
    if is_open and form.action == EDIT and not edited:
        raise Invalid(UNTOUCHED, field=EDIT)
    if form.action != EDIT and edited:
        raise Invalid(UNUSED, field=EDIT)


def _with_places(made: Verdict, desk: Desk, tools: Registry) -> Verdict:
    """Edits whose refusal names the field in which it was typed."""
    if made.edits is None:
        return made
    edits = Edits(made.edits.arguments, partial(_revise, tools, edits_of(desk)))
    return Verdict(made.attempt, made.action, made.hint, made.comment, edits)


def _revise(
    tools: Registry,
    fields: Mapping[str, Sequence[EditField]],
    action: Mapping[str, Any],
    arguments: Mapping[str, Any],
) -> Effective:
    try:
        return revise(tools, action, arguments)
    except Invalid as refused:
        places = {each.label: each.name for each in fields[action["actionId"]]}
        found = [
            {"field": places[name], "message": message}
            for name, message in _problems(tools, action["tool"], arguments)
            if name in places
        ]
        refused.members["errors"] = found or refused.members["errors"]
        raise


def _problems(tools: Registry, tool: str, arguments: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The rules that were broken, each with its argument."""
    if tool not in tools:
        return
    try:
        tools[tool].arguments.model_validate(arguments)
    except ValidationError as invalid:
        for error in invalid.errors(include_url=False, include_input=False):
            yield str(next(iter(error["loc"]), "")), error["msg"].removeprefix("Value error, ")


def _is_line(value: Any) -> bool:
    """Whether it comes out of a field as it went in, with others below it."""
    is_text = isinstance(value, str) and not value.startswith("[")
    return is_text and value.splitlines() == [value.strip()]


def _as_json(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")
