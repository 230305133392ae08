"""The options of `mixus eval create`, and the request that they stand for."""

import json
import math
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer

Mode = Literal["with-verification", "without-verification"]
Environment = Literal["sandbox", "live"]

EXISTING: Final[Any] = {"exists": True, "dir_okay": False, "readable": True}
# The types of an outcome, with a value of each.
EXPECTED: Final = {
    "contains": "paid",
    "equals": "yes",
    "number": "7500",
    "regex": "INV-[0-9]+",
    "json": '{"total": 7500}',
    "judge": "It is polite.",
}
EDIT_FORM: Final = 'An edit reads {"argument": "value"} or act_…={…}, with all arguments as JSON.'


def finite(value: float | None) -> float | None:
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter("Give a finite number.")
    return value


DescriptionArgument = Annotated[
    str | None, typer.Argument(metavar="DESCRIPTION", help="What the agent must do; - reads it from stdin.")
]
TemplateOption = Annotated[
    str | None, typer.Option("--template", help="A ready task instead; mixus eval templates names them.")
]
ParameterOption = Annotated[
    list[str] | None, typer.Option("--parameter", "-p", help="name=value of the template; may be repeated.")
]
FileOption = Annotated[
    Path | None,
    typer.Option("--file", "-f", help="A request as JSON, as on the wire; options win over it.", **EXISTING),
]
NameOption = Annotated[str | None, typer.Option("--name", help="A name for lists and mails.")]
CheckpointOption = Annotated[
    list[str] | None,
    typer.Option("--checkpoint", "-c", help='"stage: description | question"; may be repeated, in order.'),
]
AutoOption = Annotated[
    bool | None,
    typer.Option("--auto/--no-auto", help="Pause before every effect, or not.", show_default=False),
]
ModeOption = Annotated[Mode | None, typer.Option("--test-mode", help="With a human, or the baseline.")]
ReviewerOption = Annotated[str | None, typer.Option("--reviewer", help="E-mail address of who decides.")]
ModelOption = Annotated[str | None, typer.Option("--model", "-m", help="provider:name, rehearsal or script.")]
ScriptOption = Annotated[
    Path | None,
    typer.Option("--script", help="Calls to play exactly, as a JSON list; means --model script.", **EXISTING),
]
ReviewResultOption = Annotated[
    bool, typer.Option("--review-result", help="One more checkpoint, on the final answer.")
]
ExpectOption = Annotated[
    str | None,
    typer.Option(
        "--expect", metavar="TYPE=VALUE", help="The outcome: contains, equals, number, regex, json or judge."
    ),
]
ToleranceOption = Annotated[
    float | None,
    typer.Option("--tolerance", min=0, callback=finite, help="With --expect number: how far off it may be."),
]
EnvironmentOption = Annotated[Environment | None, typer.Option("--environment", help="Practice, or real.")]
ToolOption = Annotated[
    list[str] | None, typer.Option("--tool", help="A tool that the agent may use; may be repeated.")
]
MaxStepsOption = Annotated[int | None, typer.Option("--max-steps", min=1, help="Most model calls.")]
MaxCostOption = Annotated[
    float | None, typer.Option("--max-cost-usd", min=0, callback=finite, help="Most money, in USD.")
]
MaxTokensOption = Annotated[int | None, typer.Option("--max-tokens", min=1, help="Most tokens, in and out.")]
TimeoutOption = Annotated[int | None, typer.Option("--timeout-ms", min=1, help="Most time of the agent.")]
ReviewTimeoutOption = Annotated[
    int | None,
    typer.Option("--review-timeout-ms", min=60_000, help="Most time of a reviewer, each time he is asked."),
]
EscalateOption = Annotated[
    str | None, typer.Option("--escalate-to", help="E-mail address of who is asked after that time.")
]
OnTimeoutOption = Annotated[
    Literal["expire", "reject"] | None,
    typer.Option("--on-review-timeout", help="What becomes of it when nobody decides."),
]
State = Literal[
    "queued", "running", "awaiting-verification", "completed", "rejected", "failed", "cancelled", "expired"
]
StatusOption = Annotated[State | None, typer.Option("--status", help="Only those in this state.")]
QueryOption = Annotated[str | None, typer.Option("--query", "-q", help="Only those with this text.")]
EditOption = Annotated[
    list[str] | None,
    typer.Option(
        "--edit",
        metavar="[ACTION=]JSON",
        help="Approve with these arguments; ACTION, act_…, where several are proposed. May be repeated.",
    ),
]
MetadataOption = Annotated[
    list[str] | None, typer.Option("--metadata", help="key=value, kept with it; may be repeated.")
]
IdempotencyOption = Annotated[
    str | None, typer.Option("--idempotency-key", help="The same key creates once, however often it is sent.")
]


