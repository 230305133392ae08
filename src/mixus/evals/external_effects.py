"""Effects of a foreign agent: proposed, released, begun exactly once, and what came of them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import select

from mixus.accounts.principal import Principal, Scope
from mixus.core.database import Row, Transaction, upsert
from mixus.core.errors import Invalid
from mixus.core.ids import new_id
from mixus.evals import access, effects, external, external_asking, external_gate, progress
from mixus.evals.digests import digest
from mixus.evals.effects import Intent
from mixus.evals.errors import ArgumentsChanged, EffectNotReleased, EffectNotStarted, EffectStarted
from mixus.evals.external_asking import Action, board_of, leg_of
from mixus.evals.lifecycle import FINAL, Effect, Environment, Status
from mixus.evals.tables import effects as effect_table
from mixus.evals.tables import executions, trace
from mixus.evals.transitions import Entry, Move, apply

# What a sandbox keeps in place of a result.
RECORDED: Final = {"status": "recorded", "sandbox": True}
ONE_CALL: Final = {"tool_calls": executions.c.tool_calls + 1}
ONE_ERROR: Final = {**ONE_CALL, "errors": executions.c.errors + 1}


class EffectState(StrEnum):
    """Of an effect."""

    AWAITING = "awaiting"
    RELEASED = "released"
    STARTED = "started"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True)
class Proposal:
    tool: str
    effect: Effect
    arguments: Mapping[str, Any]
    work: str | None = None


@dataclass(frozen=True)
class Proposed:
    """`attempt` is the one that the reviewer is shown; a checkpoint is there only where somebody is asked."""

    action_id: str
    state: EffectState
    checkpoint_id: str | None = None
    attempt: int | None = None


@dataclass(frozen=True)
class Beginning:
    """`record` is the result that a sandbox keeps in place of a real one."""

    action_id: str
    arguments: Mapping[str, Any]
    record: Any = None


@dataclass(frozen=True)
class Outcome:
    """What the process says came of it. Unknown: it broke, and nobody can tell whether it happened."""

    result: Any = None
    error: str | None = None
    is_unknown: bool = False


@dataclass(frozen=True)
class Known:
    """An effect as far as it has come. `arguments` are as proposed, `effective` as released."""

    action_id: str
    tool: str
    effect: Effect
    arguments: Mapping[str, Any]
    effective: Mapping[str, Any]
    state: EffectState
    result: Any = None


def propose(
    tx: Transaction, principal: Principal, caller: external.Process, proposal: Proposal, now: datetime
) -> Proposed:
    """Ask for exactly this call; it waits as rows until a reviewer has decided."""
    row = external.running(tx, principal, caller, now)
    if proposal.effect is Effect.READ:
        raise Invalid("A read needs no approval; note it as a step.", field="effect")
    action = Action(new_id("act"), proposal.tool, proposal.effect, proposal.arguments)
    wanted = external_gate.before_effect(board_of(tx, row))
    is_free = wanted is None
    entry = Entry("effect-proposed", {**action.shown(), "isFree": is_free})
    progress.note(tx, leg_of(row), [entry], now, leased_at=now)
    if wanted is None:
        return Proposed(action.action_id, EffectState.RELEASED)
    asked = external_asking.about_effect(action, proposal.work)
    checkpoint_id = external_asking.ask(tx, row, wanted, asked, now)
    if checkpoint_id is None:
        return Proposed(action.action_id, EffectState.RELEASED)
    return Proposed(action.action_id, EffectState.AWAITING, checkpoint_id, wanted.attempt)


def start(
    tx: Transaction,
    principal: Principal,
    caller: external.Process,
    beginning: Beginning,
    now: datetime,
) -> Known:
    """Claim the release, exactly once. In the sandbox nothing is to happen, and it is done with that."""
    row = external.running(tx, principal, caller, now)
    released = _released(tx, row, beginning.action_id)
    if digest(released.tool, beginning.arguments) != released.digest:
        raise ArgumentsChanged(
            "These are not the arguments that were released; do it with those, or ask anew."
        )
    _intend(tx, row, released, now)
    if row["environment"] is Environment.SANDBOX:
        outcome = Outcome(RECORDED if beginning.record is None else beginning.record)
        _settle(tx, row, released, outcome, now)
        return _known(released, EffectState.DONE, outcome.result)
    if beginning.record is not None:
        raise Invalid("This execution is live: its result comes after the act.", field="record")
    entry = Entry("effect-intended", released.shown())
    progress.note(tx, leg_of(row), [entry], now, leased_at=now)
    return _known(released, EffectState.STARTED, None)


def conclude(
    tx: Transaction, principal: Principal, execution_id: str, action_id: str, outcome: Outcome, now: datetime
) -> tuple[Known, Row]:
    """Write the result, whatever has become of the execution meanwhile, and answer what stands.

    Whoever took the execution over does not know it; the process that acted does, so it is not fenced off.
    """
    principal.require(Scope.CREATE)
    row = external.require_external(access.owned(tx, principal, execution_id))
    intent = effects.of_execution(tx, execution_id).get(action_id)
    if intent is None:
        raise EffectNotStarted("This effect was never begun here; begin it before you do it.")
    action = _actions(tx, execution_id)[action_id]
    if intent["finished_at"] is None:
        row = (
            _leave_open(tx, row, action, now)
            if outcome.is_unknown
            else _settle(tx, row, action, outcome, now)
        )
        intent = effects.of_execution(tx, execution_id)[action_id]
    return _known(action, _state(intent), intent["result"]), row


def known_effects(tx: Transaction, row: Row) -> list[Known]:
    """Those that were released, in order: what a process that takes over need not ask for again."""
    board = board_of(tx, row)
    intents = effects.of_execution(tx, row["id"])
    found: list[Known] = []
    for entry in _entries(tx, row["id"], "effect-proposed"):
        action = _action(entry)
        effective = _effective(external_gate.releasing(board, action.action_id), action)
        if effective is None and not entry["isFree"]:
            continue
        intent = intents.get(action.action_id)
        state = EffectState.RELEASED if intent is None else _state(intent)
        known = _known(effective or action, state, intent and intent["result"])
        found.append(replace(known, arguments=action.arguments))
    return found


def open_actions(tx: Transaction, execution_id: str) -> list[Action]:
    """Those that were begun and of which nobody knows how they ended."""
    actions = _actions(tx, execution_id)
    intents = effects.of_execution(tx, execution_id).items()
    return [actions[action_id] for action_id, intent in intents if intent["finished_at"] is None]


def _released(tx: Transaction, row: Row, action_id: str) -> Action:
    """The call as it may be made; raises NotFound or EffectNotReleased."""
    entry = next((e for e in _entries(tx, row["id"], "effect-proposed") if e["actionId"] == action_id), None)
    if entry is None:
        raise access.missing_effect(action_id)
    action = _action(entry)
    effective = _effective(external_gate.releasing(board_of(tx, row), action_id), action)
    if effective is None and not entry["isFree"]:
        raise EffectNotReleased("This effect is not released; wait for the reviewer, or propose it anew.")
    return effective or action


def _effective(checkpoint: Row | None, action: Action) -> Action | None:
    if checkpoint is None:
        return None
    shown = next(each for each in checkpoint["effective_actions"] if each["actionId"] == action.action_id)
    effective = _action(shown)
    is_bound = checkpoint["digests"][action.action_id] == effective.digest
    return effective if is_bound else None


def _intend(tx: Transaction, row: Row, action: Action, now: datetime) -> None:
    """The primary key lets one through, of however many processes."""
    intent = Intent(action.action_id, row["id"], action.tool, action.effect, action.digest)
    statement = upsert(tx, effect_table).values(**asdict(intent), intended_at=now)
    if tx.execute(statement.on_conflict_do_nothing().returning(effect_table.c.action_id)).first() is None:
        raise EffectStarted("This effect was begun before; an approval serves once. Propose it anew.")


def _settle(tx: Transaction, row: Row, action: Action, outcome: Outcome, now: datetime) -> Row:
    is_error = outcome.error is not None
    value = outcome.error if is_error else outcome.result
    entry = Entry("tool-call", {**action.shown(), ("error" if is_error else "result"): value})
    if row["status"] not in FINAL:
        values = {**(ONE_ERROR if is_error else ONE_CALL), "leased_at": now}
        is_late = row["status"] is Status.AWAITING
        row = apply(tx, Move(row["id"], [entry], values=values, is_seen=is_late), now) or row
        if is_late:
            external_asking.add_work(tx, row["id"], action, f"{action.tool}: this came late: {value}")
    effects.finish(tx, action.action_id, value, now, is_error=is_error)
    return row


def _leave_open(tx: Transaction, row: Row, action: Action, now: datetime) -> Row:
    """The reviewer is asked at once. Where the execution has ended nobody is."""
    if row["status"] in FINAL:
        return row
    row = external.resumed(tx, row, now)
    external_asking.ask_uncertain(tx, row, [action], now)
    return external.read(tx, row["id"])


def _state(intent: Row) -> EffectState:
    if intent["finished_at"] is None:
        return EffectState.STARTED
    return EffectState.FAILED if intent["is_error"] else EffectState.DONE


def _known(action: Action, state: EffectState, result: Any) -> Known:
    return Known(
        action.action_id, action.tool, action.effect, action.arguments, action.arguments, state, result
    )


def _actions(tx: Transaction, execution_id: str) -> dict[str, Action]:
    """What was begun, by action id."""
    return {
        entry["actionId"]: _action(entry)
        for entry in _entries(tx, execution_id, "effect-intended", "tool-call")
    }


def _entries(tx: Transaction, execution_id: str, *kinds: str) -> list[Mapping[str, Any]]:
    statement = (
        select(trace.c.data)
        .where(trace.c.execution_id == execution_id, trace.c.kind.in_(kinds))
        .order_by(trace.c.number)
    )
    return list(tx.execute(statement).scalars())


def _action(shown: Mapping[str, Any]) -> Action:
    return Action(shown["actionId"], shown["tool"], Effect(shown["effect"]), shown["arguments"])
