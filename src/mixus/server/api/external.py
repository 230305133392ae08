"""External executions: an agent in a process of the caller's tells what it does and asks before effects."""

from fastapi import APIRouter

from mixus.evals import external, external_effects, external_ending, external_takeover
from mixus.evals.external import Process, Waiting
from mixus.evals.external_effects import Beginning, Known, Proposal
from mixus.evals.lifecycle import Status
from mixus.server.answers import Document, Json, success
from mixus.server.api import external_schemas as schemas
from mixus.server.api.create import created
from mixus.server.deps import BARE, ActionId, Call, Creating, ExecutionId
from mixus.server.idempotency import IdempotencyKey, once
from mixus.server.openapi import WITH_BODY, refusals
from mixus.server.wire import NothingBody

router = APIRouter(prefix="/api/eval/external-executions", tags=["external executions"])


@router.post(
    "",
    status_code=201,
    response_model=schemas.ExternalCreated,
    dependencies=BARE,
    responses=refusals(409, *WITH_BODY),
    summary="Begin an execution whose agent is yours",
)
def begin_external(call: Creating, body: schemas.NewExternal, idempotency_key: IdempotencyKey = None) -> Json:
    """It runs at once, in the process that calls."""

    def begin() -> Document:
        unverified = call.services.catalog.live.without_verification
        row = external.create(
            call.tx,
            call.principal,
            body.task(),
            call.now,
            call.services.capacity,
            may_go_unverified=unverified,
        )
        return created(call, row) | {"environment": row["environment"], "workerId": row["worker_id"]}

    return once(call, idempotency_key, body, begin)


@router.post(
    "/{executionId}/attach",  # noqa: FAST003 - an alias in deps.py
    response_model=schemas.Attached,
    dependencies=BARE,
    responses=refusals(404, 409, *WITH_BODY),
    summary="Go on with it in this process",
)
def attach_external(call: Creating, execution_id: ExecutionId, _body: NothingBody | None = None) -> Json:
    """The process before is fenced off; what it began and did not finish is shown to the reviewer."""
    row = external_takeover.attach(call.tx, call.principal, execution_id, call.now)
    effects = external_effects.known_effects(call.tx, row)
    return success(
        {
            "executionId": execution_id,
            "workerId": row["worker_id"],
            "status": row["status"],
            "testMode": row["test_mode"],
            "environment": row["environment"],
            "effects": [_known(effect) for effect in effects],
        }
    )


@router.post(
    "/{executionId}/steps",  # noqa: FAST003 - an alias in deps.py
    status_code=201,
    response_model=schemas.Noted,
    dependencies=BARE,
    responses=refusals(404, 409, *WITH_BODY),
    summary="Note a step",
)
def note_external_step(
    call: Creating,
    execution_id: ExecutionId,
    body: schemas.StepFields,
    idempotency_key: IdempotencyKey = None,
) -> Json:
    """An entry of the trace, and a sign of life."""

    def note() -> Document:
        process = Process(execution_id, body.worker_id)
        external.note_step(call.tx, call.principal, process, body.step(), call.now)
        return {"success": True, "executionId": execution_id}

    return once(call, idempotency_key, body, note)


@router.post(
    "/{executionId}/checkpoints",  # noqa: FAST003 - an alias in deps.py
    status_code=201,
    response_model=schemas.Held,
    dependencies=BARE,
    responses=refusals(404, 409, *WITH_BODY),
    summary="Ask for a reviewer",
)
def ask_external(
    call: Creating, execution_id: ExecutionId, body: schemas.AskFields, idempotency_key: IdempotencyKey = None
) -> Json:
    """Raises the next undecided checkpoint, or one more where effects are detected."""

    def ask() -> Document:
        process = Process(execution_id, body.worker_id)
        waiting = external.checkpoint(call.tx, call.principal, process, body.stage, body.work, call.now)
        return {"success": True, **_held(execution_id, waiting)}

    return once(call, idempotency_key, body, ask)


