"""`http_request`: a request to a host that an admin listed; whatever its method, it counts as an effect."""

import re
from typing import Annotated, Any, Final, Literal, Self

import orjson
from pydantic import AfterValidator, Field, model_validator

from mixus.agents.tools import outbound, readable
from mixus.agents.tools.outbound import Answer, Gateway, Outgoing
from mixus.agents.tools.registry import Arguments, Context, Registry, Tool, registry
from mixus.core.hosts import parse_hosts
from mixus.evals.lifecycle import Effect

MAX_HEADERS: Final = 20
TOLD: Final = ("Content-Type", "Location", "Retry-After", "ETag", "Last-Modified")
BODILESS: Final = frozenset({"GET", "HEAD"})
# Whom it goes to, how it is framed, who asks, and our own: none of it is the agent's to say.
NOT_THE_AGENTS: Final = re.compile(
    "accept-encoding|authorization|connection|content-length|cookie|expect|host|idempotency-key|keep-alive|"
    "proxy-.*|te|trailer|transfer-encoding|upgrade",
    re.IGNORECASE,
)
# RFC 9110 §5.6.2 and §5.5: a line break would begin another header, or the body.
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_VALUE = re.compile(r"[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?")


def _allowed(headers: dict[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        if NOT_THE_AGENTS.fullmatch(name):
            raise ValueError(f"{name} is not yours to set; leave it out")
        if not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value):
            raise ValueError("names must be tokens and values printable ASCII in one line")
    if len({name.lower() for name in headers}) < len(headers):
        raise ValueError("a header must stand once")
    return headers


class Request(Arguments):
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
    url: str = Field(min_length=1, max_length=2000)
    headers: Annotated[dict[str, Annotated[str, Field(max_length=1000)]], AfterValidator(_allowed)] = Field(
        default={}, max_length=MAX_HEADERS
    )
    body: str = Field(default="", max_length=20_000)

    @model_validator(mode="after")
    def _has_a_body_only_where_it_means_something(self) -> Self:
        if self.body and self.method in BODILESS:
            raise ValueError(f"{self.method} takes no body")
        return self


def tools(hosts: str | None) -> Registry:
    return {} if hosts is None else registry(http_request(Gateway(parse_hosts(hosts))))


def http_request(gateway: Gateway) -> Tool:
    async def run(arguments: Request, context: Context) -> dict[str, Any]:
        """An error once something may have been sent goes on as it is: nobody knows what was done."""
        return _result(await outbound.send(gateway, _outgoing(arguments, context)))

    async def record(arguments: Request, context: Context) -> dict[str, Any]:
        """Refused like the real one as far as that shows without a connection or a look-up."""
        outbound.aim(gateway.entries, arguments.url)
        headers = _headers(arguments, context)
        sent = {"method": arguments.method, "url": arguments.url, "headers": headers, "body": arguments.body}
        return {"status": "recorded", "sandbox": True, "request": sent}

    description = "Send an HTTP request."
    return Tool("http_request", description, Effect.OTHER, Request, run, record)


def _outgoing(arguments: Request, context: Context) -> Outgoing:
    body = arguments.body.encode("utf-8", "replace")
    return Outgoing(arguments.method, arguments.url, _headers(arguments, context), body)


def _headers(arguments: Request, context: Context) -> dict[str, str]:
    """The action's id is the same however often it is tried, so that a receiver can drop a second one."""
    headers = {**arguments.headers, "Idempotency-Key": context.action_id}
    if arguments.body and "content-type" not in {name.lower() for name in headers}:
        headers["Content-Type"] = (
            "application/json" if _is_json(arguments.body) else "text/plain; charset=utf-8"
        )
    return headers


def _is_json(body: str) -> bool:
    try:
        orjson.loads(body)
    except orjson.JSONDecodeError:
        return False
    return True


def _result(answer: Answer) -> dict[str, Any]:
    headers = {name: answer.headers[name][:1000] for name in TOLD if name in answer.headers}
    return {"status": answer.status, "headers": headers, "body": _body(answer)}


def _body(answer: Answer) -> str:
    content_type = answer.headers.get("Content-Type", "text/plain")
    if answer.content and not readable.is_text(content_type):
        return f"[{len(answer.content)} bytes that are not text]"
    return readable.clipped(readable.decoded(answer.content, content_type), is_cut=answer.is_cut)
