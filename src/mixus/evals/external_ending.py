"""How an execution whose agent runs outside ends: with its answer, or by giving up."""

from datetime import datetime
from typing import Final

from mixus.accounts.principal import Principal
from mixus.core.database import Row, Transaction
from mixus.evals import external, external_asking, external_effects, external_gate, progress, scoring
from mixus.evals.board import Board
from mixus.evals.digests import digest
from mixus.evals.errors import ResultChanged
from mixus.evals.external import Process, Waiting
from mixus.evals.external_asking import Asked, board_of, leg_of
from mixus.evals.lifecycle import CheckpointStatus, Failure, Status
from mixus.evals.tasks import NewCheckpoint

RESULT: Final = "result"


def finish(tx: Transaction, principal: Principal, caller: Process, answer: str, now: datetime) -> Waiting:
    """Give the final answer: completed, or held until what is still undecided was decided on it.

    The same again changes nothing, so that it can be sent again where no answer came.
    """
    row = external.held_or_ended(tx, principal, caller)
    if row["status"] is Status.COMPLETED and row["result"] == answer:
        return Waiting(Status.COMPLETED)
    fingerprint = digest(RESULT, {RESULT: answer})
    asked_before = _asked_about(board_of(tx, row), fingerprint)
    if asked_before is not None:
        return external.waiting(asked_before["id"], asked_before["attempt"])
    row = external.resumed(tx, external.unfinished(row), now)
    return (
        _with_open_effects(tx, row, now)
        or _held(tx, row, answer, fingerprint, now)
        or _completed(tx, row, answer, now)
    )


def fail(tx: Transaction, principal: Principal, caller: Process, message: str, now: datetime) -> Waiting:
    """The agent gives up. What it began and never told of is then what it failed with."""
    row = external.running(tx, principal, caller, now)
    code, left = Failure.AGENT_ERROR, external_effects.open_actions(tx, row["id"])
    if left:
        code = Failure.EFFECT_UNCERTAIN
        message = f"{message} {external_asking.unknown(left)}"
    progress.fail(tx, leg_of(row), code, message, now)
    return Waiting(Status.FAILED)


def _asked_about(board: Board, fingerprint: str) -> Row | None:
    """The checkpoint that this very answer waits for."""
    for each in board.checkpoints:
        if each["status"] is CheckpointStatus.AWAITING and each["digests"].get(RESULT) == fingerprint:
            return each
    return None


def _with_open_effects(tx: Transaction, row: Row, now: datetime) -> Waiting | None:
    """Nothing is completed while it is not known what became of an effect."""
    left = external_effects.open_actions(tx, row["id"])
    if not left:
        return None
    checkpoint_id = external_asking.ask_uncertain(tx, row, left, now)
    return Waiting(Status.FAILED) if checkpoint_id is None else external.waiting(checkpoint_id, 1)


def _held(tx: Transaction, row: Row, answer: str, fingerprint: str, now: datetime) -> Waiting | None:
    board = board_of(tx, row)
    for each in board.checkpoints:
        is_approved = each["status"] is CheckpointStatus.APPROVED
        if is_approved and each["digests"].get(RESULT, fingerprint) != fingerprint:
            raise ResultChanged("A reviewer approved another answer; finish with that one.")
    spec = NewCheckpoint("answer", "The agent's answer, after a hint.", external_asking.IS_RIGHT)
    while (wanted := external_gate.before_end(board)) is not None:
        asked = Asked(spec, answer, digests={RESULT: fingerprint})
        checkpoint_id = external_asking.ask(tx, row, wanted, asked, now)
        if checkpoint_id is not None:
            return external.waiting(checkpoint_id, wanted.attempt)
        board = board_of(tx, row)
    return None


def _completed(tx: Transaction, row: Row, answer: str, now: datetime) -> Waiting:
    expected = row["expected_outcome"]
    score = None if expected is None else scoring.score(expected, answer).shown()
    progress.complete(tx, leg_of(row), answer, now, score=score)
    return Waiting(Status.COMPLETED)
