"""Keys: the routes of their owner, who is signed in, and the two that a key or its finder may use."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from fastapi import Query as QueryOf

from mixus.core.clock import shown
from mixus.core.pages import Page
from mixus.evals import capacity
from mixus.evals.lifecycle import Status
from mixus.keys import info, leaks, report, service
from mixus.keys.info import shown_or_none
from mixus.server import receipt, rotating
from mixus.server.answers import Document, Json, page_of, success
from mixus.server.api import key_documents
from mixus.server.api.key_documents import key_document
from mixus.server.api.key_schemas import (
    ChangeKey,
    CreateKey,
    KeyAnswer,
    KeyPage,
    NewKeyAnswer,
    ReceiptAnswer,
    Received,
    ReportLeak,
    RevokeKey,
    RotateKey,
    SelfAnswer,
    UsageAnswer,
)
from mixus.server.deps import BARE, Asking, Call, Open, Served, SignedIn, SignedInReading
from mixus.server.idempotency import IdempotencyKey, once_secret
from mixus.server.openapi import WITH_BODY, problems, refusals
from mixus.server.receipt import Revocation
from mixus.server.wire import Limit, NothingBody, Query

router = APIRouter(prefix="/api/keys", tags=["keys"])


class KeyQuery(Query):
    limit: Limit = 50
    cursor: str | None = None


KeyIdOfPath = Annotated[str, Path(alias="keyId")]


async def own_key_id(call: SignedIn, key_id: KeyIdOfPath) -> str:
    """A key that the caller may see; another's is not there."""
    return _own(call, key_id)


async def own_key_id_read(call: SignedInReading, key_id: KeyIdOfPath) -> str:
    return _own(call, key_id)


def few_reports(request: Request, services: Served) -> None:
    leaks.admit(services.limiter, request.state.network)


OwnKey = Annotated[str, Depends(own_key_id)]
OwnKeyRead = Annotated[str, Depends(own_key_id_read)]


@router.get("/self", response_model=SelfAnswer, dependencies=BARE, responses=refusals(), summary="The caller")
def describe_self(call: Asking) -> Json:
    """Any key may ask; the secret is not in the answer."""
    key = info.describe(call.tx, call.principal.credential_id)
    return success(
        {
            "id": key.id,
            "name": key.name,
            "description": key.description,
            "masked": key.masked,
            "scopes": [scope.value for scope in key.scopes],
            "allowLive": key.allow_live,
            "createdAt": shown(key.created_at),
            "expiresAt": shown_or_none(key.expires_at),
            "replacedBy": key.replaced_by,
            "limits": {"requests": _requests_left(call), "executions": _executions_left(call)},
        }
    )


@router.post(
    "/report-leak",
    response_model=Received,
    dependencies=[*BARE, Depends(few_reports)],
    responses=problems(400, 413, 415, 422, 429, 500, 503),
    summary="Report a key that you found",
)
def report_leak(call: Open, body: ReportLeak) -> Json:
    """Revokes it and tells its owner. The answer is the same whatever was sent, and needs no credential."""
    leaks.report(call.tx, call.services.pepper, body.key, call.network, call.now)
    return success({"received": True})


@router.post(
    "",
    status_code=201,
    response_model=NewKeyAnswer,
    dependencies=BARE,
    responses=refusals(409, *WITH_BODY),
    summary="Make a key",
)
def create_key(call: SignedIn, body: CreateKey, idempotency_key: IdempotencyKey = None) -> Json:
    """The secret is in this answer and nowhere else; a repeat with the same Idempotency-Key gets 409."""

    def create() -> tuple[str, Document]:
        new = body.new_key(call.principal.user_id)
        actor, services = call.principal.actor, call.services
        secret, key = service.create(call.tx, services.pepper, new, actor, call.now, services.rules)
        return key.id, {"success": True, **key_document(key, call.now), "key": secret}

    return once_secret(call, idempotency_key, body, create)


@router.get("", response_model=KeyPage, responses=refusals(), summary="List your keys")
def list_keys(call: SignedInReading, query: Annotated[KeyQuery, QueryOf()]) -> Json:
    """Newest first, in every state."""
    page = info.page_of_keys(call.tx, call.principal.user_id, query.limit, query.cursor)
    counts = {
        "active": service.count_active(call.tx, call.principal.user_id, call.now),
        "mostActive": call.services.rules.most_active,
    }
    items = [key_document(key, call.now) for key in page.items]
    return page_of(Page(items, page.next_cursor), counts)


