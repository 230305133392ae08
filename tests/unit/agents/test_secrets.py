import json
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from factories import UNKNOWN_KEY
from hypothesis import given
from hypothesis import strategies as st

from mixus.agents.redaction import REDACTED, Redactor

PASSWORD = "correct horse (battery) [staple]+"
redact = Redactor([PASSWORD, "short"])

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@pytest.mark.parametrize(
    "secret",
    [
        PASSWORD,
        UNKNOWN_KEY,
        "sk-" + "a" * 48,
        "sk-proj-" + "A1_-" * 12,
        "sk-ant-api03-" + "b" * 40,
        "ghp_" + "c" * 36,
        "github_pat_" + "d" * 40,
        "AKIA" + "E" * 16,
        "AIza" + "f" * 35,
        "gsk_" + "g" * 40,
        "xoxb-" + "1" * 20,
        "-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----",
    ],
)
@pytest.mark.parametrize("frame", ["{}", "the key is {}.", '{{"key": "{}"}}', "{} and {}"])
def test_no_secret_survives_anywhere_in_a_text(secret: str, frame: str) -> None:
    text = frame.format(secret, secret)
    for value in (text, {"a": [text]}, {text: 1}, (text, (text,))):
        assert secret not in str(redact(value))


@pytest.mark.parametrize("value", ['a "quoted\\ one', "naïve-password", "with space/and+more%"])
def test_a_secret_is_found_in_json_and_in_an_address_too(value: str) -> None:
    """The arguments of a call come as JSON in a text; a page may quote what it was sent."""
    spelled = (json.dumps(value), json.dumps(value, ensure_ascii=False))
    in_addresses = (quote(value, safe=""), quote_plus(value))
    for each in (*spelled, *(f'"{text}"' for text in in_addresses)):
        assert Redactor([value])(each) == f'"{REDACTED}"'


def test_what_surrounds_a_secret_stays() -> None:
    assert redact(f"before {PASSWORD} after") == f"before {REDACTED} after"


@pytest.mark.parametrize("value", ["short", "sk-learn", "a task", "ghp_", 7, None, True, {"a": [1.5]}])
def test_what_is_no_secret_stays_as_it_is(value: Any) -> None:
    assert redact(value) == value


@given(JSON)
def test_the_shape_of_a_value_stays(value: Any) -> None:
    once = redact(value)
    assert type(once) is type(value)
    assert redact(once) == once


def test_a_long_hostile_text_is_read_before_the_test_runs_out_of_time() -> None:
    hostile = "-----BEGIN PRIVATE KEY-----" * 1_500 + "sk-" * 5_000
    assert redact(hostile)
