"""What an open page is told: that something changed, and that its sign-in is over."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from datetime import timedelta

import pytest
from api.factories import Team
from fastapi import FastAPI
from starlette.requests import Request
from web.waiting import Desks, Waiting, opened
from web.windows import House, Window

from mixus.accounts import sessions
from mixus.accounts.principal import Role
from mixus.core.clock import utc_now
from mixus.core.database import Database
from mixus.core.events import Actor
from mixus.evals import timeouts
from mixus.server.deps import services_of
from mixus.server.web import live


def asking(app: FastAPI, window: Window) -> Request:
    cookie = (window.cookie or "").encode()
    scope = {"type": "http", "method": "GET", "path": "/live/executions", "query_string": b"", "app": app}
    return Request(scope | {"headers": [(b"cookie", cookie)], "state": {"network": None}})


async def told(stream: AsyncIterator[bytes]) -> bytes:
    """The first that is no sign of life."""
    async for message in stream:
        if message != live.KEEP_ALIVE:
            return message
    raise AssertionError("the stream ended")


def test_the_list_is_told_when_any_execution_moves(app: FastAPI, house: House, team: Team) -> None:
    window, bob = house.signed_in(), team.person("bob@example.org")

    async def follow() -> bytes:
        request = asking(app, window)
        services = services_of(request)
        principal = await services.door.visitor(request.scope)
        answer = await live.follow_all(request, principal, services)
        stream = answer.body_iterator
        first = asyncio.create_task(told(stream))  # type: ignore[arg-type] # it yields bytes
        await asyncio.sleep(0)
        await asyncio.to_thread(bob.create)
        return await asyncio.wait_for(first, 30)

    assert asyncio.run(follow()) == live.CHANGED


def test_the_page_of_an_execution_is_told_at_once_what_it_missed(
    app: FastAPI, house: House, team: Team
) -> None:
    bob = team.person("bob@example.org")
    window = house.window(bob.account)
    execution_id = bob.create()
    admin = house.signed_in("root@example.org", Role.ADMIN)

    async def follow(seen: int) -> bytes:
        request = asking(app, admin)
        services = services_of(request)
        principal = await services.door.visitor(request.scope)
        answer = await live.follow_one(request, principal, services, execution_id, seen)
        return await asyncio.wait_for(told(answer.body_iterator), 30)  # type: ignore[arg-type] # see above

    assert asyncio.run(follow(0)) == live.CHANGED
    assert window.cookie is None


def test_a_stream_ends_with_its_session(app: FastAPI, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "RECHECK_SECONDS", 0.05)
    window = house.signed_in()
    assert window.account is not None
    user_id = window.account.id

    async def follow() -> bytes:
        request = asking(app, window)
        services = services_of(request)
        principal = await services.door.visitor(request.scope)
        answer = await live.follow_all(request, principal, services)
        with services.database.transaction() as tx:
            sessions.sign_out_everywhere(tx, user_id, Actor(None), utc_now())
        return await asyncio.wait_for(told(answer.body_iterator), 30)  # type: ignore[arg-type] # see above

    assert asyncio.run(follow()) == live.CLOSED


def test_another_persons_execution_has_no_stream(house: House, team: Team) -> None:
    execution_id = team.person("bob@example.org").create()
    window = house.signed_in()
    assert window.get(f"/live/executions/{execution_id}", Accept="text/event-stream").status_code == 404
    assert house.window().get("/live/executions", Accept="text/event-stream").status_code == 401


@pytest.fixture
def desks(house: House, team: Team, database: Database) -> Desks:
    return Desks(house, team, database)


def renamed(desks: Desks, waiting: Waiting) -> None:
    path = f"/api/eval/executions/{waiting.execution_id}"
    assert desks.key("PATCH", path, json={"taskName": "Another"}).status_code == 200


def deleted(desks: Desks, waiting: Waiting) -> None:
    assert desks.key("DELETE", f"/api/eval/executions/{waiting.execution_id}").status_code == 204


def escalated(desks: Desks, waiting: Waiting) -> None:
    waiting.change(due_at=utc_now())
    waiting.change_execution(review_timeout_ms=60_000, escalate_to="carol@example.org")
    with desks.database.transaction() as tx:
        timeouts.settle(tx, waiting.execution_id, waiting.id, utc_now() + timedelta(seconds=1))


def dated_earlier(desks: Desks, waiting: Waiting) -> None:
    """Of two moves the later one is from a process whose clock is behind."""
    waiting.change_execution(since=waiting.execution()["since"] - timedelta(minutes=1))
    assert desks.database


@pytest.mark.parametrize("change", [renamed, deleted, escalated, dated_earlier])
@pytest.mark.parametrize("path", ["/eval", "/review"])
def test_a_list_is_told_of_every_change_since_it_was_made(
    app: FastAPI, desks: Desks, path: str, change: Callable[[Desks, Waiting], None]
) -> None:
    waiting = desks.waiting()
    desks.waiting()
    page = opened(desks.bob, path).text
    [seen] = re.findall(r'data-stream="/live/executions\?seen=(\w+)"', page)
    change(desks, waiting)

    async def follow() -> bytes:
        request = asking(app, desks.bob)
        services = services_of(request)
        principal = await services.door.visitor(request.scope)
        answer = await live.follow_all(request, principal, services, seen)
        return await asyncio.wait_for(told(answer.body_iterator), 30)  # type: ignore[arg-type] # see above

    assert asyncio.run(follow()) == live.CHANGED


def handed_over(desks: Desks, waiting: Waiting) -> None:
    path = f"/api/eval/executions/{waiting.execution_id}"
    assert desks.key("PATCH", path, json={"assignedReviewer": "carol@example.org"}).status_code == 200


@pytest.mark.parametrize("change", [deleted, handed_over])
def test_the_stream_of_what_one_may_not_see_any_more_ends(
    app: FastAPI, desks: Desks, change: Callable[[Desks, Waiting], None]
) -> None:
    waiting = desks.waiting()

    async def follow() -> bytes:
        request = asking(app, desks.bob)
        services = services_of(request)
        principal = await services.door.visitor(request.scope)
        row = waiting.execution()
        seen = row["trace_count"] + row["version"]
        answer = await live.follow_one(request, principal, services, waiting.execution_id, seen)
        await asyncio.to_thread(change, desks, waiting)
        return await asyncio.wait_for(told(answer.body_iterator), 30)  # type: ignore[arg-type] # see above

    assert asyncio.run(follow()) == live.CLOSED
