"""What `mixus eval watch` says of an entry of the trace: a short line, and one for each step or call."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

from mixus.cli.terminal import as_json, clock, counted, line, plain

Members = dict[str, Any]
TEXT_LINES = 2


def told(kind: str, data: Members) -> list[str]:
    """Return the lines for an entry; a kind that is not known, or says nothing, shows its members."""
    teller = TELLERS.get(kind)
    lines = list(teller(data)) if teller else []
    return lines or [_members(data)]


def _created(data: Members) -> Iterator[str]:
    if data.get("by"):
        yield f"by {line(data['by'])}"
    yield from plan_lines(_objects(data.get("plan")))


def _plan(data: Members) -> Iterator[str]:
    yield from plan_lines(_objects(data.get("steps")))


def plan_lines(steps: Iterable[Members]) -> Iterator[str]:
    for number, step in enumerate(steps, 1):
        effect = step.get("effect")
        mark = "" if effect in (None, "read") else f" ({line(effect)})"
        yield f"{number}. {line(step.get('description', ''))}{mark}"


def _started(data: Members) -> Iterator[str]:
    if "segment" in data:
        yield f"segment {line(data['segment'])}"


def _takeover(data: Members) -> Iterator[str]:
    if "segment" in data:
        yield f"segment {line(data['segment'])}: its worker was gone, another goes on"


def _prompt(data: Members) -> Iterator[str]:
    if data.get("task"):
        yield line(data["task"])


def _model_call(data: Members) -> Iterator[str]:
    yield from _first_lines(data.get("text"))
    for call in _objects(data.get("calls")):
        yield _call(call)


def _tool_call(data: Members) -> Iterator[str]:
    if data.get("error") is not None:
        yield f"{line(data.get('tool', ''))} failed: {line(data['error'])}"
    elif "result" in data:
        yield f"{line(data.get('tool', ''))} → {line(data['result'])}"


def _intended(data: Members) -> Iterator[str]:
    if "tool" in data:
        yield _call(data)


def _checkpoint(data: Members) -> Iterator[str]:
    if not data.get("stage"):
        return
    actions = counted(len(_objects(data.get("actions"))), "action")
    question = data.get("verificationQuestion") or data.get("question")
    yield f"{line(data['stage'])}: {actions}" + (f"; {line(question)}" if question else "")


def _decision(data: Members) -> Iterator[str]:
    if "action" not in data:
        return
    hint = f' "{line(data["hint"])}"' if data.get("hint") else ""
    comment = f"; comment: {line(data['comment'])}" if data.get("comment") else ""
    yield f"{line(data['action'])}{hint} by {_who(data)}{comment}"
    edited = data.get("edited")
    for arguments in edited.values() if isinstance(edited, dict) else ():
        yield f"edited: {as_json(arguments)}"


def _model_retry(data: Members) -> Iterator[str]:
    if "reason" in data:
        yield line(data["reason"])


def _parked(data: Members) -> Iterator[str]:
    if "reason" in data:
        # The time first: a reason is as long as the name of its model, and lines are cut.
        yield f"until {clock(data['retryAt'])}" if data.get("retryAt") else "until later"
        yield line(data["reason"])


def _escalated(data: Members) -> Iterator[str]:
    if data.get("to"):
        yield f"from {line(data.get('from') or 'nobody')} to {line(data['to'])}"


def _ended(data: Members) -> Iterator[str]:
    if data.get("by"):
        yield f"by {_who(data)}"


def _reminder(data: Members) -> Iterator[str]:
    if data.get("reason"):
        yield line(data["reason"])


def _judge(data: Members) -> Iterator[str]:
    if "reason" in data:
        words: dict[Any, str] = {True: "passed", False: "not passed"}
        word = words.get(data.get("passed"), "no verdict")
        yield f"{word}: {line(data['reason'])}"


def _completed(data: Members) -> Iterator[str]:
    yield from _first_lines(data.get("result"))


def _failed(data: Members) -> Iterator[str]:
    if data.get("message") or data.get("code"):
        yield f"{line(data.get('message') or '')} ({line(data.get('code', 'no code'))})".strip()


def _call(call: Members) -> str:
    arguments = call.get("arguments")
    if isinstance(arguments, dict):
        inside = ", ".join(f"{line(name)}={as_json(value)}" for name, value in arguments.items())
    else:
        inside = as_json(arguments)
    return f"{line(call.get('tool', ''))}({inside})"


def _who(data: Members) -> str:
    via = f" via {line(data['via'])}" if data.get("via") else ""
    return f"{line(data.get('by') or 'nobody')}{via}"


def _first_lines(value: object) -> Iterator[str]:
    lines = (line(part) for part in plain(value or "").splitlines())
    return islice((text for text in lines if text), TEXT_LINES)


def _objects(value: object) -> list[Members]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _members(data: Members) -> str:
    return "  ".join(f"{line(name)}={line(value)}" for name, value in data.items() if value is not None)


TELLERS: dict[str, Callable[[Members], Iterator[str]]] = {
    "created": _created,
    "started": _started,
    "takeover": _takeover,
    "prompt": _prompt,
    "plan": _plan,
    "model-call": _model_call,
    "model-retry": _model_retry,
    "parked": _parked,
    "reminder": _reminder,
    "tool-call": _tool_call,
    "effect-intended": _intended,
    "checkpoint": _checkpoint,
    "checkpoint-skipped": _checkpoint,
    "decision": _decision,
    "escalated": _escalated,
    "cancelled": _ended,
    "rejected": _ended,
    "expired": _ended,
    "judge": _judge,
    "completed": _completed,
    "failed": _failed,
}
