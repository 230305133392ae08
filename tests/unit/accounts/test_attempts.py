"""Guessing passwords is slow for the guesser and for nobody else."""

import pytest

from mixus.accounts import attempts
from mixus.core.database import Database
from mixus.core.errors import TooManyRequests
from mixus.core.limits import Limiter, limiter_of, rate_windows

HOME, AWAY = "192.0.2.0/24", "198.51.100.0/24"
ADA, BOB = "ada@example.org", "bob@example.org"


@pytest.fixture
def limiter(database: Database) -> Limiter:
    return limiter_of(database)


def admit(limiter: Limiter, times: int, network: str | None = HOME, email: str = ADA) -> None:
    for _ in range(times):
        attempts.admit(limiter, network, email)


def is_refused(limiter: Limiter, network: str | None = HOME, email: str = ADA) -> bool:
    try:
        attempts.admit(limiter, network, email)
    except TooManyRequests as refused:
        return 0 < refused.retry_after_seconds <= 3600 and email not in refused.detail
    return False


def test_the_eleventh_guess_is_refused_and_concerns_nobody_else(limiter: Limiter) -> None:
    admit(limiter, 10)
    assert is_refused(limiter)
    assert not is_refused(limiter, email=BOB)
    assert not is_refused(limiter, network=AWAY)
    assert is_refused(limiter)


def test_the_right_password_clears_the_guesses(limiter: Limiter) -> None:
    admit(limiter, 10)
    attempts.forgive(limiter, HOME, ADA)
    admit(limiter, 10)
    assert is_refused(limiter)


def test_a_network_has_sixty_guesses_at_whomever(limiter: Limiter) -> None:
    for number in range(60):
        admit(limiter, 1, email=f"{number}@example.org")
    assert is_refused(limiter)
    assert not is_refused(limiter, network=AWAY)


def test_a_person_is_guessed_at_a_hundred_times_from_wherever(limiter: Limiter) -> None:
    for number in range(100):
        admit(limiter, 1, network=f"10.0.{number}.0/24")
    assert is_refused(limiter)
    assert not is_refused(limiter, email=BOB)


def test_refused_guesses_take_nothing_from_the_others(limiter: Limiter) -> None:
    admit(limiter, 10)
    assert all(is_refused(limiter) for _ in range(100))
    assert not is_refused(limiter, email=BOB)
    assert not is_refused(limiter, network=AWAY)


def test_callers_without_a_network_are_limited_together(limiter: Limiter) -> None:
    admit(limiter, 10, network=None)
    assert is_refused(limiter, network=None)


def test_no_address_is_stored(postgres_database_url: str) -> None:
    database = Database(postgres_database_url)
    attempts.admit(limiter_of(database), "2001:db8:ffff::/48", "a" * 242 + "@example.org")
    with database.engine.connect() as connection:
        names = connection.execute(rate_windows.select()).scalars().all()
    database.close()
    assert len(names) == 4
    assert all(len(name) <= 128 and "example" not in name and "2001" not in name for name in names)
