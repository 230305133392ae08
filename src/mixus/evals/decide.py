"""A reviewer's decision: recorded once, bound to what he was shown, and the execution goes on from it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select, update

from mixus.accounts.principal import Principal, Scope, Via
from mixus.core import dispatch, events
from mixus.core.clock import shown
from mixus.core.database import Row, Transaction
from mixus.core.errors import Invalid
from mixus.evals import access, asks, effects, external_rules
from mixus.evals.errors import (
    AlreadyDecided,
    CheckpointExpired,
    HintLimit,
    LiveNeedsPerson,
    NotAwaiting,
    StaleAttempt,
)
from mixus.evals.lifecycle import (
    AFTER_DECISION,
    HINT_LIMIT,
    TIMED_OUT,
    CheckpointStatus,
    Decision,
    Source,
    Status,
)
from mixus.evals.service import dispatch_segment
from mixus.evals.tables import checkpoints, executions
from mixus.evals.tasks import Effective, Verdict
from mixus.evals.transitions import Entry, Move, apply

REFUSALS = {
    CheckpointStatus.APPROVED: AlreadyDecided,
    CheckpointStatus.REJECTED: AlreadyDecided,
    CheckpointStatus.EXPIRED: CheckpointExpired,
    CheckpointStatus.SKIPPED: NotAwaiting,
    CheckpointStatus.PENDING: NotAwaiting,
}


def decide(
    tx: Transaction,
    principal: Principal,
    execution_id: str,
    checkpoint_id: str,
    verdict: Verdict,
    now: datetime,
) -> Row:
    """Record the decision and let the execution move on; the checkpoint as it stands afterwards.

    Of any number of rivals one wins: the execution is held from the first line on, and the update
    demands the attempt that the decider saw.
    """
    principal.require(Scope.MANAGE)
    if principal.via is Via.LINK and principal.credential_id != checkpoint_id:
        raise access.missing_checkpoint(checkpoint_id)
    execution = access.reviewed(tx, principal, execution_id)
    _require_person(principal, execution)
    verdict = external_rules.by_its_rules(execution, verdict)
    before = _checkpoint(tx, execution_id, checkpoint_id)
    _refuse_bad_hint(before, verdict)
    edits = _edits(before, verdict)
    after = _record(tx, principal, before, verdict, edits, now)
    if after is None:
        raise _refusal(before, verdict)
    if before["source"] is Source.UNCERTAIN:
        effects.settle(tx, before["proposed_actions"], verdict.action, now)
    _move_on(tx, principal, before, verdict, edits, now)
    return after


def _require_person(principal: Principal, execution: Row) -> None:
    if access.needs_person(execution, principal):
        raise LiveNeedsPerson(
            f"This execution is live, and a {principal.via} decides nothing that is real; sign in to decide."
        )


def _edits(before: Row, verdict: Verdict) -> dict[str, Effective]:
    """What was changed, by action id; an edit that changes nothing is none. Raises Invalid."""
    if verdict.edits is None:
        return {}
    if verdict.action is not Decision.APPROVE or before["source"] is Source.UNCERTAIN:
        raise Invalid("Edited actions go with the approval of what has not happened.", field="editedActions")
    if before["status"] is not CheckpointStatus.AWAITING or before["attempt"] != verdict.attempt:
        # Not what was shown: the record refuses it with the winner's name, and no edit is to blame.
        return {}
    proposed = {action["actionId"]: action for action in before["proposed_actions"]}
    unknown = [action_id for action_id in verdict.edits.arguments if action_id not in proposed]
    if unknown:
        raise Invalid(
            f"This checkpoint proposes no action {access.printable(unknown[0])}.", field="editedActions"
        )
    revised = {
        name: verdict.edits.revise(proposed[name], arguments)
        for name, arguments in verdict.edits.arguments.items()
    }
    return {name: each for name, each in revised.items() if each.digest != before["digests"].get(name)}


def _checkpoint(tx: Transaction, execution_id: str, checkpoint_id: str) -> Row:
    row = (
        tx.execute(
            select(checkpoints).where(
                checkpoints.c.id == checkpoint_id, checkpoints.c.execution_id == execution_id
            )
        )
        .mappings()
        .one_or_none()
    )
    if row is None:
        raise access.missing_checkpoint(checkpoint_id)
    return row


def _refuse_bad_hint(before: Row, verdict: Verdict) -> None:
    if verdict.action is not Decision.HINT:
        if verdict.hint is not None:
            raise Invalid(
                "A hint goes with a decision to give a hint only: give it, or take its words away.",
                field="hint",
            )
        return
    if not (verdict.hint or "").strip():
        raise Invalid(
            "A decision to give a hint needs a hint: say what the agent should do otherwise.", field="hint"
        )
    is_asked = before["status"] is CheckpointStatus.AWAITING and before["attempt"] == verdict.attempt
    if is_asked and len(before["hints"]) >= HINT_LIMIT:
        raise HintLimit(f"This checkpoint has had its {HINT_LIMIT} hints; approve or reject it.")


def _record(
    tx: Transaction,
    principal: Principal,
    before: Row,
    verdict: Verdict,
    edits: Mapping[str, Effective],
    now: datetime,
) -> Row | None:
    values = (
        _hinted(principal, before, verdict, now)
        if verdict.action is Decision.HINT
        else _closed(principal, before, verdict, edits, now)
    )
    return (
        tx.execute(
            update(checkpoints)
            .where(
                checkpoints.c.id == before["id"],
                checkpoints.c.status == CheckpointStatus.AWAITING,
                checkpoints.c.attempt == verdict.attempt,
            )
            .values(**values)
            .returning(checkpoints)
        )
        .mappings()
        .one_or_none()
    )


def _closed(
    principal: Principal, before: Row, verdict: Verdict, edits: Mapping[str, Effective], now: datetime
) -> dict[str, Any]:
    is_approved = verdict.action is Decision.APPROVE
    effective = [
        edits[action["actionId"]].action if action["actionId"] in edits else action
        for action in before["proposed_actions"]
    ]
    return {
        "digests": before["digests"] | {name: each.digest for name, each in edits.items()},
        "status": AFTER_DECISION[verdict.action][0],
        "effective_actions": effective if is_approved else [],
        "decision": verdict.action.value,
        "due_at": None,
        "decided_at": now,
        "decided_by": principal.email,
        "decided_via": principal.via.value,
        "comment": verdict.comment,
    }


def _hinted(principal: Principal, before: Row, verdict: Verdict, now: datetime) -> dict[str, Any]:
    """Back to pending at once: what was held is dropped, and the next ask is another attempt."""
    given = {
        "attempt": before["attempt"],
        "hint": verdict.hint,
        "comment": verdict.comment,
        "by": principal.email,
        "via": principal.via.value,
        **asks.seen(before),
        "at": shown(now),
    }
    return {
        "status": CheckpointStatus.PENDING,
        "attempt": before["attempt"] + 1,
        "hints": [*before["hints"], given],
        "work": None,
        "proposed_actions": [],
        "digests": {},
        "requested_at": None,
        "due_at": None,
        **asks.UNSEEN,
    }


def _refusal(before: Row, verdict: Verdict) -> Exception:
    """Why nothing was recorded, with the winner's name and time where there is one."""
    if before["attempt"] != verdict.attempt:
        last = before["hints"][-1] if before["hints"] else {}
        return StaleAttempt(
            f"You decided on attempt {verdict.attempt}; it is at attempt {before['attempt']} now. "
            "Read the checkpoint again.",
            decidedBy=last.get("by"),
            decidedAt=last.get("at"),
            attempt=before["attempt"],
        )
    refusal = REFUSALS[before["status"]]
    if before["decision"] == TIMED_OUT:
        at = shown(before["decided_at"])
        sentence = f"Nobody decided in time: this checkpoint was {before['status']} at {at}."
        return CheckpointExpired(sentence, decidedAt=at, decision=TIMED_OUT)
    if refusal is AlreadyDecided:
        return AlreadyDecided(
            f"{before['decided_by']} has already decided this checkpoint: {before['decision']}.",
            decidedBy=before["decided_by"],
            decidedAt=shown(before["decided_at"]),
            decision=before["decision"],
        )
    return refusal(
        f"This checkpoint is {before['status']} and awaits no decision; read the status for one that does."
    )


def _move_on(
    tx: Transaction,
    principal: Principal,
    before: Row,
    verdict: Verdict,
    edits: Mapping[str, Effective],
    now: datetime,
) -> None:
    _, to = AFTER_DECISION[verdict.action]
    data = {
        "checkpointId": before["id"],
        "stage": before["stage"],
        "attempt": before["attempt"],
        "action": verdict.action.value,
        "hint": verdict.hint,
        "comment": verdict.comment,
        "by": principal.email,
        "via": principal.via.value,
        "edited": {name: each.action["arguments"] for name, each in edits.items()},
    }
    entries = [Entry("decision", data)]
    if to is Status.REJECTED:
        entries.append(Entry("rejected", {"checkpointId": before["id"], "by": principal.email}))
    values = {"seq": executions.c.seq + 1} if to is Status.QUEUED else {}
    move = Move(before["execution_id"], entries, to, status=Status.AWAITING, values=values)
    row = apply(tx, move, now)
    if row is None:
        raise NotAwaiting("The execution has ended; there is nothing left to decide.")
    if to is Status.QUEUED and not external_rules.is_external(row):
        dispatch_segment(tx, row, dispatch.RESUMED)
    events.record(tx, "checkpoint.decided", before["id"], principal.actor, now, **data)
