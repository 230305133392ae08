"""The pages of the admin: for admins alone, with what they change said in sentences."""

import re
from html import unescape

import pytest
from api.factories import Team
from api.people import PASSWORD
from factories import NOBODY, PEPPER
from starlette.testclient import TestClient
from web.windows import House, Window

from mixus.accounts import links, service
from mixus.accounts.principal import Role, Scope
from mixus.accounts.tables import Purpose
from mixus.core.clock import utc_now
from mixus.core.database import Database
from mixus.core.events import Actor, record
from mixus.keys import service as keys
from mixus.keys.service import NewKey
from mixus.server.web.once import word

ABSENT = "usr_0000000000000000000000"
SECTIONS = ("users", "limits", "models", "tools", "live", "audit")
PAGES = ("/admin", *(f"/admin/{name}" for name in SECTIONS), "/admin/users/invite")
OF_A_PERSON = ("", "/disable", "/enable", "/sign-out", "/password-link")
ACTS = ("/role", "/disable", "/enable", "/sign-out", "/password-link")
HOSTILE = '"><img src=x onerror=alert(1)><script>x</script>\u202e'


@pytest.fixture
def admin(house: House) -> Window:
    return house.signed_in("admin@example.org", Role.ADMIN)


@pytest.fixture
def bob(house: House) -> Window:
    return house.signed_in("bob@example.org")


def page_of(window: Window) -> str:
    assert window.account is not None
    return f"/admin/users/{window.account.id}"


def link_in(text: str) -> str:
    found = re.search(r'<pre id="link"[^>]*>http://testserver(/join/[^<]+)</pre>', text)
    assert found is not None
    return found[1]


def test_slash_admin_leads_to_the_users(admin: Window) -> None:
    assert admin.get("/admin").headers["location"] == "/admin/users"


def test_each_page_is_there_and_marks_itself(admin: Window) -> None:
    for name in SECTIONS:
        page = admin.get(f"/admin/{name}")
        assert page.status_code == 200, name
        assert f'<a href="/admin/{name}" aria-current="page">' in page.text


@pytest.mark.parametrize("role", [Role.MEMBER, Role.VIEWER])
def test_only_admins_get_in(house: House, admin: Window, role: Role) -> None:
    caller = house.signed_in("eve@example.org", role)
    for path in (*PAGES, *(page_of(admin) + part for part in OF_A_PERSON)):
        page = caller.get(path)
        assert page.status_code == 403, path
        assert "Only admins may see this page" in page.text
    csrf = caller.form("/account", "/account/password").fields["csrf"]
    for path in ("/admin/users/invite", *(page_of(admin) + part for part in ACTS)):
        assert caller.post(path, {"csrf": csrf}).status_code == 403, path


def test_a_stranger_is_asked_to_sign_in(house: House) -> None:
    for path in PAGES:
        assert house.window().get(path).headers["location"].startswith("/signin?next=%2Fadmin")


def test_who_is_not_there_is_not_found(admin: Window) -> None:
    csrf = admin.form("/admin/users/invite").fields["csrf"]
    for user_id in (ABSENT, "usr_x", "key_0000000000000000000000"):
        for part in OF_A_PERSON:
            assert admin.get(f"/admin/users/{user_id}{part}").status_code == 404
        for part in ACTS:
            assert (
                admin.post(f"/admin/users/{user_id}{part}", {"csrf": csrf, "role": "viewer"}).status_code
                == 404
            )


def test_another_site_can_do_nothing(admin: Window, bob: Window) -> None:
    csrf = admin.form("/admin/users/invite").fields["csrf"]
    fields = {"email": "eve@example.org", "role": "admin", "once": word(utc_now())}
    for path in ("/admin/users/invite", *(page_of(bob) + part for part in ACTS)):
        assert admin.post(path, fields).status_code == 403, path
        assert admin.post(path, fields | {"csrf": "x"}).status_code == 403, path
        assert admin.post(path, fields | {"csrf": csrf}, Origin="https://evil.example").status_code == 403, (
            path
        )


