"""Passwords: long enough, in one spelling, and never to be read again."""

import unicodedata

import pytest
from argon2 import PasswordHasher
from hypothesis import given
from hypothesis import strategies as st
from unit.accounts.people import CHEAP, HASH, PASSWORD

from mixus.accounts import passwords
from mixus.accounts.passwords import Passwords
from mixus.core.errors import Invalid

ADA = "ada@example.org"


@pytest.mark.parametrize(
    "password",
    ["x" * 12, "x" * 200, "é" * 12, "🙂" * 12, "            ", "correct horse", "ADA@example.org!"],
)
def test_any_password_of_12_to_200_characters_is_taken(password: str) -> None:
    assert passwords.checked(password, ADA) == password


@pytest.mark.parametrize(
    "password",
    [
        "",
        "x" * 11,
        "x" * 201,
        "x" * 1_000_000,
        "\u0301" * 1_000_000,
        "e\u0301" * 11,
        "nul\0nul\0nul\0",
        "half a pair \ud800",
        "ada@example.org",
        "ADA@Example.org",
    ],
)
def test_a_password_against_the_rules_is_refused_without_being_told(password: str) -> None:
    with pytest.raises(Invalid) as refused:
        passwords.checked(password, ADA)
    assert refused.value.members["errors"][0]["field"] == "password"
    assert not password or password not in refused.value.detail


def test_the_address_is_no_password_in_any_spelling() -> None:
    with pytest.raises(Invalid):
        passwords.checked("ZOE\u0308@example.org", "zo\u00eb@example.org")


def test_a_password_opens_however_it_was_composed() -> None:
    composed = "caf\u00e9 caf\u00e9 caf\u00e9"
    stored = CHEAP.hash(passwords.checked(composed, ADA))
    assert CHEAP.fits(unicodedata.normalize("NFD", composed), stored)


def test_compatible_characters_stay_different() -> None:
    stored = CHEAP.hash(passwords.checked("twelve \u2460\u2461\u2462 letters", ADA))
    assert not CHEAP.fits("twelve 123 letters", stored)


@given(st.text(min_size=1, max_size=300))
def test_no_other_text_fits(text: str) -> None:
    assert CHEAP.fits(text, HASH) is (unicodedata.normalize("NFC", text) == PASSWORD)
    assert not CHEAP.fits(text, None)


def test_where_there_is_no_password_the_same_work_is_done_and_nothing_fits() -> None:
    assert not CHEAP.fits(passwords.NOBODYS, None)


def test_what_is_stored_is_argon2id_with_the_costs_of_the_standard() -> None:
    own = Passwords()
    stored = own.hash(PASSWORD)
    assert stored.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert len(stored) <= 255
    assert own.hash(PASSWORD) != stored
    assert PASSWORD not in stored + repr(vars(own))


def test_a_hash_with_other_costs_is_outdated() -> None:
    dearer = Passwords(PasswordHasher(time_cost=2, memory_cost=8, parallelism=1))
    assert dearer.is_outdated(HASH)
    assert not dearer.is_outdated(dearer.hash(PASSWORD))
    assert dearer.fits(PASSWORD, HASH)
