"""The outermost layer: the id of each request, headers on every answer, limits, and who is calling."""

import logging
import traceback
from email.utils import format_datetime
from typing import Final

from fastapi.routing import iter_route_contexts
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mixus.accounts.principal import Via
from mixus.core.clock import from_ms, rfc3339
from mixus.core.errors import MixusError, Unavailable
from mixus.core.ids import new_id
from mixus.keys.authenticate import KeyRefused
from mixus.server import errors
from mixus.server.authentication import Admitted, Door, RateLimited, network_of
from mixus.server.bookkeeper import Bookkeeper
from mixus.server.errors import BodyTooLarge, Internal, MethodNotAllowed, NotJson
from mixus.server.web import refusals
from mixus.server.wire import LONGEST_BODY

API: Final = "/api/"
WITH_BODY: Final = frozenset({"POST", "PATCH"})
NO_SNIFFING: Final = (b"x-content-type-options", b"nosniff")
NO_STORE: Final = (b"cache-control", b"no-store")
# Where nobody is known yet: to sign in, to use a link, and for whoever finds a key.
OPEN: Final = frozenset(
    {("POST", "/api/session"), ("POST", "/api/links/redeem"), ("POST", "/api/keys/report-leak")}
)

log = logging.getLogger(__name__)

Headers = list[tuple[bytes, bytes]]


class Edge:
    """Plain ASGI, because the framework's own middleware class costs more than half of the speed.

    Everything under /api/ needs a credential, also what is not there: a stranger learns no route.
    """

    def __init__(self, app: ASGIApp, door: Door, bookkeeper: Bookkeeper, support: str | None = None) -> None:
        self.app = app
        self.support = support
        self.door = door
        self.bookkeeper = bookkeeper
        limit = f'"default";q={door.requests.limit};w={door.requests.window_seconds}'
        self.policy_header = (b"ratelimit-policy", limit.encode())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = new_id("req")
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        client = scope.get("client")
        state["network"] = network_of(client[0]) if client else None
        answer = _Answer(send, scope, self.bookkeeper, [(b"x-request-id", request_id.encode()), NO_SNIFFING])
        try:
            if scope["path"].startswith(API):
                answer.headers.append(NO_STORE)
                if (scope["method"], scope["path"]) not in OPEN:
                    await self._admit(scope, answer)
            if scope["method"] in WITH_BODY:
                receive = await _whole_body(scope, receive)
            await self.app(scope, receive, answer.send)
        except Exception as error:  # noqa: BLE001 - whatever went wrong, the client gets an answer
            await self._refuse(scope, receive, answer, error)

    async def _admit(self, scope: Scope, answer: "_Answer") -> None:
        try:
            admitted = await self.door.admit(scope, scope["state"]["network"])
        except RateLimited as refused:
            answer.key_id, answer.refusal = refused.admitted.principal.credential_id, refused.error_code
            answer.headers += self._told(refused.admitted)
            raise
        except KeyRefused as refused:
            answer.key_id, answer.refusal = refused.key_id, refused.error_code
            raise
        scope["state"].update(principal=admitted.principal, allowance=admitted.allowance)
        if admitted.principal.via is Via.KEY:
            answer.key_id = admitted.principal.credential_id
            answer.headers += self._told(admitted)

    def _told(self, admitted: Admitted) -> Headers:
        """What a key learns of itself from every answer (draft-ietf-httpapi-ratelimit-headers, RFC 8594)."""
        told: Headers = [self.policy_header]
        if admitted.allowance is not None:
            left = b'"default";r=%d;t=%d' % (admitted.allowance.remaining, admitted.allowance.wait_seconds)
            told.append((b"ratelimit", left))
        expires_at_ms = admitted.principal.expires_at_ms
        if expires_at_ms is not None:
            told.append((b"mxs-key-expires-at", rfc3339(expires_at_ms).encode()))
            if admitted.is_replaced:
                told.append((b"sunset", format_datetime(from_ms(expires_at_ms), usegmt=True).encode()))
        return told

    async def _refuse(self, scope: Scope, receive: Receive, answer: "_Answer", error: Exception) -> None:
        request_id = scope["state"]["request_id"]
        told = errors.understood(error)
        if isinstance(told, MethodNotAllowed):
            told = errors.method_not_allowed(_methods(scope))
        if isinstance(told, Internal | Unavailable):
            _log(request_id, error)
        if not answer.is_started:
            shown = refusals.refusal if refusals.is_for_a_person(scope) else _problem
            await shown(told, scope, request_id, self.support)(scope, receive, answer.send)


