"""Raising a checkpoint: what the reviewer is shown, and what his approval will be bound to."""

from collections.abc import Sequence

from mixus.agents.calls import Call
from mixus.agents.gate import AskReviewer
from mixus.core.database import Row
from mixus.core.ids import new_id
from mixus.evals import progress
from mixus.evals.lifecycle import DECLARED, Failure, Source
from mixus.evals.progress import Leg, Pause
from mixus.evals.tasks import NewCheckpoint
from mixus.worker.bench import Bench, Failed
from mixus.worker.state import State

MAX_WORK = 20_000
ANSWER_AFTER_HINT = NewCheckpoint(
    stage="answer",
    description="The agent's answer, after a hint and without any effect.",
    verification_question="Is this right?",
)


async def ask(bench: Bench, leg: Leg, state: State, move: AskReviewer) -> bool:
    """Raise the checkpoint; whether the segment ends here. The baseline records it and goes on."""
    pause = _pause(state, move)
    if not state.board.is_baseline:
        await bench.write(progress.pause, leg, pause)
        return True
    await bench.write(progress.pass_by, leg, pause)
    if move.source is Source.UNCERTAIN:
        tool = move.held[0].tool.name
        raise Failed(Failure.EFFECT_UNCERTAIN, f"It is not known whether {tool} took effect.")
    return False


def _pause(state: State, move: AskReviewer) -> Pause:
    bound = [*move.held, *([move.asking] if move.asking else [])]
    is_new = move.checkpoint_id is None
    is_uncertain = is_new and move.source is Source.UNCERTAIN
    return Pause(
        checkpoint_id=move.checkpoint_id or new_id("chk"),
        is_new=is_new,
        # Asked again after a hint, it is about a new call, and no longer about what may have happened.
        source=move.source if is_new or move.source in DECLARED else Source.AUTO,
        spec=_spec(state, move),
        work=_work(state.journal, move.asking),
        actions=[call.shown() for call in move.held],
        # An uncertain call is never released: it may have happened already.
        digests={} if is_uncertain else {call.action_id: call.digest for call in bound},
    )


def _spec(state: State, move: AskReviewer) -> NewCheckpoint:
    """What was declared keeps its words; everything else is described by what is held now."""
    for row in state.board.checkpoints:
        if row["id"] == move.checkpoint_id and row["source"] in DECLARED:
            return NewCheckpoint(row["stage"], row["description"], row["verification_question"])
    if move.source is Source.UNCERTAIN and move.checkpoint_id is None:
        return _uncertain(move.held[0])
    if move.held:
        return _effects(move.held)
    return _asked_by_agent(move.asking) if move.asking else ANSWER_AFTER_HINT


def _effects(held: Sequence[Call]) -> NewCheckpoint:
    names = ", ".join(dict.fromkeys(call.tool.name for call in held))
    return NewCheckpoint(
        stage=held[0].tool.effect.value,
        description=f"Before {names} takes effect.",
        verification_question="May the agent do exactly this?",
    )


def _uncertain(call: Call) -> NewCheckpoint:
    return NewCheckpoint(
        stage=call.tool.effect.value,
        description=f"{call.tool.name} was under way when its process died.",
        verification_question=(
            "It is not known whether this happened. Approve to count it as done; a hint tells the agent."
        ),
    )


def _asked_by_agent(asking: Call) -> NewCheckpoint:
    stage = asking.canonical["stage"]
    return NewCheckpoint(stage, "The agent asks for its work to be verified.", "Is this right?")


def _work(journal: Sequence[Row], asking: Call | None) -> str:
    """What the agent said and found since the last decision, newest last."""
    lines: list[str] = []
    for entry in journal:
        data = entry["data"]
        if entry["kind"] == "decision":
            lines.clear()
        elif entry["kind"] == "model-call" and data["text"]:
            lines.append(data["text"])
        elif entry["kind"] == "tool-call" and "result" in data:
            lines.append(f"{data['tool']}: {data['result']}")
    if asking is not None:
        lines.append(asking.canonical["work"])
    return "\n".join(line for line in lines if line)[-MAX_WORK:]
