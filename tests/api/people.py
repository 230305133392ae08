"""People who sign in, for tests of the API: each keeps a cookie as a browser does."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from api.factories import Reference
from argon2 import PasswordHasher
from fastapi import FastAPI
from httpx2 import Response
from sqlalchemy import select
from starlette.testclient import TestClient

from mixus.accounts import service
from mixus.accounts.passwords import Passwords
from mixus.accounts.principal import Role
from mixus.accounts.service import Account
from mixus.core.clock import utc_now
from mixus.core.database import Database
from mixus.core.events import Actor, events
from mixus.server.hashing import Hashing, hashing

PASSWORD = "a long walk by the sea"
# Signs in as fast as it can; what it costs in earnest is tested once.
CHEAP = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
HASH = CHEAP.hash(PASSWORD)
HOME, AWAY = "192.0.2.7", "198.51.100.7"


@dataclass
class Browser:
    """Somebody at a page of ours."""

    http: TestClient
    reference: Reference
    account: Account
    cookie: str | None = None
    csrf_token: str = ""
    session_id: str = ""

    def __call__(self, method: str, path: str, **options: Any) -> Response:
        headers = {"X-CSRF-Token": self.csrf_token} if method != "GET" and self.csrf_token else {}
        return self.send(method, path, headers | options.pop("headers", {}), **options)

    def send(self, method: str, path: str, headers: Mapping[str, str], **options: Any) -> Response:
        """With exactly these headers, beside the cookie."""
        cookie = {} if self.cookie is None else {"Cookie": self.cookie}
        # As bytes, because a text would have to be ASCII.
        sent = {name.encode(): value.encode() for name, value in (cookie | dict(headers)).items()}
        # What the browser keeps is kept here; the client's own would be shared by all.
        self.http.cookies.clear()
        response = self.http.request(method, path, headers=sent, **options)
        self.reference.hold(response)
        return response

    def sign_in(self, password: str = PASSWORD, **options: Any) -> Response:
        body = {"email": self.account.email, "password": password}
        return self.take(self("POST", "/api/session", json=body, **options))

    def redeem(self, token: str, password: str = PASSWORD, **fields: str) -> Response:
        body = {"token": token, "password": password, **fields}
        return self.take(self("POST", "/api/links/redeem", json=body))

    def take(self, response: Response) -> Response:
        if "set-cookie" in response.headers:
            self.cookie = response.headers["set-cookie"].partition(";")[0]
            self.csrf_token = response.json()["csrfToken"]
            self.session_id = response.json()["session"]["id"]
        return response

    @property
    def token(self) -> str:
        return str(self.cookie).partition("=")[2]


class People:
    """`http` lends its event loop, which tests need that send at the same time."""

    def __init__(
        self, app: FastAPI, database: Database, reference: Reference, http: TestClient | None = None
    ) -> None:
        places = Hashing(CHEAP)
        app.dependency_overrides[hashing] = lambda: places
        self.app = app
        self.portal = None if http is None else http.portal
        self.database = database
        self.reference = reference

    def person(self, email: str = "ada@example.org", role: Role = Role.MEMBER) -> Browser:
        with self.database.transaction() as tx:
            account = service.create(tx, email, role, utc_now(), Actor(None), HASH)
        return self.browser(account)

    def browser(self, account: Account, address: str = HOME) -> Browser:
        """Another one of the same person, not signed in."""
        http = TestClient(self.app, client=(address, 50_000), headers={"User-Agent": "a browser"})
        http.portal = self.portal
        return Browser(http, self.reference, account)

    def signed_in(self, email: str = "ada@example.org", role: Role = Role.MEMBER) -> Browser:
        browser = self.person(email, role)
        assert browser.sign_in().status_code == 200
        return browser

    def stranger(self, email: str = "nobody@example.org") -> Browser:
        return self.browser(Account("usr_nobody", email, Role.MEMBER, utc_now(), None))

    def events(self, kind: str) -> list[Any]:
        with self.database.snapshot() as tx:
            return list(tx.execute(select(events).where(events.c.kind == kind).order_by(events.c.at)))
