"""The application: one layer around the routes, and a reference that says what a refusal looks like."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool
from fastapi.middleware.asyncexitstack import AsyncExitStackMiddleware
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Receive, Scope, Send

from mixus.agents.catalog import Catalog
from mixus.core.database import Database
from mixus.core.limits import Policy, limiter_of
from mixus.core.settings import Settings
from mixus.evals.capacity import Capacity
from mixus.keys.authenticate import stored_hashes
from mixus.keys.pepper import Pepper
from mixus.keys.service import Rules
from mixus.server.api import (
    audit,
    checkpoints,
    create,
    events,
    executions,
    export,
    external,
    health,
    keys,
    metrics,
    session,
    status,
    templates,
    trace,
    users,
)
from mixus.server.authentication import Door
from mixus.server.bookkeeper import Bookkeeper
from mixus.server.changes import Changes
from mixus.server.edge import Edge
from mixus.server.flood import Flood
from mixus.server.openapi import describe_problems
from mixus.server.services import Services, turns_of
from mixus.server.watcher import Watcher
from mixus.server.web import (
    account,
    admin,
    evaluations,
    execution,
    integrations,
    live,
    manual,
    new_evaluation,
    review,
    review_link,
    sign_in,
    static,
)
from mixus.server.web import keys as key_pages

WINDOW_SECONDS = 60
# A fixed address stands before one that takes anything in its place.
PAGES = (
    *(static, live, sign_in, account, integrations, key_pages),
    *(evaluations, new_evaluation, execution, review, review_link, admin, manual),
)
DESCRIPTION = """\
Evaluate AI agents with a human in the loop. Every refusal is problem details (RFC 9457) with a stable `code`.
Times are RFC 3339 in UTC, durations whole milliseconds. In a request null is the same as left out, but for
PATCH, which refuses it.\
"""


def create_app(settings: Settings, database: Database, pepper: Pepper, catalog: Catalog) -> FastAPI:
    services = services_of(settings, database, pepper, catalog)
    app = Application(
        title="Mixus",
        version=version("mixus"),
        description=DESCRIPTION,
        # The framework's own pages load their scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=books_open,
        generate_unique_id_function=lambda route: route.name,
        # Nothing leaves this process that the admin did not set up, whatever the environment says.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    app.state.services = services
    # First in line and not behind a router of its own: this route is asked more than all others together.
    app.router.routes.extend(status.router.routes)
    for room in (create, templates, executions, checkpoints, trace, events, metrics, export, external):
        app.include_router(room.router)
    for room in (keys, session, users, audit, health):
        app.include_router(room.router)
    for pages in PAGES:
        app.include_router(pages.router)
    return app


def services_of(settings: Settings, database: Database, pepper: Pepper, catalog: Catalog) -> Services:
    limiter = limiter_of(database)
    requests = Policy(settings.requests_per_minute, WINDOW_SECONDS)
    failures = Policy(settings.failed_keys_per_minute, WINDOW_SECONDS)
    door = Door(
        database,
        pepper,
        limiter,
        requests,
        Flood(failures, partial(stored_hashes, database)),
        settings.public_url,
    )
    return Services(
        settings=settings,
        database=database,
        pepper=pepper,
        limiter=limiter,
        door=door,
        bookkeeper=Bookkeeper(database),
        catalog=catalog,
        rules=Rules(settings.keys_per_user, settings.endless_keys),
        running_per_user=settings.running_per_user,
        capacity=Capacity(settings.queued_per_user, settings.waiting_per_user),
        watcher=Watcher(database),
        changes=Changes(database),
        turns=turns_of(database),
    )


@asynccontextmanager
async def books_open(app: FastAPI) -> AsyncIterator[None]:
    """While the application serves, the use of keys is written down."""
    bookkeeper: Bookkeeper = app.state.services.bookkeeper
    bookkeeper.start()
    try:
        yield
    finally:
        await run_in_threadpool(bookkeeper.stop)


class Shortcut:
    """Asks one route before the framework does, which looks at its routes one by one."""

    def __init__(self, route: BaseRoute, app: ASGIApp) -> None:
        self.route = route
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            match, found = self.route.matches(scope)
            if match is Match.FULL:
                scope.update(found)
                await self.route.handle(scope, receive, send)
                return
        await self.app(scope, receive, send)


class Application(FastAPI):
    """The framework without its layers of middleware: the edge does their work, and all errors reach it."""

    def build_middleware_stack(self) -> ASGIApp:
        services: Services = self.state.services
        app = Shortcut(status.router.routes[0], AsyncExitStackMiddleware(self.router))
        return Edge(app, services.door, services.bookkeeper, services.settings.support_contact)

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            describe_problems(super().openapi())
        return super().openapi()
