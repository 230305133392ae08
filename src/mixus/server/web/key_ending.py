"""Pages that end the use of a key: for now, for good, and how to take the first back."""

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import Response

from mixus.keys import info, overview, service
from mixus.keys.info import KeyInfo
from mixus.keys.lifecycle import State
from mixus.server import receipt
from mixus.server.receipt import Receipt, Revocation
from mixus.server.web import frame
from mixus.server.web.forms import Refused, parsed, tried
from mixus.server.web.key_forms import KEYS, RevokeForm
from mixus.server.web.visits import Posting, Seeing, Visit

router = APIRouter(include_in_schema=False)

KeyId = Annotated[str, Path(alias="keyId")]


@router.get(KEYS + "/{keyId}/disable")
def ask_to_disable(visit: Seeing, key_id: KeyId) -> Response:
    return _question(visit, "key_disable.html", info.describe_own(visit.tx, visit.principal, key_id))


@router.post(KEYS + "/{keyId}/disable")
def disable_key(visit: Posting, key_id: KeyId) -> Response:
    key = info.describe_own(visit.tx, visit.principal, key_id)
    disabled = tried(visit.tx, lambda: service.disable(visit.tx, key.id, visit.principal.actor, visit.now))
    if isinstance(disabled, Refused):
        return _question(visit, "key_disable.html", key, disabled)
    return frame.see_other(f"{KEYS}/{key.id}?said=key-disabled")


@router.get(KEYS + "/{keyId}/enable")
def ask_to_enable(visit: Seeing, key_id: KeyId) -> Response:
    return _question(visit, "key_enable.html", info.describe_own(visit.tx, visit.principal, key_id))


@router.post(KEYS + "/{keyId}/enable")
def enable_key(visit: Posting, key_id: KeyId) -> Response:
    key = info.describe_own(visit.tx, visit.principal, key_id)
    enabled = tried(visit.tx, lambda: service.enable(visit.tx, key.id, visit.principal.actor, visit.now))
    if isinstance(enabled, Refused):
        return _question(visit, "key_enable.html", key, enabled)
    return frame.see_other(f"{KEYS}/{key.id}?said=key-enabled")


@router.get(KEYS + "/{keyId}/revoke")
def ask_to_revoke(visit: Seeing, key_id: KeyId) -> Response:
    """Of one that is revoked already, when and why."""
    key = info.describe_own(visit.tx, visit.principal, key_id)
    if key.state(visit.now) is State.REVOKED:
        return _told(visit, key)
    return _question(visit, "key_revoke.html", key)


@router.post(KEYS + "/{keyId}/revoke")
def revoke_key(visit: Posting, key_id: KeyId) -> Response:
    key = info.describe_own(visit.tx, visit.principal, key_id)
    given = tried(visit.tx, lambda: _revoke(visit, key))
    if not isinstance(given, Refused):
        return _told(visit, given.key, given)
    if key.state(visit.now) is State.REVOKED:
        return _told(visit, key, refused=given)
    return _question(visit, "key_revoke.html", key, given)


def _revoke(visit: Visit, key: KeyInfo) -> Receipt:
    form = parsed(RevokeForm, visit.fields)
    wanted = Revocation(key.id, visit.principal.email, form.reason, form.cancel_executions)
    last = visit.services.bookkeeper.last_use(key.id)
    return receipt.revoke(visit.tx, wanted, visit.principal.actor, visit.now, last)


def _question(visit: Visit, template: str, key: KeyInfo, refused: Refused | None = None) -> Response:
    """With what uses the key now."""
    last = visit.services.bookkeeper.last_use(key.id)
    return frame.page(
        visit,
        template,
        refused,
        key=key.used(last),
        entered=visit.fields,
        use=overview.uses_of(visit.tx, [key], visit.now)[key.id],
        outlook=receipt.outlook(visit.tx, key.id, visit.now),
    )


def _told(
    visit: Visit, key: KeyInfo, given: Receipt | None = None, refused: Refused | None = None
) -> Response:
    return frame.page(
        visit,
        "key_receipt.html",
        refused,
        key=key,
        receipt=given,
        outlook=receipt.outlook(visit.tx, key.id, visit.now),
        successor=None if key.replaced_by is None else info.describe(visit.tx, key.replaced_by),
    )
