"""What keeps every page from being misused, whichever it is: none may be added without it."""

import itertools
import re
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import APIRouter
from fastapi.routing import APIRoute
from web.windows import House, Window

from mixus.accounts.principal import Role
from mixus.core.settings import Settings
from mixus.server.app import PAGES
from mixus.server.web import live, static

# Whoever fills these in need not be signed in: they are held by where they come from alone.
OPEN = re.compile(r"/(signin|join|r)(/|$)")
SAMPLES = {
    "executionId": "exe_",
    "checkpointId": "chk_",
    "keyId": "key_",
    "userId": "usr_",
    "sessionId": "ses_",
}
ELSEWHERE = "https://evil.example"
AWAY = [
    {"Origin": ELSEWHERE},
    {"Origin": "null"},
    {"Origin": "http://testserver.evil.example"},
    {"Sec_Fetch_Site": "cross-site"},
    {"Sec_Fetch_Site": "same-site"},
]


def routes(router: Any) -> Iterator[APIRoute]:
    for route in router.routes:
        if isinstance(route, APIRoute):
            yield route
        elif isinstance(getattr(route, "original_router", None), APIRouter):
            yield from routes(route.original_router)


def address(path: str) -> str:
    """Of something that is not there, which a page says only to those who may ask."""
    return re.sub(r"\{(\w+)[^}]*\}", lambda name: SAMPLES.get(name[1], "") + "A" * 22, path)


def addresses(method: str) -> list[str]:
    modules = [module for module in PAGES if module not in {live, static}]
    found = {
        route.path for each in modules for route in routes(each.router) if method in (route.methods or ())
    }
    return sorted(found)


FORMS = addresses("POST")
SIGNED_IN_FORMS = [path for path in FORMS if not OPEN.match(path)]


@pytest.fixture
def admin(house: House) -> Window:
    return house.signed_in(role=Role.ADMIN)


def test_there_are_forms_to_be_tested() -> None:
    assert {"/signin", "/signout", "/eval/new"} <= set(FORMS)


def test_a_form_without_the_token_of_this_sign_in_is_refused(admin: Window) -> None:
    for path, token in itertools.product(SIGNED_IN_FORMS, (None, "", "0" * 43, "é")):
        fields = {} if token is None else {"csrf": token}
        assert admin.post(address(path), fields).status_code == 403, (path, token)


def test_the_token_of_another_sign_in_opens_no_form(house: House, admin: Window) -> None:
    other = house.signed_in("bob@example.org", Role.ADMIN)
    token = other.form("/eval", "/signout").fields["csrf"][0]
    assert admin.post("/signout", {"csrf": token}).status_code == 403
    assert admin.get("/eval").status_code == 200
    assert other.post("/signout", {"csrf": token}).status_code == 303


def test_no_other_site_may_fill_in_a_form(admin: Window) -> None:
    token = admin.form("/eval", "/signout").fields["csrf"][0]
    for path, headers in itertools.product(FORMS, AWAY):
        assert admin.post(address(path), {"csrf": token}, **headers).status_code == 403, (path, headers)


def test_a_stranger_sends_no_form(house: House) -> None:
    for path in SIGNED_IN_FORMS:
        assert house.window().post(address(path), {}).status_code == 401, path


@pytest.mark.parametrize("who", ["admin", "stranger"])
def test_every_page_is_kept_to_itself(who: str, house: House) -> None:
    """In no frame, in no cache, with no script but ours, and told to no other site; whatever it answers."""
    window = house.signed_in(role=Role.ADMIN) if who == "admin" else house.window()
    for path in [*addresses("GET"), "/nowhere"]:
        answer = window.get(address(path))
        assert answer.status_code < 500, path
        assert answer.headers["x-content-type-options"] == "nosniff", path
        if answer.status_code == 303:
            assert answer.headers["location"].startswith("/"), path
            assert answer.headers["cache-control"] == "no-store", path
        elif answer.headers["content-type"].startswith("text/html"):
            _is_kept(answer.headers)


def _is_kept(headers: Any) -> None:
    policy = dict(each.strip().split(" ", 1) for each in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["form-action"] == "'self'"
    assert headers["x-frame-options"] == "DENY"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] in {"same-origin", "strict-origin", "no-referrer"}


