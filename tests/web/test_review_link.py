"""The signed link of a review mail: one checkpoint, decided by a click and never by opening it."""

import pytest
from api.factories import Team
from factories import PEPPER
from web.test_review import may_decide
from web.waiting import HOSTILE, MAIL, Desks, Waiting, action, opened, sections
from web.windows import House, Window

from mixus.accounts.principal import Role
from mixus.core.database import Database
from mixus.core.settings import ReviewLinks, Settings
from mixus.evals.lifecycle import CheckpointStatus, Environment, Status
from mixus.evals.review_links import REVIEW_LINKS, signature

SECRET = PEPPER.hash(REVIEW_LINKS)
CY = "cy@example.org"


@pytest.fixture
def settings(request: pytest.FixtureRequest) -> Settings:
    links = getattr(request, "param", ReviewLinks.DECIDE)
    return Settings(requests_per_minute=10_000, review_links=links)


def with_links(links: ReviewLinks) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("settings", [links], indirect=True)


@pytest.fixture
def desks(house: House, team: Team, database: Database) -> Desks:
    return Desks(house, team, database)


@pytest.fixture
def waiting(desks: Desks) -> Waiting:
    """It waits for cy, who has no account."""
    return desks.waiting(assignedReviewer=CY)


@pytest.fixture
def phone(house: House) -> Window:
    return house.window()


def link(waiting: Waiting, reviewer: str = CY) -> str:
    return f"/r/{waiting.id}/{signature(SECRET, waiting.id, reviewer)}"


def test_a_reviewer_without_an_account_decides_by_the_link(phone: Window, waiting: Waiting) -> None:
    path = link(waiting)
    answer = phone.submit(f"{path}?attempt=1", path, "approve", comment="Fine")
    assert (answer.status_code, answer.headers["location"]) == (303, f"{path}?attempt=1")
    row = waiting.row()
    assert (row["status"], row["decided_by"], row["decided_via"], row["comment"]) == (
        *(CheckpointStatus.APPROVED, CY, "link", "Fine"),
    )
    assert row["first_viewed_at"] is not None
    sections(opened(phone, path).text, "What was recorded", "by the link of a mail", "Fine")


def test_the_link_page_is_whole_and_shows_nothing_of_other_executions(
    desks: Desks, phone: Window, waiting: Waiting
) -> None:
    desks.waiting(assignedReviewer=CY, question="Of another one?", taskName="Another one")
    page = opened(phone, link(waiting)).text
    places = sections(page, "Sandbox: nothing", "<h1", "What happens if", "The work", 'value="approve"')
    assert places == sorted(places)
    for hidden in ("Of another one", "Another one", "<nav", "/eval/exe_", "data-stream", 'href="/review'):
        assert hidden not in page
    phone.submit(f"{link(waiting)}?attempt=1", link(waiting), "approve")
    page = opened(phone, link(waiting)).text
    assert "Next in the queue" not in page
    assert "/eval/exe_" not in page


def test_opening_the_link_in_any_way_decides_and_notes_nothing(phone: Window, waiting: Waiting) -> None:
    path = link(waiting)
    addresses = (path, f"{path}?attempt=1", f"{path}?attempt=1&action=approve", f"{path}/active")
    for method in ("GET", "HEAD", "OPTIONS", "PUT", "DELETE"):
        for address in addresses:
            answer = phone.http.request(method, address, headers={"Accept": "*/*"})
            assert answer.status_code < 500
    row = waiting.row()
    assert (row["status"], row["first_viewed_at"]) == (CheckpointStatus.AWAITING, None)
    assert waiting.execution()["status"] is Status.AWAITING


def test_the_time_at_a_link_page_is_noted_by_its_script_alone(phone: Window, waiting: Waiting) -> None:
    opened(phone, link(waiting))
    answer = phone.post(f"{link(waiting)}/active", {"csrf": "", "attempt": "1", "milliseconds": "4000"})
    assert answer.status_code == 204
    assert waiting.row()["first_viewed_at"] is not None


@pytest.mark.parametrize("spoilt", ["", "x", "é", "%00", "A" * 43, "A" * 300])
def test_a_link_that_is_none_opens_nothing(phone: Window, waiting: Waiting, spoilt: str) -> None:
    for path in (f"/r/{waiting.id}/{spoilt}", f"/r/chk_{spoilt}/{'A' * 43}"):
        assert phone.get(path).status_code in {404, 422}
        assert phone.post(path, {"attempt": "1", "action": "approve"}).status_code in {404, 422}
    assert waiting.row()["status"] is CheckpointStatus.AWAITING


