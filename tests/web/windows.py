"""Browsers without a script: they keep a cookie, read forms, and fill them in."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

from api.people import CHEAP, HASH, HOME, PASSWORD
from fastapi import FastAPI
from httpx2 import Response
from starlette.testclient import TestClient

from mixus.accounts import service
from mixus.accounts.principal import Role
from mixus.accounts.service import Account
from mixus.core.clock import utc_now
from mixus.core.database import Database
from mixus.core.events import Actor
from mixus.server.hashing import Hashing, hashing

VALUE_OF = {"input", "button"}
BROWSER = {"Accept": "text/html,application/xhtml+xml", "User-Agent": "a browser"}


@dataclass
class ReadForm:
    action: str
    method: str
    fields: dict[str, list[str]] = field(default_factory=dict)
    buttons: list[tuple[str, str]] = field(default_factory=list)


class Forms(HTMLParser):
    """The forms of a page, each with what it would send if nothing was changed in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[ReadForm] = []
        self._form: ReadForm | None = None
        self._area: str | None = None
        self._select: str | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        has = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._form = ReadForm(has.get("action", ""), has.get("method", "get"))
            self.found.append(self._form)
        elif self._form is not None:
            self._control(tag, has)

    def _control(self, tag: str, has: dict[str, str]) -> None:
        assert self._form is not None
        name = has.get("name", "")
        if tag == "button" and name:
            self._form.buttons.append((name, has.get("value", "")))
        elif tag == "textarea":
            self._area = name
            self._form.fields[name] = [""]
        elif tag == "select":
            self._select = name
        elif (
            tag == "option" and self._select and ("selected" in has or self._select not in self._form.fields)
        ):
            self._form.fields[self._select] = [has.get("value", "")]
        elif tag == "input" and name and (has.get("type") not in {"checkbox", "radio"} or "checked" in has):
            self._form.fields.setdefault(name, []).append(has.get("value", ""))

    def handle_data(self, data: str) -> None:
        if self._area is not None and self._form is not None:
            self._form.fields[self._area][0] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        elif tag == "textarea" and self._area is not None and self._form is not None:
            # The first line end belongs to the tag.
            self._form.fields[self._area][0] = self._form.fields[self._area][0].removeprefix("\n")
            self._area = None
        elif tag == "select":
            self._select = None


@dataclass
class Window:
    http: TestClient
    account: Account | None = None
    cookie: str | None = None

    def get(self, path: str, **headers: str) -> Response:
        """Follows no redirect."""
        return self._send("GET", path, headers)

    def post(self, path: str, fields: dict[str, Any], **headers: str) -> Response:
        """Exactly these fields, from a page of this site."""
        return self._send("POST", path, {"Origin": "http://testserver", **headers}, data=fields)

    def submit(
        self, path: str, action: str | None = None, button: str | None = None, **fields: Any
    ) -> Response:
        """Open the page, change these fields of its form, and send it. None takes a field away."""
        form = self.form(path, action)
        filled: dict[str, Any] = {
            **form.fields,
            **{name.rstrip("_"): value for name, value in fields.items()},
        }
        filled |= {name: value for name, value in form.buttons if value == button} if button else {}
        kept = {name: value for name, value in filled.items() if value is not None}
        return self.post(form.action or path, kept)

    def form(self, path: str, action: str | None = None) -> ReadForm:
        page = self.get(path)
        assert page.status_code == 200, page.text
        forms = [each for each in Forms(page.text).found if each.method == "post"]
        found = [each for each in forms if (each.action == action if action else each.action != "/signout")]
        assert found, f"no such form among {[each.action for each in forms]}"
        return found[0]

    def sign_in(self, password: str = PASSWORD) -> Response:
        assert self.account is not None
        return self._send(
            "POST", "/api/session", {}, json={"email": self.account.email, "password": password}
        )

    def _send(self, method: str, path: str, headers: dict[str, str], **options: Any) -> Response:
        cookie = {} if self.cookie is None else {"Cookie": self.cookie}
        sent = BROWSER | cookie | {name.replace("_", "-"): value for name, value in headers.items()}
        self.http.cookies.clear()
        response = self.http.request(method, path, headers=sent, follow_redirects=False, **options)
        if "set-cookie" in response.headers:
            cookie_text = response.headers["set-cookie"].partition(";")[0]
            self.cookie = None if cookie_text.endswith(('=""', "=")) else cookie_text
        return response


class House:
    def __init__(self, app: FastAPI, database: Database, http: TestClient) -> None:
        places = Hashing(CHEAP)
        app.dependency_overrides[hashing] = lambda: places
        self.app = app
        self.database = database
        self.portal = http.portal

    def window(self, account: Account | None = None, address: str = HOME) -> Window:
        """A browser that is not signed in."""
        http = TestClient(self.app, client=(address, 50_000))
        http.portal = self.portal
        return Window(http, account)

    def account(self, email: str = "ada@example.org", role: Role = Role.MEMBER) -> Account:
        with self.database.transaction() as tx:
            return service.create(tx, email, role, utc_now(), Actor(None), HASH)

    def signed_in(self, email: str = "ada@example.org", role: Role = Role.MEMBER) -> Window:
        window = self.window(self.account(email, role))
        assert window.sign_in().status_code == 200
        return window
