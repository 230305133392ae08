"""What each kind of entry of a trace says, in one plain sentence. Names in it are foreign."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from mixus.core.text import shortened
from mixus.server.web.showing import counted

Data = Mapping[str, Any]
LONGEST_NAME: Final = 80


@dataclass(frozen=True)
class Told:
    """`quote` is what a model, a tool or a person said."""

    icon: str
    sentence: str
    tone: str = "quiet"
    quote: str = ""


def _created(data: Data) -> Told:
    steps = _list(data, "plan")
    plan = f", with a plan of {counted(len(steps), 'step')}" if steps else ""
    return Told("flag", f"{_by(data)} created it{plan}.", "accent")


def _started(data: Data) -> Told:
    is_first = data.get("segment") in (None, 1)
    return Told("play", "The agent began." if is_first else "The agent went on.", "busy")


def _prompt(_data: Data) -> Told:
    return Told("book", "The model was told its task.")


def _plan(data: Data) -> Told:
    return Told("list", f"The agent planned {counted(len(_list(data, 'steps')), 'step')}.", "accent")


def _model_call(data: Data) -> Told:
    tools = [_name(call, "tool") for call in _list(data, "calls") if isinstance(call, dict)]
    asked = f"The model asked for {', '.join(tools)}." if tools else "The model answered."
    return Told("model", asked, "accent", _text(data, "text"))


def _model_retry(data: Data) -> Told:
    return Told("refresh", "The model was asked again.", "warn", _text(data, "reason"))


def _parked(data: Data) -> Told:
    return Told("clock", "The provider is down; it is tried again later.", "warn", _text(data, "reason"))


def _reminder(data: Data) -> Told:
    return Told("bell", "The model was reminded of what is wanted.", "warn", _text(data, "reason"))


def _judge(data: Data) -> Told:
    verdict = VERDICTS.get(data.get("passed"))
    sentence = f"The judge said that it {verdict}." if verdict else "The judge gave no verdict."
    return Told("chart", sentence, "accent", _text(data, "reason"))


VERDICTS: Final[Mapping[Any, str]] = {True: "passed", False: "did not pass"}


def _intended(data: Data) -> Told:
    return Told("bolt", f"{_name(data, 'tool')} is about to act.", "warn")


def _tool_call(data: Data) -> Told:
    if data.get("error") is not None:
        return Told("tool", f"{_name(data, 'tool')} failed.", "bad", _text(data, "error"))
    return Told("tool", f"{_name(data, 'tool')} answered.", "good", _text(data, "result"))


def _checkpoint(data: Data) -> Told:
    return Told("shield", f"A reviewer is asked at “{_name(data, 'stage')}”{_held(data)}.", "warn")


def _skipped(data: Data) -> Told:
    return Told("shield", f"Baseline: a reviewer would have been asked at “{_name(data, 'stage')}”.")


def _held(data: Data) -> str:
    held = len(_list(data, "actions"))
    return f"; {counted(held, 'action')} {'waits' if held == 1 else 'wait'} for the answer" if held else ""


def _decision(data: Data) -> Told:
    stage, action = f"“{_name(data, 'stage')}”", _text(data, "action")
    if action == "timeout":
        return Told("clock", f"Nobody decided {stage} in time.", "bad")
    icon, tone, word = DECIDED.get(action, ("person", "quiet", action))
    edited = data.get("edited")
    changed = f", with {counted(len(edited), 'edit')}" if isinstance(edited, dict) and edited else ""
    sentence = f"{_by(data)} {word} {stage}{changed}{_via(data)}."
    said = [text for text in (_text(data, "hint"), _text(data, "comment")) if text]
    return Told(icon, sentence, tone, "\n".join(said))


DECIDED: Final = {
    "approve": ("check", "good", "approved"),
    "reject": ("cross", "bad", "rejected"),
    "hint": ("hint", "warn", "gave a hint on"),
}


def _via(data: Data) -> str:
    return {"key": ", by key", "link": ", by a link in a mail"}.get(_text(data, "via"), "")


def _escalated(data: Data) -> Told:
    sentence = f"{_name(data, 'from')} did not decide in time; {_name(data, 'to')} is asked now."
    return Told("people", sentence, "warn")


def _updated(data: Data) -> Told:
    return Told("edit", f"{_by(data)} changed {', '.join(map(str, _list(data, 'fields')))}.")


def _takeover(_data: Data) -> Told:
    return Told("refresh", "Its worker was gone; another goes on.", "warn")


def _step(data: Data) -> Told:
    if data.get("error") is not None:
        return Told("bolt", f"The agent noted a failure: {_name(data, 'name')}.", "bad", _text(data, "error"))
    return Told("bolt", f"The agent noted: {_name(data, 'name')}.", "accent")


def _proposed(data: Data) -> Told:
    return Told("plug", f"The agent asks whether it may call {_name(data, 'tool')}.", "accent")


def _attached(data: Data) -> Told:
    return Told("plug", f"Another process of {_by(data)} goes on with it.", "warn")


def _completed(data: Data) -> Told:
    return Told("flag", "It completed.", "good", _text(data, "result"))


def _failed(data: Data) -> Told:
    return Told("warn", f"It failed: {_name(data, 'code')}.", "bad", _text(data, "message"))


def _rejected(data: Data) -> Told:
    by = f" by {_by(data)}" if data.get("by") else ", because nobody decided in time"
    return Told("cross", f"It was rejected{by}. Nothing that was held ran.", "bad")


def _expired(_data: Data) -> Told:
    return Told("clock", "It expired, because nobody decided in time. Nothing that was held ran.", "bad")


def _cancelled(data: Data) -> Told:
    return Told("stop", f"{_by(data)} cancelled it.")


def _by(data: Data) -> str:
    return _name(data, "by") if data.get("by") else "Somebody"


def _name(data: Data, member: str) -> str:
    """Short enough to stand in a sentence, and on one line."""
    return shortened(" ".join(_text(data, member).split()), LONGEST_NAME) or "?"


def _text(data: Data, member: str) -> str:
    value = data.get(member)
    if value is None or isinstance(value, str):
        return value or ""
    return orjson.dumps(value).decode()


def _list(data: Data, member: str) -> Sequence[Any]:
    value = data.get(member)
    return value if isinstance(value, list) else ()


TELLERS: Final[Mapping[str, Callable[[Data], Told]]] = {
    "created": _created,
    "started": _started,
    "prompt": _prompt,
    "plan": _plan,
    "model-call": _model_call,
    "model-retry": _model_retry,
    "parked": _parked,
    "reminder": _reminder,
    "judge": _judge,
    "effect-intended": _intended,
    "tool-call": _tool_call,
    "checkpoint": _checkpoint,
    "checkpoint-skipped": _skipped,
    "decision": _decision,
    "escalated": _escalated,
    "updated": _updated,
    "takeover": _takeover,
    "step": _step,
    "effect-proposed": _proposed,
    "attached": _attached,
    "completed": _completed,
    "failed": _failed,
    "rejected": _rejected,
    "expired": _expired,
    "cancelled": _cancelled,
}