def test_a_link_opens_its_own_checkpoint_alone(desks: Desks, phone: Window, waiting: Waiting) -> None:
    other = desks.waiting(assignedReviewer=CY)
    assert phone.get(link(waiting).replace(waiting.id, other.id)).status_code == 404


def test_a_link_dies_when_another_one_is_to_decide(phone: Window, waiting: Waiting) -> None:
    waiting.change_execution(assigned_reviewer="dee@example.org")
    page = phone.get(link(waiting))
    assert page.status_code == 404
    assert "This link opens nothing" in page.text


def test_what_is_real_cannot_be_decided_by_a_link(phone: Window, waiting: Waiting) -> None:
    waiting.change_execution(environment=Environment.LIVE)
    answer = phone.post(link(waiting), {"attempt": "1", "action": "approve"})
    assert answer.status_code == 404
    assert waiting.row()["status"] is CheckpointStatus.AWAITING


@with_links(ReviewLinks.VIEW)
def test_a_link_that_only_shows_offers_to_sign_in(phone: Window, waiting: Waiting) -> None:
    page = opened(phone, link(waiting)).text
    assert not may_decide(page)
    assert f'href="/signin?next=/review/{waiting.id}"' in page
    assert phone.post(link(waiting), {"attempt": "1", "action": "approve"}).status_code == 404
    assert phone.post(f"{link(waiting)}/active", {"milliseconds": "5"}).status_code == 404
    row = waiting.row()
    assert (row["status"], row["first_viewed_at"]) == (CheckpointStatus.AWAITING, None)


@with_links(ReviewLinks.OFF)
def test_where_links_are_off_none_opens(phone: Window, waiting: Waiting) -> None:
    assert phone.get(link(waiting)).status_code == 404
    assert phone.post(link(waiting), {"attempt": "1", "action": "approve"}).status_code == 404


def test_a_form_of_another_site_decides_nothing(phone: Window, waiting: Waiting) -> None:
    sent = {"attempt": "1", "action": "approve"}
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        assert phone.post(link(waiting), sent, **headers).status_code == 403
    assert waiting.row()["status"] is CheckpointStatus.AWAITING


def test_a_viewer_decides_nothing_by_a_link_either(desks: Desks, phone: Window, house: House) -> None:
    house.account("vera@example.org", Role.VIEWER)
    waiting = desks.waiting(assignedReviewer="vera@example.org")
    path = link(waiting, "vera@example.org")
    assert not may_decide(opened(phone, path).text)
    assert phone.post(path, {"attempt": "1", "action": "approve"}).status_code == 403


def test_a_bad_decision_by_a_link_keeps_what_was_typed(phone: Window, waiting: Waiting) -> None:
    path = link(waiting)
    answer = phone.submit(f"{path}?attempt=1", path, "edit", comment="my words", **{"edit-0-2": "a\nb"})
    assert answer.status_code == 422
    sections(answer.text, 'role="alert"', "one line", "my words")
    assert may_decide(answer.text)


def test_a_hint_by_the_link_leads_to_the_next_attempt(desks: Desks, phone: Window, waiting: Waiting) -> None:
    path = link(waiting)
    stale = phone.form(f"{path}?attempt=1", path).fields
    assert phone.submit(f"{path}?attempt=1", path, "hint", hint="Use 12 %").status_code == 303
    desks.ask(waiting, [action(**MAIL)])
    answer = phone.post(path, {**stale, "action": "approve", "comment": "late words"})
    assert answer.status_code == 409
    sections(answer.text, "Use 12 %", "late words", f"{path}?attempt=2")
    assert phone.submit(f"{path}?attempt=2", path, "reject").status_code == 303
    assert waiting.execution()["status"] is Status.REJECTED


def test_nothing_that_others_wrote_becomes_markup_here_either(desks: Desks, phone: Window) -> None:
    hostile = action("x_run", "other", note=HOSTILE)
    waiting = desks.waiting([hostile], question=HOSTILE, work=HOSTILE, assignedReviewer=CY)
    page = opened(phone, link(waiting)).text
    assert "<script>alert" not in page
    assert "<img" not in page
    assert "⟨U+202E⟩" in page


def test_a_link_shows_nothing_of_what_came_after_its_checkpoint(phone: Window, waiting: Waiting) -> None:
    path = link(waiting)
    phone.submit(f"{path}?attempt=1", path, "approve")
    page = opened(phone, path).text
    sections(page, "What was recorded")
    assert "What else happened" not in page


def test_the_address_of_a_link_is_told_to_no_other_site(phone: Window, waiting: Waiting) -> None:
    headers = phone.get(f"{link(waiting)}?attempt=1").headers
    assert headers["referrer-policy"] == "strict-origin"
    assert headers["cache-control"] == "no-store"
