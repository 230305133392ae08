"""People, keys and sign-ins on a database that a server runs on, made by the service itself."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from factories import NOBODY, create_account
from sqlalchemy import func, select

from mixus.accounts import sessions
from mixus.accounts.principal import Role, Scope
from mixus.accounts.service import Account
from mixus.core.clock import utc_now
from mixus.core.database import Database
from mixus.core.events import events
from mixus.core.ids import new_id
from mixus.keys import info, rotation, service
from mixus.keys.info import KeyInfo
from mixus.keys.pepper import Pepper
from mixus.keys.rotation import Rotation
from mixus.keys.service import NewKey
from mixus.keys.tables import keys


@dataclass(frozen=True)
class Key:
    secret: str
    info: KeyInfo

    @property
    def id(self) -> str:
        return self.info.id

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.secret}"}


@dataclass(frozen=True)
class Office:
    """Where an admin sits: acts on the database, whatever servers run on it."""

    database: Database
    pepper: Pepper

    def person(self, role: Role = Role.MEMBER) -> Account:
        """Somebody new."""
        with self.database.transaction() as tx:
            return create_account(tx, f"{new_id('usr').lower()}@example.org", role, utc_now())

    def key(
        self,
        owner: Account | None = None,
        scopes: Collection[Scope] = (Scope.MANAGE,),
        expires: timedelta | datetime = timedelta(days=90),
    ) -> Key:
        """A key of this person, or of somebody new."""
        new = NewKey((owner or self.person()).id, "attacked", scopes, expires=expires)
        with self.database.transaction() as tx:
            return Key(*service.create(tx, self.pepper, new, NOBODY, utc_now()))

    def rotate(self, key_id: str, overlap: timedelta = timedelta(hours=1), **wanted: Any) -> Key:
        asked = Rotation(key_id, overlap, **wanted)
        with self.database.transaction() as tx:
            return Key(*rotation.rotate(tx, self.pepper, asked, NOBODY, utc_now()))

    def revoke(self, key_id: str) -> None:
        self.act(lambda tx: service.revoke(tx, NOBODY, key_id, utc_now()))

    def act(self, verb: Callable[[Any], Any]) -> Any:
        with self.database.transaction() as tx:
            return verb(tx)

    def describe(self, key_id: str) -> KeyInfo:
        with self.database.snapshot() as tx:
            return info.describe(tx, key_id)

    def active(self, user_id: str, now: datetime | None = None) -> int:
        with self.database.snapshot() as tx:
            return service.count_active(tx, user_id, now or utc_now())

    def working(self, lineage_id: str) -> list[str]:
        """Keys of this line that a server would accept and that no other has replaced."""
        statement = select(keys.c.id).where(
            keys.c.lineage_id == lineage_id,
            keys.c.revoked_at.is_(None),
            keys.c.replaced_by.is_(None),
            keys.c.expires_at > utc_now(),
        )
        with self.database.snapshot() as tx:
            return list(tx.execute(statement).scalars())

    def events(self, kind: str, subject_id: str) -> int:
        statement = select(func.count()).where(events.c.kind == kind, events.c.subject_id == subject_id)
        with self.database.snapshot() as tx:
            return int(tx.execute(statement).scalar_one())

    def sign_in(self, person: Account) -> dict[str, str]:
        """The headers of a page of ours on which this person is signed in."""
        with self.database.transaction() as tx:
            token, _ = sessions.open_session(tx, person.id, "192.0.2.0/24", "a browser", utc_now())
        return {"Cookie": f"mixus_session={token}", "X-CSRF-Token": sessions.csrf_token(token)}
