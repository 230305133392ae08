"""/eval: what is listed to whom, by which filters, and how far back it looks."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from api.factories import Caller, Team
from sqlalchemy import update
from web.windows import House, Window

from mixus.accounts.principal import Role, Scope
from mixus.core.database import Database
from mixus.evals import browsing
from mixus.evals.tables import executions

HOSTILE = '"><img src=x onerror=alert(1)><script>alert(1)</script>\u202e'
KEPT = {
    "/eval?status=queued": ["b", "a"],
    "/eval?status=completed": ["c"],
    "/eval?mode=without-verification": ["b"],
    "/eval?model=rehearsal": ["c", "b", "a"],
    "/eval?model=openai:gpt-4o": [],
    "/eval?q=COMMISSION": ["a"],
    "/eval?q=100%25": [],
    "/eval?metadata=suite=nightly": ["b", "a"],
    "/eval?metadata=suite%3Dnightly&mode=with-verification": ["a"],
    "/eval?metadata=run=7": ["a"],
    "/eval?metadata=is%20it=true": ["b"],
    "/eval?metadata=nested=7": [],
    "/eval?from=2020-01-01": ["c", "b", "a"],
    "/eval?to=2020-01-01": [],
    "/eval?from=2020-01-01&to=2999-01-01&q=mail": ["b"],
}
WRONG = {
    "status=done": "There is no such status",
    "mode=maybe": "There is no such mode",
    "metadata=nightly": "Give a name and a value",
    "metadata=%22=x": "neither quotes nor backslashes",
    "metadata==x": "at least one character",
    "from=yesterday": "Give a day such as",
    "to=9999-12-31": "Give an earlier day",
    "from=2026-02-01&to=2026-01-01": "The last day is before the first",
    "cursor=nonsense": "This cursor is not one of ours",
    "q=" + "x" * 201: "Give at most 200 characters",
    "q=%00": "A NUL character",
    "model=%00": "A NUL character",
}


@pytest.fixture
def ada(team: Team, house: House) -> Caller:
    """A member whose window `window` looks into what she made by key."""
    return team.with_key(house.account(), [Scope.MANAGE])


@pytest.fixture
def window(house: House, ada: Caller) -> Window:
    signed_in = house.window(ada.account)
    assert signed_in.sign_in().status_code == 200
    return signed_in


def listed(window: Window, address: str = "/eval") -> list[str]:
    page = window.get(address)
    assert page.status_code == 200, page.text
    return re.findall(r'href="/eval/(exe_\w+)" data-row', page.text)


def note(window: Window, address: str) -> str:
    page = window.get(address).text
    return page.partition('role="alert"')[2].partition("<form")[0]


def test_the_first_page_is_the_list(house: House) -> None:
    answer = house.signed_in().get("/")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/eval"


def test_where_nothing_ran_yet_the_page_teaches_how_to_begin(window: Window) -> None:
    page = window.get("/eval").text
    assert "No evaluations yet" in page
    assert "curl http://testserver/api/eval/create-task-agent" in page
    assert 'href="/integrations/api-keys"' in page
    assert 'href="/eval/new"' in page
    assert 'role="search"' not in page


def test_the_example_of_the_empty_page_runs_as_it_stands(window: Window, ada: Caller) -> None:
    page = window.get("/eval").text
    example = page.partition('<pre id="example" tabindex="0">')[2].partition("</pre>")[0]
    body = example.partition("-d &#39;")[2].removesuffix("&#39;").replace("&#34;", '"')
    headers = {"Content-Type": "application/json"}
    answer = ada("POST", "/api/eval/create-task-agent", content=body.encode(), headers=headers)
    assert answer.status_code == 201, answer.text
    assert listed(window) == [answer.json()["executionId"]]


def test_the_newest_stands_first_with_all_that_is_known_of_it(
    window: Window, ada: Caller, team: Team, database: Database
) -> None:
    first = ada.create(taskName="Quarterly commission")
    team.complete(first)
    with database.transaction() as tx:
        tx.execute(update(executions).values(passed=True))
    second = ada.create(taskName="Without anybody", testMode="without-verification")
    assert listed(window) == [second, first]
    page = window.get("/eval").text
    for shown in ("Quarterly commission", "completed", "passed", "ada@example.org", "rehearsal", "sandbox"):
        assert shown in page
    assert "without verification" in page
    assert 'data-stream="/live/executions?seen=' in page
    assert '<div id="evaluations" class="stack" data-live>' in page


def test_each_filter_keeps_what_it_says(window: Window, ada: Caller, team: Team) -> None:
    ids = {
        ada.create(taskName="Commission", metadata={"suite": "nightly", "run": 7}): "a",
        ada.create(
            taskName="A mail",
            testMode="without-verification",
            metadata={"suite": "nightly", "run": 8, "is it": True, "in": {"nested": 7}},
        ): "b",
        ada.create(taskName="Other", checkpoints=None): "c",
    }
    team.complete(next(each for each, name in ids.items() if name == "c"))
    found = {address: [ids[each] for each in listed(window, address)] for address in KEPT}
    assert found == KEPT


def test_the_last_day_is_part_of_the_time_that_is_asked_for(
    window: Window, ada: Caller, database: Database
) -> None:
    one = ada.create()
    late = datetime(2026, 3, 31, 23, 59, 59, 999_000, tzinfo=UTC)
    with database.transaction() as tx:
        tx.execute(update(executions).values(created_at=late))
    assert listed(window, "/eval?from=2026-03-31&to=2026-03-31") == [one]
    assert listed(window, "/eval?to=2026-03-30") == []
    assert listed(window, "/eval?from=2026-04-01") == []


def test_a_filter_that_is_wrong_is_said_and_left_out(window: Window, ada: Caller) -> None:
    one = ada.create(taskName="Commission")
    for query, said in WRONG.items():
        assert said in note(window, f"/eval?{query}")
        assert listed(window, f"/eval?{query}") == [one]


def test_filters_that_hold_can_be_taken_away_one_by_one(window: Window, ada: Caller) -> None:
    ada.create(taskName="Commission")
    page = window.get("/eval?q=commission&model=rehearsal&status=queued").text
    assert 'href="/eval?q=commission&amp;status=queued" aria-label="Remove the filter Model' in page
    assert 'href="/eval?status=queued&amp;model=rehearsal" aria-label="Remove the filter Text' in page
    assert '<a href="/eval?q=commission&amp;model=rehearsal">All</a>' in page
    assert 'type="hidden" name="status" value="queued"' in page


def test_where_nothing_matches_the_page_says_so_and_leads_back(window: Window, ada: Caller) -> None:
    ada.create()
    page = window.get("/eval?q=nowhere").text
    assert "No evaluation matches" in page
    assert '<a class="button" href="/eval">Clear the filters</a>' in page


def test_pages_follow_each_other_and_keep_the_filters(window: Window, ada: Caller) -> None:
    made = [ada.create(metadata={"suite": "nightly"}) for _ in range(27)]
    ada.create()
    first = window.get("/eval?metadata=suite%3Dnightly").text
    older = re.search(r'href="(/eval\?[^"]*cursor=[^"]*)">Older', first)
    assert older is not None
    address = older[1].replace("&amp;", "&")
    assert "metadata=suite%3Dnightly" in address
    together = listed(window, "/eval?metadata=suite%3Dnightly") + listed(window, address)
    assert together == made[::-1]
    assert "Newest" in window.get(address).text


@pytest.mark.parametrize("far", [1, 3])
def test_a_rare_match_is_found_however_far_back_it_is(
    house: House, ada: Caller, window: Window, team: Team, monkeypatch: pytest.MonkeyPatch, far: int
) -> None:
    """Each page looks through so many only, and says how to go on."""
    monkeypatch.setattr(browsing, "LOOKED_THROUGH", far)
    bob = team.person("bob@example.org")
    wanted = [
        bob.create(taskName="Needle", assignedReviewer="ada@example.org"),
        ada.create(taskName="Needle"),
    ]
    for number in range(6):
        (ada, bob)[number % 2].create(assignedReviewer="ada@example.org")
    wanted.append(ada.create(taskName="Needle"))
    found: list[str] = []
    address: str | None = "/eval?q=needle"
    while address is not None:
        found += listed(window, address)
        page = window.get(address).text
        on = re.search(r'href="(/eval\?[^"]*cursor=[^"]*)">(Look further back|Older)', page)
        address = on and on[1].replace("&amp;", "&")
    assert found == wanted[::-1]


def test_what_is_live_is_found_by_its_status_however_old_it_is(
    window: Window, ada: Caller, team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browsing, "LOOKED_THROUGH", 2)
    old = ada.create(checkpoints=None)
    for _ in range(4):
        team.complete(ada.create(checkpoints=None))
    assert listed(window, "/eval?status=queued") == [old]


def test_a_member_sees_his_own_and_what_he_reviews_and_nothing_else(
    window: Window, ada: Caller, team: Team
) -> None:
    bob = team.person("bob@example.org")
    bob.create(taskName="A secret of Bob")
    reviewed = bob.create(assignedReviewer="Ada@example.org")
    own = ada.create()
    assert listed(window) == [own, reviewed]
    assert "A secret of Bob" not in window.get("/eval").text
    assert listed(window, "/eval?q=secret") == []
    assert listed(window, "/eval?status=queued") == [own, reviewed]


@pytest.mark.parametrize("role", [Role.ADMIN, Role.VIEWER])
def test_admins_and_viewers_see_all(house: House, ada: Caller, role: Role) -> None:
    one = ada.create()
    assert listed(house.signed_in("eve@example.org", role)) == [one]


def test_a_viewer_is_offered_nothing_that_he_may_not_do(house: House, ada: Caller) -> None:
    viewer = house.signed_in("eve@example.org", Role.VIEWER)
    assert 'href="/eval/new"' not in viewer.get("/eval").text
    ada.create()
    assert 'href="/eval/new"' not in viewer.get("/eval").text


def test_what_waits_is_counted_at_its_status(window: Window, ada: Caller, team: Team) -> None:
    for _ in range(2):
        execution_id = ada.create()
        checkpoint = ada.status(execution_id)["checkpoints"][0]["checkpointId"]
        team.pause(execution_id, checkpoint)
    ada.create()
    page = window.get("/eval").text
    counts = re.findall(r'>(\w[\w ]*) <span class="chip \w+">(\d+)</span></a>', page)
    assert counts == [("Queued", "1"), ("Awaiting verification", "2")]


def test_hostile_text_is_shown_and_never_run(window: Window, ada: Caller) -> None:
    ada.create(taskName=HOSTILE, metadata={"suite": HOSTILE})
    for address in (
        "/eval",
        f"/eval?q={HOSTILE[:20]}&model={HOSTILE[:9]}&status={HOSTILE[:9]}&from={HOSTILE[:9]}",
    ):
        page = window.get(address).text
        assert "<img" not in page
        assert "<script>alert" not in page
        assert "\u202e" not in page
    assert "⟨U+202E⟩" in window.get("/eval").text


def test_a_filter_of_odd_characters_finds_what_has_them(window: Window, ada: Caller) -> None:
    names: dict[str, Any] = {"sÜite.$[0]": "grün = gut"}
    one = ada.create(metadata=names)
    assert listed(window, "/eval?metadata=s%C3%9Cite.%24%5B0%5D%3Dgr%C3%BCn+%3D+gut") == [one]
