"""Who is calling, and with which scopes: all that an evaluation learns of its caller."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from mixus.core.errors import Forbidden
from mixus.core.events import Actor


class Scope(StrEnum):
    CREATE = "eval:create"
    READ = "eval:read"
    MANAGE = "eval:manage"


class Role(StrEnum):
    ADMIN = "admin"
    MEMBER = "member"
    VIEWER = "viewer"


# What a person may do who is signed in, and the most that a key of his can.
SCOPES_OF: Final = {
    Role.ADMIN: frozenset(Scope),
    Role.MEMBER: frozenset(Scope),
    Role.VIEWER: frozenset({Scope.READ}),
}


class Via(StrEnum):
    """How the caller proved who he is; a decision remembers it."""

    SESSION = "session"
    KEY = "key"


@dataclass(frozen=True)
class Principal:
    """A person, through one credential of his. `email` is in lower case."""

    user_id: str
    email: str
    role: Role
    scopes: frozenset[Scope]
    credential_id: str
    via: Via
    network: str | None = None
    # When the credential ends; None is never.
    expires_at_ms: int | None = None
    # Whether it may start executions whose effects are real.
    may_go_live: bool = False

    @property
    def is_admin(self) -> bool:
        return self.role is Role.ADMIN

    @property
    def actor(self) -> Actor:
        return Actor(self.user_id, self.network, self.credential_id)

    def may(self, scope: Scope) -> bool:
        """Managing implies creating and reading."""
        return scope in self.scopes or Scope.MANAGE in self.scopes

    def require(self, scope: Scope) -> None:
        if self.may(scope):
            return
        if scope not in SCOPES_OF[self.role]:
            allowed = ", ".join(sorted(SCOPES_OF[self.role]))
            raise Forbidden(
                f"{scope} is not for a {self.role}, whose keys have {allowed} at most; ask an admin.",
                scope=scope.value,
            )
        raise Forbidden(
            f"This key lacks the scope {scope}; make a key that has it with `mixus keys create`.",
            scope=scope.value,
        )