class _Answer:
    """The way back to the client, on which our headers are put."""

    def __init__(self, send: Send, scope: Scope, bookkeeper: Bookkeeper, headers: Headers) -> None:
        self._send = send
        self._scope = scope
        self._bookkeeper = bookkeeper
        self.headers = headers
        self.is_started = False
        # Whose request is counted, and the code with which the door refused it.
        self.key_id: str | None = None
        self.refusal = ""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.is_started = True
            message["headers"] = [*message["headers"], *self.headers]
            if self.key_id is not None:
                self._bookkeeper.note(self._scope, self.key_id, message["status"], self.refusal)
        await self._send(message)


async def _whole_body(scope: Scope, receive: Receive) -> Receive:
    """The body, read here so that its limit holds whatever the framework makes of an error while reading."""
    headers = dict(scope["headers"])
    if not _has_body(headers):
        return receive
    if scope["path"].startswith(API):
        _require_json(headers.get(b"content-type", b""))
    declared = headers.get(b"content-length", b"0")
    if declared.isdigit() and int(declared) > LONGEST_BODY:
        raise _too_large()
    messages = [await _body(receive)]

    async def replay() -> Message:
        return messages.pop() if messages else await receive()

    return replay


def _problem(error: MixusError, scope: Scope, request_id: str, support: str | None) -> Response:
    answer = errors.problem(error, request_id, support)
    if not scope["path"].startswith(API):
        # Else a cache might keep a 404 by itself (RFC 9111 §4.2.2). Below /api/ every answer has it.
        answer.headers["Cache-Control"] = "no-store"
    return answer


def _has_body(headers: dict[bytes, bytes]) -> bool:
    return b"transfer-encoding" in headers or headers.get(b"content-length", b"0").strip(b"0") != b""


async def _body(receive: Receive) -> Message:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return message
        body += message.get("body", b"")
        if len(body) > LONGEST_BODY:
            raise _too_large()
        if not message.get("more_body", False):
            return {"type": "http.request", "body": bytes(body), "more_body": False}


def _require_json(content_type: bytes) -> None:
    media_type, *parameters = (part.strip().lower() for part in content_type.split(b";"))
    charsets = {part.partition(b"=")[2].strip(b'"') for part in parameters if part.startswith(b"charset=")}
    if media_type != b"application/json" or not charsets <= {b"utf-8", b"utf8"}:
        raise NotJson("The body must be JSON in UTF-8, sent with Content-Type: application/json.")


def _too_large() -> BodyTooLarge:
    return BodyTooLarge(f"The body has more than {LONGEST_BODY} bytes; send less.")


def _methods(scope: Scope) -> list[str]:
    """Of all routes at this address; the framework names those of the first one only.

    An address that is written out, such as /api/keys/self, is not also one of /api/keys/{keyId}.
    """
    contexts = iter_route_contexts(scope["app"].routes)
    found = [route for route in contexts if route.matches(scope)[0] is Match.PARTIAL]
    exact = [route for route in found if route.path == scope["path"]]
    return sorted(set[str]().union(*(route.methods or () for route in exact or found)))


def _log(request_id: str, error: Exception) -> None:
    """Where it broke, without the words of the error: a driver's would hold what the client sent."""
    place = "".join(traceback.format_tb(error.__traceback__))
    log.error("request %s failed with %s\n%s", request_id, type(error).__name__, place)
