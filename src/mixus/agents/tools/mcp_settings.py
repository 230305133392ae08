"""The file that names the MCP servers of a deployment: read once, with its secrets from the environment."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from mixus.core.errors import Misconfigured
from mixus.evals.lifecycle import Effect

TIMEOUT_SECONDS: Final = 30.0

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")

# Without `_`, so that the first one ends the name: no server can take the tools of another.
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]
HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,64}$")]


@dataclass(frozen=True)
class Remote:
    """A server that is spoken to over streamable HTTP."""

    url: str
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Local:
    """A server that is a child process, spoken to over its standard input and output."""

    command: str
    args: tuple[str, ...]
    env: Mapping[str, str]
    cwd: str | None


@dataclass(frozen=True)
class Server:
    """`tools` is the list that the admin allows, None for all; `effects` are the admin's word on some."""

    name: str
    target: Remote | Local = field(repr=False)
    timeout_seconds: float = TIMEOUT_SECONDS
    tools: frozenset[str] | None = None
    effects: Mapping[str, Effect] = field(default_factory=dict)
    secrets: tuple[str, ...] = field(default=(), repr=False)


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel)

    url: str | None = None
    headers: dict[HeaderName, str] = {}
    command: str | None = Field(default=None, min_length=1)
    args: list[str] = []
    env: dict[str, str] = {}
    cwd: str | None = None
    timeout_seconds: float = Field(default=TIMEOUT_SECONDS, gt=0, le=3600)
    tools: list[str] | None = None
    effects: dict[str, Effect] = {}

    @model_validator(mode="after")
    def _is_one_kind(self) -> Self:
        if (self.url is None) is (self.command is None):
            raise ValueError("name either a url or a command")
        if self.url is None and self.headers:
            raise ValueError("headers go with a url")
        if self.command is None and (self.args or self.env or self.cwd):
            raise ValueError("args, env and cwd go with a command")
        return self


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    servers: dict[Name, _Entry]


def read_servers(path: Path, environment: Mapping[str, str]) -> list[Server]:
    """Raises Misconfigured, without a word of what stands in a value."""
    try:
        file = _File.model_validate(json.loads(path.read_text("utf-8")))
    except OSError as error:
        raise Misconfigured(f"MIXUS_MCP_FILE cannot be read ({error.strerror}); look at the path.") from None
    except ValidationError as invalid:
        raise Misconfigured(f"MIXUS_MCP_FILE is not valid: {_problems(invalid)}.") from None
    except (ValueError, RecursionError):
        raise Misconfigured("MIXUS_MCP_FILE is not JSON; write an object with `servers`.") from None
    return [_server(name, entry, environment) for name, entry in file.servers.items()]


def _problems(invalid: ValidationError) -> str:
    errors = invalid.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(
        f"{'.'.join(str(place) for place in error['loc']) or 'the file'}: {error['msg']}"
        for error in errors[:5]
    )


def _server(name: str, entry: _Entry, environment: Mapping[str, str]) -> Server:
    used: list[str] = []

    def filled(where: str, text: str) -> str:
        return _filled(f"servers.{name}.{where}", text, environment, used)

    target: Remote | Local
    if entry.url is not None:
        headers = {key: filled(f"headers.{key}", value) for key, value in entry.headers.items()}
        target = Remote(_checked_url(name, filled("url", entry.url)), headers)
    else:
        env = {key: filled(f"env.{key}", value) for key, value in entry.env.items()}
        target = Local(str(entry.command), tuple(entry.args), env, entry.cwd)
    return Server(
        name=name,
        target=target,
        timeout_seconds=entry.timeout_seconds,
        tools=None if entry.tools is None else frozenset(entry.tools),
        effects=entry.effects,
        secrets=tuple(sorted(set(used), key=len, reverse=True)),
    )


def _filled(where: str, text: str, environment: Mapping[str, str], used: list[str]) -> str:
    """`text` with each `${VARIABLE}` replaced; `used` gathers what must never be shown."""

    def value(match: re.Match[str]) -> str:
        found = environment.get(match[1])
        if not found:
            raise Misconfigured(f"MIXUS_MCP_FILE: {where} needs the environment variable {match[1]}; set it.")
        if not found.isprintable():
            raise Misconfigured(f"MIXUS_MCP_FILE: {match[1]} holds a line break or a control character.")
        used.append(found)
        return found

    return _VARIABLE.sub(value, text)


def _checked_url(name: str, url: str) -> str:
    try:
        parts = urlsplit(url)
        is_valid = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_valid = False
    if not is_valid:
        raise Misconfigured(f"MIXUS_MCP_FILE: servers.{name}.url must be http:// or https:// and a host.")
    if parts.username is not None or parts.password is not None:
        raise Misconfigured(
            f"MIXUS_MCP_FILE: servers.{name}.url holds a user; write an Authorization header."
        )
    return url
