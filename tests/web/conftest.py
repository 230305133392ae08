from collections.abc import Iterator

import pytest
from api.factories import Reference, Team
from factories import PEPPER
from fastapi import FastAPI
from starlette.testclient import TestClient
from web.windows import House

from mixus.agents.catalog import Catalog
from mixus.core.database import Database
from mixus.core.settings import Settings
from mixus.server.app import create_app


@pytest.fixture
def settings() -> Settings:
    """A test module that needs others has a fixture of this name."""
    return Settings(requests_per_minute=10_000)


@pytest.fixture
def app(settings: Settings, database: Database) -> FastAPI:
    return create_app(settings, database, PEPPER, Catalog("rehearsal"))


@pytest.fixture
def http(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app) as client:
        yield client


@pytest.fixture
def house(app: FastAPI, database: Database, http: TestClient) -> House:
    """`house.window()` is a browser; `house.signed_in("ada@example.org", Role.ADMIN)` one that is let in."""
    return House(app, database, http)


@pytest.fixture
def team(app: FastAPI, http: TestClient, database: Database) -> Team:
    """Callers by key, who make executions, and what a worker would do to them."""
    return Team(http, database, Reference(app.openapi()))