def test_the_list_shows_each_account_with_its_state(house: House, admin: Window) -> None:
    with house.database.transaction() as tx:
        service.create(tx, "new@example.org", Role.VIEWER, utc_now(), NOBODY)
    text = admin.get("/admin/users").text
    assert "admin@example.org</a> <span" in text
    assert "new@example.org" in text
    assert "not set yet" in text
    assert "argon2" not in text


def test_a_long_list_comes_in_pages(house: House, admin: Window) -> None:
    with house.database.transaction() as tx:
        for number in range(60):
            service.create(tx, f"person-{number:02}@example.org", Role.VIEWER, utc_now(), NOBODY)
    first = admin.get("/admin/users").text
    following = re.search(r'href="(/admin/users\?cursor=[^"]+)"', first)
    assert following is not None
    second = admin.get(unescape(following[1])).text
    shown = set(re.findall(r"person-\d\d@", first)) | set(re.findall(r"person-\d\d@", second))
    assert len(shown) == 60
    assert "?cursor=" not in second
    assert admin.get("/admin/users?cursor=x").status_code == 422


def test_an_invited_person_comes_in_by_the_link(house: House, admin: Window) -> None:
    made = admin.submit("/admin/users/invite", email="Eve@example.org", role="viewer")
    assert made.status_code == 200
    assert made.headers["cache-control"] == "no-store"
    assert "shown only now" in made.text
    path = link_in(made.text)
    assert "Invited, not here yet" in admin.get("/admin/users").text
    assert path not in admin.get("/admin/users").text
    eve = house.window()
    joined = eve.submit(path, password=PASSWORD, csrf=None)
    assert joined.status_code == 303, joined.text
    assert "Invited, not here yet" not in admin.get("/admin/users").text
    with house.database.snapshot() as tx:
        account = service.find_by_email(tx, "eve@example.org")
    assert account is not None
    assert account.role is Role.VIEWER


def test_a_form_that_is_sent_twice_makes_one_link(house: House, admin: Window) -> None:
    form = admin.form("/admin/users/invite")
    fields = {**form.fields, "email": "eve@example.org", "role": "member"}
    path = link_in(admin.post(form.action, fields).text)
    again = admin.post(form.action, fields)
    assert again.status_code == 409
    assert "shown once and still works" in again.text
    assert 'value="eve@example.org"' in again.text
    assert "/join/" not in again.text
    assert house.window().get(path).status_code == 200


def test_a_refused_invitation_keeps_what_was_typed(admin: Window, bob: Window) -> None:
    wrong = admin.submit("/admin/users/invite", email=HOSTILE, role="viewer")
    assert wrong.status_code == 422
    assert "<script>x" not in wrong.text
    assert "<img src" not in wrong.text
    assert 'value="&#34;&gt;&lt;img' in wrong.text
    assert re.search(r'value="viewer" checked', wrong.text)
    taken = admin.submit("/admin/users/invite", email="bob@example.org", role="member")
    assert taken.status_code == 409
    assert "make a password link for it" in taken.text
    assert 'value="bob@example.org"' in taken.text
    unknown = admin.submit("/admin/users/invite", email="eve@example.org", role="owner")
    assert unknown.status_code == 422
    assert 'value="eve@example.org"' in unknown.text
    extra = admin.submit("/admin/users/invite", email="eve@example.org", role="member", colour="red")
    assert extra.status_code == 422


def test_a_new_role_holds_at_once_and_is_in_the_audit(admin: Window, bob: Window) -> None:
    saved = admin.submit(page_of(bob), f"{page_of(bob)}/role", role="admin")
    assert saved.headers["location"] == f"{page_of(bob)}?said=role-saved"
    assert "The role is saved" in admin.get(saved.headers["location"]).text
    assert bob.get("/admin/users").status_code == 200
    text = admin.get("/admin/audit?kind=account.role-changed").text
    assert "<del>member</del> → <ins>admin</ins>" in text


def test_the_last_admin_stays_one_and_the_page_says_so(admin: Window) -> None:
    refused = admin.submit(page_of(admin), f"{page_of(admin)}/role", role="viewer")
    assert refused.status_code == 409
    assert "This is the only enabled admin; make another one first." in refused.text
    assert re.search(r'value="viewer" checked', refused.text), "what was chosen is still chosen"
    stays = admin.submit(f"{page_of(admin)}/disable")
    assert stays.status_code == 409
    assert "only enabled admin" in stays.text
    assert admin.get("/admin/users").status_code == 200


