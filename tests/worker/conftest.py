import pytest
from worker.house import House

from mixus.core.database import Database


@pytest.fixture
def house(database: Database) -> House:
    return House(database)
