"""Keys for tests of their pages: made by the page or there already, used, and looked up."""

import re
from collections.abc import Collection
from datetime import timedelta
from typing import Any

from factories import PEPPER
from httpx2 import Response
from sqlalchemy import insert, select
from web.windows import Window

from mixus.accounts.principal import Scope
from mixus.accounts.service import Account
from mixus.core.clock import utc_now
from mixus.core.database import Database
from mixus.core.events import Actor
from mixus.keys import overview, service
from mixus.keys.info import KeyInfo
from mixus.keys.service import NewKey, Rules
from mixus.keys.tables import key_usage, key_use, keys

KEYS = "/integrations/api-keys"
NEW = f"{KEYS}/new"
NOTHING = "key_0000000000000000000000"
SECRET = re.compile(r"mxs_eval_[0-9A-Za-z]{32}")
# Every page of one key: each is asked for, and each form of it sent.
GET = ["", "/rotate", "/disable", "/enable", "/revoke"]
HOSTILE = '"><img src=x onerror=alert(1)><script>alert(1)</script>'
NOBODY = Actor(None)


def secrets_in(response: Response) -> set[str]:
    return set(SECRET.findall(response.text))


def made(window: Window, **fields: Any) -> tuple[str, str]:
    """A key by the page: its secret, and its id."""
    response = window.submit(NEW, **{"name": "nightly", "scopes": ["eval:create", "eval:read"], **fields})
    assert response.status_code == 200, response.text
    [secret] = secrets_in(response)
    return secret, re.findall(r"key_[0-9A-Za-z]{22}", response.text)[0]


def given(
    database: Database,
    owner: Account | None,
    name: str = "nightly",
    scopes: Collection[Scope] = (Scope.CREATE, Scope.READ),
    **fields: Any,
) -> KeyInfo:
    """A key that is there already; `ago` is how many days."""
    assert owner is not None
    ago = timedelta(days=fields.pop("ago", 0))
    new = NewKey(owner.id, name, scopes, **fields)
    with database.transaction() as tx:
        return service.create(tx, PEPPER, new, NOBODY, utc_now() - ago, Rules(1000))[1]


def used(database: Database, key: KeyInfo, day: int, count: int, **fields: Any) -> None:
    """`day` days ago."""
    cell = {"route": "GET /x", "status": 200, "refusal": "", "scope": "eval:read", **fields}
    with database.transaction() as tx:
        row = {"key_id": key.id, "day": overview.today(utc_now()) - day, "count": count}
        tx.execute(insert(key_usage).values(**cell, **row))


def last_used(database: Database, key: KeyInfo, agent: str) -> None:
    with database.transaction() as tx:
        row = {"key_id": key.id, "accepted": 1, "refused": 0, "last_used_network": "192.0.2.0/24"}
        tx.execute(insert(key_use).values(**row, last_used_at=utc_now(), last_used_agent=agent))


def stored(database: Database) -> list[Any]:
    with database.snapshot() as tx:
        return list(tx.execute(select(keys).order_by(keys.c.created_at, keys.c.id)))


def calling(window: Window, secret: str) -> Response:
    return window.http.get("/api/keys/self", headers={"Authorization": f"Bearer {secret}"})