def test_before_somebody_is_disabled_the_page_says_what_stops(admin: Window, bob: Window, team: Team) -> None:
    assert bob.account is not None
    caller = team.with_key(bob.account, [Scope.MANAGE])
    execution_id = caller.create()
    checkpoint_id = caller.status(execution_id)["checkpoints"][0]["checkpointId"]
    team.pause(execution_id, checkpoint_id)
    text = admin.get(f"{page_of(bob)}/disable").text
    assert "1 open session ends" in text
    assert "1 working key is refused" in text
    assert f'href="/integrations/api-keys/{caller.key_id}">test</a>' in text
    assert "1 execution that is not over yet" in text
    assert "1 checkpoint that waits for this reviewer" in text


def test_a_disabled_person_is_out_until_enabled(admin: Window, bob: Window) -> None:
    disabled = admin.submit(f"{page_of(bob)}/disable")
    assert disabled.headers["location"] == f"{page_of(bob)}?said=account-disabled"
    assert bob.get("/eval").headers["location"].startswith("/signin")
    assert bob.sign_in().status_code == 401
    link = admin.submit(f"{page_of(bob)}/password-link")
    assert link.status_code == 409
    assert "This account is disabled; enable it first." in link.text
    assert admin.submit(f"{page_of(bob)}/enable").status_code == 303
    assert bob.sign_in().status_code == 200


def test_signing_somebody_out_ends_every_session(house: House, admin: Window, bob: Window) -> None:
    elsewhere = house.window(bob.account)
    elsewhere.sign_in()
    assert "2 open sessions end at once" in admin.get(f"{page_of(bob)}/sign-out").text
    assert admin.submit(f"{page_of(bob)}/sign-out").status_code == 303
    for window in (bob, elsewhere):
        assert window.get("/eval").headers["location"].startswith("/signin")


def test_a_password_link_sets_a_new_password(house: House, admin: Window, bob: Window) -> None:
    path = link_in(admin.submit(f"{page_of(bob)}/password-link").text)
    joined = house.window().submit(path, password="another walk by the sea", csrf=None)
    assert joined.status_code == 303, joined.text
    assert bob.sign_in("another walk by the sea").status_code == 200


def test_an_invitation_that_is_over_is_not_listed(house: House, admin: Window) -> None:
    with house.database.transaction() as tx:
        links.invite(
            tx, "late@example.org", Role.MEMBER, NOBODY, utc_now() - links.LIFETIMES[Purpose.INVITATION]
        )
        links.invite(tx, "here@example.org", Role.MEMBER, NOBODY, utc_now())
        service.create(tx, "here@example.org", Role.MEMBER, utc_now(), NOBODY)
    assert "Invited, not here yet" not in admin.get("/admin/users").text


# --- the audit ------------------------------------------------------------------------------------------


@pytest.fixture
def hostile_event(house: House) -> str:
    with house.database.transaction() as tx:
        record(
            tx,
            "key.changed",
            "key_x",
            Actor(None),
            utc_now(),
            before={"name": "old"},
            after={"name": HOSTILE},
        )
    return "key_x"


def test_what_stands_in_an_event_is_shown_and_never_acts(admin: Window, hostile_event: str) -> None:
    text = admin.get("/admin/audit?subject=key_x").text
    assert "<del>old</del> → <ins>&#34;&gt;&lt;img" in text
    assert "⟨U+202E⟩" in text
    assert "<script>x" not in text
    assert "\u202e" not in text