@router.get(
    "/{keyId}",  # noqa: FAST003 - an alias
    response_model=KeyAnswer,
    dependencies=BARE,
    responses=refusals(404),
    summary="One key",
)
def describe_key(call: SignedInReading, key_id: OwnKeyRead) -> Json:
    return success(key_document(info.describe(call.tx, key_id), call.now))


@router.patch(
    "/{keyId}",  # noqa: FAST003 - an alias
    response_model=KeyAnswer,
    dependencies=BARE,
    responses=refusals(404, *WITH_BODY),
    summary="Rename, describe or narrow a key",
)
def change_key(call: SignedIn, key_id: OwnKey, body: ChangeKey) -> Json:
    """In force at its next request. A key is never widened."""
    key = service.change(call.tx, key_id, body.change(), call.principal.actor, call.now)
    return success(key_document(key, call.now))


@router.post(
    "/{keyId}/rotate",  # noqa: FAST003 - an alias
    status_code=201,
    response_model=NewKeyAnswer,
    dependencies=BARE,
    responses=refusals(404, 409, *WITH_BODY),
    summary="Replace a key by a new one",
)
def rotate_key(
    call: SignedIn, key_id: OwnKey, body: RotateKey, idempotency_key: IdempotencyKey = None
) -> Json:
    """Both work until the overlap ends, and share one rate limit. A second rotation ends the first one's."""

    def rotate() -> tuple[str, Document]:
        secret, key = rotating.rotate(call, body.rotation(key_id))
        return key.id, {"success": True, **key_document(key, call.now), "key": secret}

    return once_secret(call, idempotency_key, body, rotate)


@router.post(
    "/{keyId}/disable",  # noqa: FAST003 - an alias
    response_model=KeyAnswer,
    dependencies=BARE,
    responses=refusals(404, 409, *WITH_BODY),
    summary="Disable a key",
)
def disable_key(call: SignedIn, key_id: OwnKey, _body: NothingBody | None = None) -> Json:
    """Refused from its next request on, until it is enabled. It keeps its place among the active ones."""
    return success(key_document(service.disable(call.tx, key_id, call.principal.actor, call.now), call.now))


@router.post(
    "/{keyId}/enable",  # noqa: FAST003 - an alias
    response_model=KeyAnswer,
    dependencies=BARE,
    responses=refusals(404, 409, *WITH_BODY),
    summary="Enable a disabled key",
)
def enable_key(call: SignedIn, key_id: OwnKey, _body: NothingBody | None = None) -> Json:
    return success(key_document(service.enable(call.tx, key_id, call.principal.actor, call.now), call.now))


@router.post(
    "/{keyId}/revoke",  # noqa: FAST003 - an alias
    response_model=ReceiptAnswer,
    dependencies=BARE,
    responses=refusals(404, 409, *WITH_BODY),
    summary="End a key for ever",
)
def revoke_key(call: SignedIn, key_id: OwnKey, body: RevokeKey | None = None) -> Json:
    """The answer is a receipt: since when, its last use, and what of it is still open or running."""
    asked = body or RevokeKey()
    wanted = Revocation(key_id, call.principal.email, asked.reason, asked.cancel_executions or False)
    last = call.services.bookkeeper.last_use(key_id)
    given = receipt.revoke(call.tx, wanted, call.principal.actor, call.now, last)
    return success(key_documents.receipt_document(given, call.now))


@router.get(
    "/{keyId}/usage",  # noqa: FAST003 - an alias
    response_model=UsageAnswer,
    dependencies=BARE,
    responses=refusals(404),
    summary="How a key was used",
)
def describe_usage(call: SignedInReading, key_id: OwnKeyRead) -> Json:
    """By day for 90 days, by route and outcome; at most two seconds old."""
    key = info.describe(call.tx, key_id)
    return success(key_documents.usage_document(key, report.usage_of(call.tx, key, call.now), call.now))


def _own(call: Call, key_id: str) -> str:
    return info.describe_own(call.tx, call.principal, key_id).id


def _requests_left(call: Call) -> Document:
    policy, allowance = call.services.door.requests, call.request.state.allowance
    return {
        "limit": policy.limit,
        "windowMs": policy.window_seconds * 1000,
        "remaining": allowance.remaining,
        "resetMs": allowance.wait_seconds * 1000,
    }


def _executions_left(call: Call) -> Document:
    count = capacity.count_live(call.tx, call.principal.user_id)
    most = call.services.capacity
    return {
        "running": count.get(Status.RUNNING, 0),
        "mostRunning": call.services.running_per_user,
        "queued": count.get(Status.QUEUED, 0),
        "mostQueued": most.queued,
        "waiting": count.get(Status.AWAITING, 0),
        "mostWaiting": most.waiting,
    }
