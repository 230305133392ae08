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
    # A signed link in a mail, which opens one checkpoint and nothing else.
    LINK = "link"


@dataclass(frozen=True)
class Principal:
    """A person, through one credential of his. `email` is in lower case.

    Who comes by a link may have no account: his `user_id` is then empty, which is nobody's.
    """

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
    # The one execution that the credential opens; None opens all that is the caller's.
    bound_to: str | None = None

    @property
    def is_admin(self) -> bool:
        return self.role is Role.ADMIN

    @property
    def sees_all(self) -> bool:
        """Admins do; and viewers on the pages, who may not change anything there."""
        return self.is_admin or (self.role is Role.VIEWER and self.via is Via.SESSION)

    @property
    def actor(self) -> Actor:
        return Actor(self.user_id or None, self.network, self.credential_id)

    def may(self, scope: Scope) -> bool:
        """Managing implies creating and reading; what opens one execution makes no other."""
        if self.bound_to is not None and scope is Scope.CREATE:
            return False
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
            f"This key lacks the scope {scope}; make a key that has it at /integrations/api-keys/new, "
            "or with `mixus keys create`.",
            scope=scope.value,
        )