def test_the_audit_is_filtered_by_person_subject_kind_and_day(admin: Window, bob: Window) -> None:
    admin.submit(page_of(bob), f"{page_of(bob)}/role", role="viewer")
    today = f"{utc_now():%Y-%m-%d}"

    def kinds(query: str) -> set[str]:
        page = admin.get(f"/admin/audit?{query}")
        assert page.status_code == 200
        return set(re.findall(r"<b>([a-z]+\.[a-z-]+)</b>", page.text))

    assert kinds("kind=account.role-changed") == {"account.role-changed"}
    assert "account.role-changed" in kinds("actor=ADMIN@example.org")
    assert kinds("actor=bob@example.org") == {"session.opened"}
    assert bob.account is not None
    assert kinds(f"subject={bob.account.id}&kind=") == {"account.created", "account.role-changed"}
    assert "account.role-changed" in kinds(f"from={today}&to={today}")
    assert kinds("to=2020-01-01") == set()
    assert (
        '<option value="account.role-changed" selected>'
        in admin.get("/admin/audit?kind=account.role-changed").text
    )


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("actor=nobody@example.org", "There is no account with this e-mail"),
        ("actor=@", "This is no e-mail address"),
        ("from=yesterday", "valid date"),
        ("to=99999-01-01", "valid date"),
        ("subject=" + "x" * 65, "at most 64 characters"),
        ("cursor=x", "This cursor is not one of ours"),
        ("kind=%00", "A NUL character"),
    ],
)
def test_a_filter_that_is_wrong_is_said_and_kept(admin: Window, query: str, sentence: str) -> None:
    page = admin.get(f"/admin/audit?{query}")
    assert page.status_code == 422
    assert sentence in page.text
    name, _, value = query.partition("=")
    assert name in {"cursor", "kind"} or f'value="{value}"' in page.text


def test_the_audit_is_read_in_pages_that_keep_the_filter(admin: Window, database: Database) -> None:
    with database.transaction() as tx:
        for number in range(70):
            record(tx, "key.changed", f"key_{number:02}", Actor(None), utc_now())
    found: list[str] = []
    address: str | None = "/admin/audit?kind=key.changed"
    while address is not None:
        text = admin.get(address).text
        found += re.findall(r"\bkey_\d\d\b", re.sub(r'href="[^"]*"', "", text))
        older = re.search(r'href="(/admin/audit\?[^"]*cursor=[^"]+)"', text)
        address = unescape(older[1]) if older else None
    assert len(found) == len(set(found)) == 70


def test_an_event_without_a_person_says_whose_it_can_be(admin: Window, database: Database) -> None:
    with database.transaction() as tx:
        record(tx, "session.refused", "unknown", Actor(None, "192.0.2.0/24"), utc_now(), reason="no-account")
        record(tx, "key.expired", "key_x", Actor(None), utc_now())
    assert "a stranger" in admin.get("/admin/audit?kind=session.refused").text
    assert "the server itself" in admin.get("/admin/audit?kind=key.expired").text


# --- live -----------------------------------------------------------------------------------------------


def test_a_key_that_may_go_live_is_listed_with_its_owner(
    admin: Window, bob: Window, team: Team, database: Database
) -> None:
    assert bob.account is not None
    team.with_key(bob.account, [Scope.MANAGE])
    assert "no working key has" in admin.get("/admin/live").text
    new = NewKey(bob.account.id, HOSTILE.removesuffix("\u202e"), [Scope.MANAGE], allow_live=True)
    with database.transaction() as tx:
        _, key = keys.create(tx, PEPPER, new, NOBODY, utc_now())
    text = admin.get("/admin/live").text
    assert f'href="/integrations/api-keys/{key.id}"' in text
    assert "bob@example.org" in text
    assert "<script>x" not in text
    admin.submit(f"{page_of(bob)}/disable")
    assert "disabled</span>" in admin.get("/admin/live").text
    with database.transaction() as tx:
        keys.revoke(tx, NOBODY, key.id, utc_now())
    assert "no working key has" in admin.get("/admin/live").text


def test_no_page_of_the_admin_is_heavier_than_allowed(
    admin: Window, database: Database, http: TestClient
) -> None:
    with database.transaction() as tx:
        for number in range(40):
            record(
                tx, "session.opened", f"ses_{number:022}", Actor(None), utc_now(), after={"agent": "x" * 200}
            )
    assets = sum(len(http.get(f"/static/{name}").content) for name in ("mixus.css", "mixus.js"))
    for name in SECTIONS:
        assert len(admin.get(f"/admin/{name}").content) + assets <= 60_000, name
