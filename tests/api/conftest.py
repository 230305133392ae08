from collections.abc import Iterator

import pytest
from api.factories import Caller, Reference, Team
from factories import PEPPER
from fastapi import FastAPI
from starlette.testclient import TestClient

from mixus.agents.catalog import Catalog
from mixus.core.database import Database
from mixus.core.settings import Settings
from mixus.server.app import create_app


@pytest.fixture
def app(database: Database) -> FastAPI:
    # Some tests ask and queue more than a person may; test_limits.py and tests/attacks have the true limits.
    roomy = Settings(requests_per_minute=10_000, queued_per_user=1000)
    return create_app(roomy, database, PEPPER, Catalog("rehearsal"))


@pytest.fixture
def http(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app) as client:
        yield client


@pytest.fixture(scope="session")
def reference() -> Reference:
    """Made once: it is the same for every application, and takes a tenth of a second."""
    nowhere = create_app(Settings(), Database("sqlite:///nowhere"), PEPPER, Catalog("rehearsal"))
    return Reference(nowhere.openapi())


@pytest.fixture
def team(http: TestClient, database: Database, reference: Reference) -> Team:
    return Team(http, database, reference)


@pytest.fixture
def ada(team: Team) -> Caller:
    return team.person("ada@example.org")


@pytest.fixture
def bob(team: Team) -> Caller:
    return team.person("bob@example.org")
