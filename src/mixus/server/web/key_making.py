"""Pages that make a key, anew or as the successor of another, and show its secret once."""

from typing import Annotated, Final

from fastapi import APIRouter, Path
from starlette.responses import Response

from mixus.accounts.principal import SCOPES_OF, Scope
from mixus.keys import info, lifecycle, overview, service
from mixus.keys.info import KeyInfo
from mixus.server import rotating
from mixus.server.web import frame, key_examples
from mixus.server.web.forms import Fields, Refused, parsed, tried
from mixus.server.web.key_forms import KEYS, NEVER, NewKeyForm, RotateForm
from mixus.server.web.once import SentBefore, once, word
from mixus.server.web.visits import Posting, Seeing, Visit

# Least of all, and what the others are of little use without.
FIRST: Final = {"scopes": [Scope.READ.value], "expires": [f"{lifecycle.LIFETIME.days}"]}

REPEATED: Final = "This form has made its key before."

# A secret and its key.
Made = tuple[str, KeyInfo]

router = APIRouter(include_in_schema=False)

KeyId = Annotated[str, Path(alias="keyId")]


@router.get(KEYS + "/new")
def ask_for_key(visit: Seeing) -> Response:
    """`?like=` fills it in with what is written on another key."""
    like = visit.request.query_params.get("like")
    model = None if like is None else info.describe_own(visit.tx, visit.principal, like)
    return _form(visit, Fields(FIRST) if model is None else _written(model))


@router.post(KEYS + "/new")
def make_key(visit: Posting) -> Response:
    def create() -> tuple[str, Made]:
        new = parsed(NewKeyForm, visit.fields).new_key(visit.principal.user_id)
        services = visit.services
        made = service.create(
            visit.tx, services.pepper, new, visit.principal.actor, visit.now, services.rules
        )
        return made[1].id, made

    made = tried(visit.tx, lambda: once(visit, create, REPEATED))
    if isinstance(made, Refused):
        return _already(visit, made) or _form(visit, visit.fields, made)
    return _secret(visit, *made)


@router.get(KEYS + "/{keyId}/rotate")
def ask_for_rotation(visit: Seeing, key_id: KeyId) -> Response:
    return _rotation(visit, info.describe_own(visit.tx, visit.principal, key_id))


@router.post(KEYS + "/{keyId}/rotate")
def rotate_key(visit: Posting, key_id: KeyId) -> Response:
    key = info.describe_own(visit.tx, visit.principal, key_id)

    def rotate() -> tuple[str, Made]:
        made = rotating.rotate(visit, parsed(RotateForm, visit.fields).rotation(key.id))
        return made[1].id, made

    made = tried(visit.tx, lambda: once(visit, rotate, REPEATED))
    if isinstance(made, Refused):
        return _already(visit, made) or _rotation(visit, key, made)
    return _secret(visit, *made, predecessor=info.describe(visit.tx, key.id))


def _form(visit: Visit, entered: Fields, refused: Refused | None = None) -> Response:
    rules = visit.services.rules
    active = service.count_active(visit.tx, visit.principal.user_id, visit.now)
    return frame.page(
        visit,
        "key_new.html",
        refused,
        entered=entered,
        once=word(visit.now),
        allowed=SCOPES_OF[visit.principal.role],
        lifetimes=lifecycle.LIFETIME_DAYS,
        may_be_endless=rules.may_be_endless,
        is_full=active >= rules.most_active,
        most_active=rules.most_active,
        live_tools=sorted(visit.services.catalog.live.tools),
    )


def _written(model: KeyInfo) -> Fields:
    return Fields(
        {
            "name": [model.name],
            "description": [model.description],
            "scopes": [scope.value for scope in model.scopes],
            "expires": [NEVER] if model.expires_at is None else FIRST["expires"],
            "allow_live": ["on"] if model.allow_live else [],
        }
    )


def _rotation(visit: Visit, key: KeyInfo, refused: Refused | None = None) -> Response:
    return frame.page(
        visit,
        "key_rotate.html",
        refused,
        key=key,
        entered=visit.fields,
        once=word(visit.now),
        lifetimes=lifecycle.LIFETIME_DAYS,
        use=overview.uses_of(visit.tx, [key], visit.now)[key.id],
    )


def _secret(visit: Visit, secret: str, key: KeyInfo, predecessor: KeyInfo | None = None) -> Response:
    address = key_examples.address_of(visit)
    return frame.page(
        visit,
        "key_secret.html",
        secret=secret,
        key=key,
        predecessor=predecessor,
        export=key_examples.EXPORT,
        curl=key_examples.curl(address, key.scopes),
        python=key_examples.python(address, key.scopes),
    )


def _already(visit: Visit, refused: Refused) -> Response | None:
    """For a form that was sent again as it was."""
    if not isinstance(refused.error, SentBefore):
        return None
    key = info.describe_own(visit.tx, visit.principal, refused.error.members["madeId"])
    return frame.page(visit, "key_already.html", refused, key=key)
