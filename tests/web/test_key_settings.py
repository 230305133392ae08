"""What an admin's settings change on the pages of keys."""

import pytest
from web.keyring import KEYS, made, stored
from web.windows import House, Window

from mixus.core.database import Database
from mixus.core.settings import Settings


@pytest.fixture
def settings() -> Settings:
    return Settings(endless_keys=True, support_contact="help@example.org")


@pytest.fixture
def ada(house: House) -> Window:
    return house.signed_in()


def test_never_can_be_chosen_where_the_admin_allows_it(ada: Window, database: Database) -> None:
    made(ada, expires="never")
    assert stored(database)[0].expires_at is None
    assert "never" in ada.get(KEYS).text


def test_whom_to_ask_is_named(ada: Window) -> None:
    assert "Ask help@example.org" in ada.get(KEYS).text
