"""GET /api/keys/self: what a key may know of itself."""

from fastapi import APIRouter

from mixus.core.clock import shown
from mixus.keys import service
from mixus.server.answers import Json, success
from mixus.server.api.schemas import KeyAnswer
from mixus.server.deps import BARE, Asking
from mixus.server.openapi import refusals

router = APIRouter(prefix="/api/keys", tags=["keys"])


@router.get(
    "/self",
    response_model=KeyAnswer,
    dependencies=BARE,
    responses=refusals(),
    summary="The key that is calling",
)
def describe_self(call: Asking) -> Json:
    """Any key may ask; the secret is not in the answer."""
    key = service.describe(call.tx, call.principal.credential_id)
    return success(
        {
            "id": key.id,
            "name": key.name,
            "description": key.description,
            "masked": key.masked,
            "scopes": [scope.value for scope in key.scopes],
            "createdAt": shown(key.created_at),
            "expiresAt": key.expires_at and shown(key.expires_at),
        }
    )