@router.post(
    "/{executionId}/effects",  # noqa: FAST003 - an alias in deps.py
    status_code=201,
    response_model=schemas.ProposedEffect,
    dependencies=BARE,
    responses=refusals(404, 409, *WITH_BODY),
    summary="Propose an effect",
)
def propose_external(
    call: Creating,
    execution_id: ExecutionId,
    body: schemas.ProposalFields,
    idempotency_key: IdempotencyKey = None,
) -> Json:
    """Do nothing yet: wait in the status for the decision, then start it."""

    def propose() -> Document:
        process = Process(execution_id, body.worker_id)
        proposal = Proposal(body.tool, body.effect, body.arguments, body.work)
        proposed = external_effects.propose(call.tx, call.principal, process, proposal, call.now)
        return {
            "success": True,
            "executionId": execution_id,
            "actionId": proposed.action_id,
            "state": proposed.state,
            "checkpointId": proposed.checkpoint_id,
            "attempt": proposed.attempt,
        }

    return once(call, idempotency_key, body, propose)


@router.post(
    "/{executionId}/effects/{actionId}/start",  # noqa: FAST003 - aliases
    status_code=201,
    response_model=schemas.EffectAnswer,
    dependencies=BARE,
    responses=refusals(404, 409, *WITH_BODY),
    summary="Begin a released effect, once",
)
def start_external(
    call: Creating,
    execution_id: ExecutionId,
    action_id: ActionId,
    body: schemas.StartFields,
    idempotency_key: IdempotencyKey = None,
) -> Json:
    """In the sandbox it is recorded and done; live it is yours to do now, and to tell how it ended."""
    process = Process(execution_id, body.worker_id)

    def start() -> Document:
        beginning = Beginning(action_id, body.arguments, body.record)
        known = external_effects.start(call.tx, call.principal, process, beginning, call.now)
        return _effect(execution_id, known, Status.RUNNING)

    begun = once(call, idempotency_key, body, start)
    # A repeat is leave to act, and whoever was fenced off meanwhile has none.
    external.require_held(call.tx, call.principal, process)
    return begun


@router.post(
    "/{executionId}/effects/{actionId}/result",  # noqa: FAST003 - aliases
    response_model=schemas.EffectAnswer,
    dependencies=BARE,
    responses=refusals(404, 409, *WITH_BODY),
    summary="Say what came of an effect",
)
def conclude_external(
    call: Creating, execution_id: ExecutionId, action_id: ActionId, body: schemas.OutcomeFields
) -> Json:
    """Kept whatever has become of the execution meanwhile; the first word stands."""
    asked = call.tx, call.principal, execution_id, action_id
    known, row = external_effects.conclude(*asked, body.outcome(), call.now)
    return Json(_effect(execution_id, known, row["status"]))


@router.post(
    "/{executionId}/finish",  # noqa: FAST003 - an alias in deps.py
    response_model=schemas.Held,
    dependencies=BARE,
    responses=refusals(404, 409, *WITH_BODY),
    summary="Give the final answer, or give up",
)
def finish_external(call: Creating, execution_id: ExecutionId, body: schemas.FinishFields) -> Json:
    """While a checkpoint is undecided the answer is held; give the same one again after the decision."""
    process = Process(execution_id, body.worker_id)
    waiting = _end(call, process, body)
    return success(_held(execution_id, waiting))


def _end(call: Call, process: Process, body: schemas.FinishFields) -> Waiting:
    end, said = (external_ending.fail, body.error) if body.error else (external_ending.finish, body.result)
    return end(call.tx, call.principal, process, said, call.now)


def _held(execution_id: str, waiting: Waiting) -> Document:
    return {
        "executionId": execution_id,
        "status": waiting.status,
        "checkpointId": waiting.checkpoint_id,
        "attempt": waiting.attempt,
    }


def _effect(execution_id: str, known: Known, status: str) -> Document:
    return {"success": True, "executionId": execution_id, "executionStatus": status, **_known(known)}


def _known(effect: Known) -> Document:
    return {
        "actionId": effect.action_id,
        "tool": effect.tool,
        "effect": effect.effect,
        "arguments": effect.arguments,
        "effectiveArguments": effect.effective,
        "state": effect.state,
        "result": effect.result,
    }