def request_body(description: str | None, file: Path | None, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the wire's body: the file, then what the options say."""
    body = read_json(file, dict, "--file") if file else {}
    if description is not None:
        body["taskDescription"] = read_description(description)
    body |= {name: value for name, value in options.items() if value is not None}
    if not (body.get("taskDescription") or body.get("template")):
        raise typer.BadParameter(
            "Say what the agent must do: a description, - for stdin, --template or --file."
        )
    if "script" in body:
        body.setdefault("model", "script")
    if is_in_ci() and not body.get("model"):
        raise typer.BadParameter(
            "With CI set, name the model: --model rehearsal or --model provider:name.", param_hint="--model"
        )
    return body


def is_in_ci() -> bool:
    return os.environ.get("CI", "").lower() not in {"", "0", "false"}


def read_description(description: str) -> str:
    return sys.stdin.read().strip() if description == "-" else description


def read_checkpoints(texts: Sequence[str] | None) -> list[dict[str, str]] | None:
    return [read_checkpoint(text) for text in texts] if texts else None


def read_checkpoint(text: str) -> dict[str, str]:
    stage, colon, rest = (part.strip() for part in text.partition(":"))
    description, _, question = (part.strip() for part in rest.partition("|"))
    if not (stage and colon and description):
        raise typer.BadParameter(
            'A checkpoint reads "stage: description | question".', param_hint="--checkpoint"
        )
    checkpoint = {"stage": stage, "description": description}
    return checkpoint | {"verificationQuestion": question} if question else checkpoint


def read_metadata(pairs: Sequence[str] | None) -> dict[str, str] | None:
    return read_pairs(pairs, "Metadata reads key=value.", "--metadata")


def read_edits(texts: Sequence[str] | None) -> dict[str, dict[str, Any]] | None:
    """By action, so that each of a batch can be edited; by "" where the edit names none."""
    if not texts:
        return None
    edits = dict(map(_edit, texts))
    if len(edits) < len(texts) or ("" in edits and len(edits) > 1):
        raise typer.BadParameter("Give one edit for each action, by its name.", param_hint="--edit")
    return edits


def _edit(text: str) -> tuple[str, dict[str, Any]]:
    action_id, equals, arguments = ("", "", text) if text.lstrip().startswith("{") else text.partition("=")
    try:
        read = read_strictly(arguments) if bool(action_id) == bool(equals) else None
    except (ValueError, RecursionError):
        read = None
    if not isinstance(read, dict):
        raise typer.BadParameter(EDIT_FORM, param_hint="--edit")
    return action_id, read


def named_edits(
    edits: dict[str, dict[str, Any]] | None, proposed: Sequence[str | None]
) -> dict[str, dict[str, Any]] | None:
    """The edit that names no action is of the only one that there is."""
    if not edits or "" not in edits:
        return edits
    if len(proposed) != 1 or proposed[0] is None:
        raise typer.BadParameter(
            f"{len(proposed)} actions are proposed; name one, as act_…=JSON.", param_hint="--edit"
        )
    return {proposed[0]: edits[""]}


def read_parameters(pairs: Sequence[str] | None) -> dict[str, str] | None:
    """As text: the server knows which of them are numbers."""
    return read_pairs(pairs, "A parameter reads name=value.", "--parameter")


def read_pairs(pairs: Sequence[str] | None, sentence: str, option: str) -> dict[str, str] | None:
    if not pairs:
        return None
    read = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not (key and equals):
            raise typer.BadParameter(sentence, param_hint=option)
        read[key] = value
    return read


def read_expected(text: str | None, tolerance: float | None) -> dict[str, Any] | None:
    if text is None:
        if tolerance is not None:
            raise typer.BadParameter("A tolerance goes with --expect number=….", param_hint="--tolerance")
        return None
    kind, equals, value = text.partition("=")
    if not (equals and kind in EXPECTED and value):
        raise typer.BadParameter(
            f"It reads TYPE=VALUE; types are {', '.join(EXPECTED)}.", param_hint="--expect"
        )
    expected = {"type": kind, "value": read_value(kind, value)}
    return expected if tolerance is None else {**expected, "tolerance": tolerance}


def read_value(kind: str, value: str) -> Any:
    """The value as the wire has it: text, but a number or JSON where the type wants that."""
    if kind not in {"number", "json"}:
        return value
    try:
        return read_strictly(value)
    except (ValueError, RecursionError):
        raise typer.BadParameter(
            f"The value of {kind} is JSON, such as {EXPECTED[kind]}.", param_hint="--expect"
        ) from None


def read_strictly(text: str) -> Any:
    """Return what JSON says; what Python reads beyond it, and JSON cannot send on, is a ValueError."""
    value = json.loads(text)
    json.dumps(value, allow_nan=False)
    return value


def read_script(file: Path | None) -> Any:
    return read_json(file, list, "--script") if file else None


def read_json(file: Path, kind: type, option: str) -> Any:
    try:
        value = read_strictly(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError, OSError):
        raise typer.BadParameter(f"{file} holds no JSON that can be read.", param_hint=option) from None
    if not isinstance(value, kind):
        raise typer.BadParameter(
            f"{file} must hold a JSON {'object' if kind is dict else 'list'}.", param_hint=option
        )
    return value