def test_no_template_holds_a_script_or_a_style_of_its_own() -> None:
    for file in static.FILES.parent.glob("templates/*.html"):
        text = file.read_text()
        assert (
            re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|\|\s*safe\b|javascript:", text)
            is None
        ), file


HOSTILE_WAYS = (
    "//evil.example/",
    "/\\evil.example",
    "\\\\evil.example",
    "https://evil.example",
    "https:evil.example",
    "javascript:alert(1)",
    "/\t/evil.example",
    "/\n/evil.example",
    "http://testserver@evil.example",
    "//[",
    "http://[evil.example",
)


@pytest.mark.parametrize("way", HOSTILE_WAYS)
def test_signing_in_leads_to_no_other_site(way: str, house: House) -> None:
    ada = house.window(house.account())
    password = {"email": "ada@example.org", "password": "a long walk by the sea"}
    answer = ada.post("/signin", {**password, "next": way})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    # And again for one who is signed in already.
    path = f"/signin?next={way.encode().hex(' ').replace(' ', '%').join(['%', ''])}"
    assert ada.get(path).headers["location"] == "/"


def test_each_sign_in_is_a_new_session_and_the_one_before_is_over(house: House) -> None:
    """Whoever planted a session in this browser, or kept one, has nothing of it."""
    ada = house.signed_in()
    before = ada.cookie
    password = {"email": "ada@example.org", "password": "a long walk by the sea"}
    answer = ada.post("/signin", password)
    assert answer.status_code == 303
    assert ada.cookie not in {None, before}
    old = house.window()
    old.cookie = before
    assert old.get("/eval").status_code == 303


def test_a_planted_cookie_never_becomes_a_session(house: House) -> None:
    ada = house.window(house.account())
    ada.cookie = planted = "mixus_session=chosen-by-somebody-else-and-known-to-him"
    password = {"email": "ada@example.org", "password": "a long walk by the sea"}
    ada.post("/signin", password)
    assert ada.cookie not in {None, planted}
    other = house.window()
    other.cookie = planted
    assert other.get("/eval").status_code == 303


def test_signing_out_ends_the_session_and_not_the_cookie_alone(house: House) -> None:
    ada = house.signed_in()
    kept = ada.cookie
    assert ada.submit("/eval", "/signout").status_code == 303
    ada.cookie = kept
    assert ada.get("/eval").status_code == 303


class TestCookie:
    @pytest.fixture(params=[None, "https://mixus.example.org"])
    def settings(self, request: pytest.FixtureRequest) -> Settings:
        return Settings(public_url=request.param, requests_per_minute=10_000)

    def test_the_cookie_is_kept_from_scripts_and_from_other_sites(
        self, house: House, settings: Settings
    ) -> None:
        ada = house.window(house.account())
        password = {"email": "ada@example.org", "password": "a long walk by the sea"}
        answer = ada.post("/signin", password, Origin=settings.public_url or "http://testserver")
        name, *flags = answer.headers["set-cookie"].split("; ")
        kept = {each.lower() for each in flags}
        assert {"httponly", "samesite=lax", "path=/"} <= kept
        assert not any(each.startswith("domain") for each in kept)
        is_https = settings.public_url is not None
        assert ("secure" in kept) == name.startswith("__Host-") == is_https


@pytest.mark.parametrize("accepted", ["application/json", "*/*"])
def test_no_cache_keeps_what_was_refused(accepted: str, house: House) -> None:
    """Nothing but a 404 that says so itself is safe from a proxy that keeps it for somebody else."""
    for window in (house.window(), house.signed_in()):
        for path in ("/nowhere", "/docs/nowhere", "/static/nowhere", address("/r/{checkpointId}/x")):
            answer = window.get(path, Accept=accepted)
            assert (answer.status_code, answer.headers["cache-control"]) == (404, "no-store"), path


@pytest.mark.parametrize(
    "referer", ["http://[", "//[", "http://testserver", "http://testserver.evil.example/x"]
)
def test_a_refusal_leads_back_to_no_other_site(referer: str, house: House) -> None:
    answer = house.window().post("/signout", {}, Referer=referer)
    assert answer.status_code == 401
    assert 'href="/signin?next=%2F"' in answer.text
