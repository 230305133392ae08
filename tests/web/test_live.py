"""What an open page is told: that something changed, and that its sign-in is over."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from api.factories import Team
from fastapi import FastAPI
from starlette.requests import Request
from web.windows import House, Window

from mixus.accounts import sessions
from mixus.accounts.principal import Role
from mixus.core.clock import utc_now
from mixus.core.events import Actor
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
