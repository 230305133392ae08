"""The application: one layer around the routes, and a reference that says what a refusal looks like."""

from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from fastapi.middleware.asyncexitstack import AsyncExitStackMiddleware
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Receive, Scope, Send

from mixus.agents.catalog import Catalog
from mixus.core.database import Database
from mixus.core.settings import Settings
from mixus.keys.pepper import Pepper
from mixus.server.api import checkpoints, create, events, executions, health, keys, status, trace
from mixus.server.authentication import Door
from mixus.server.edge import Edge
from mixus.server.openapi import describe_problems
from mixus.server.services import Services, turns_of
from mixus.server.watcher import Watcher

DESCRIPTION = """\
Evaluate AI agents with a human in the loop. Every refusal is problem details (RFC 9457) with a stable `code`.
Times are RFC 3339 in UTC, durations whole milliseconds. In a request null is the same as left out, but for
PATCH, which refuses it.\
"""


def create_app(settings: Settings, database: Database, pepper: Pepper, catalog: Catalog) -> FastAPI:
    door = Door(database, pepper)
    app = Application(
        title="Mixus",
        version=version("mixus"),
        description=DESCRIPTION,
        # The framework's own pages load their scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
        # Nothing leaves this process that the admin did not set up, whatever the environment says.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    app.state.services = Services(settings, database, door, catalog, Watcher(database), turns_of(database))
    # First in line and not behind a router of its own: this route is asked more than all others together.
    app.router.routes.extend(status.router.routes)
    for room in (create, executions, checkpoints, trace, events, keys, health):
        app.include_router(room.router)
    return app


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
        return Edge(
            Shortcut(status.router.routes[0], AsyncExitStackMiddleware(self.router)), self.state.services.door
        )

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            describe_problems(super().openapi())
        return super().openapi()
