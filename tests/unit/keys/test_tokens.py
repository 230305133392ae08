"""The format of a key, and the reading of Authorization headers: attack groups A and C9."""

import inspect
import re
import zlib

import pytest
from factories import UNKNOWN_KEY
from hypothesis import given
from hypothesis import strategies as st

from mixus.core.errors import BadRequest, Unauthorized
from mixus.core.ids import ALPHABET
from mixus.keys import tokens

VECTORS = [
    "mxs_eval_000000000000000000000000003ioNjy",
    "mxs_eval_zzzzzzzzzzzzzzzzzzzzzzzzzz3mmaxv",
    "mxs_eval_0123456789ABCDEFGHIJKLMNOP4IJGKH",
]
KEY = UNKNOWN_KEY
RAW = KEY.encode()

bodies = st.text(ALPHABET, min_size=26, max_size=26).map(lambda body: tokens.PREFIX + body)
keys = bodies.map(lambda body: body + tokens.checksum(body)).filter(lambda key: key not in VECTORS)


def refusal(*headers: bytes) -> Unauthorized:
    with pytest.raises(Unauthorized) as refused:
        tokens.parse_bearer(headers)
    return refused.value


# The format.


@pytest.mark.parametrize("vector", VECTORS)
def test_the_published_vectors_fit_and_are_refused_before_any_database(vector: str) -> None:
    assert vector[-6:] == tokens.checksum(vector[:-6])
    defect = tokens.check(vector)
    assert defect is not None
    assert defect.code == "key-unknown"
    assert refusal(b"Bearer " + vector.encode()).error_code == "key-unknown"


@pytest.mark.parametrize(
    ("body", "checksum"),
    [("QRSTUVWXYZabcdefghijklmnop", "0e2PPC"), ("00000000000000000000000280", "005Zqi")],
)
def test_the_checksum_is_padded_base62(body: str, checksum: str) -> None:
    assert tokens.checksum(tokens.PREFIX + body) == checksum


def test_the_largest_checksum_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zlib, "crc32", lambda _: 2**32 - 1)
    assert tokens.checksum("any") == "4gfFC3"


def test_a_new_key_is_well_formed_and_never_the_same() -> None:
    made = [tokens.generate() for _ in range(2000)]
    assert len(set(made)) == 2000
    assert all(re.fullmatch(r"mxs_eval_[0-9A-Za-z]{26}[0-4][0-9A-Za-z]{5}", key) for key in made)
    assert [tokens.check(key) for key in made] == [None] * 2000


def test_every_letter_of_the_alphabet_is_equally_likely() -> None:
    drawn = "".join(tokens.generate()[9:35] for _ in range(4000))
    mean = len(drawn) / 62
    assert all(abs(drawn.count(letter) - mean) < 8 * mean**0.5 for letter in ALPHABET)


def test_a_key_does_not_come_from_the_seedable_generator() -> None:
    assert "random." not in inspect.getsource(tokens)
    assert "secrets.choice" in inspect.getsource(tokens.generate)


@given(keys, st.integers(9, 40), st.sampled_from(ALPHABET))
def test_any_single_wrong_character_is_caught(key: str, place: int, letter: str) -> None:
    changed = key[:place] + letter + key[place + 1 :]
    assert (tokens.check(changed) is None) == (changed == key)


@given(keys, st.integers(9, 39))
def test_any_swap_of_two_neighbours_is_caught(key: str, place: int) -> None:
    swapped = key[:place] + key[place + 1] + key[place] + key[place + 2 :]
    assert (tokens.check(swapped) is None) == (swapped == key)


@given(st.text())
def test_no_text_breaks_the_check_or_is_repeated_in_its_answer(text: str) -> None:
    defect = tokens.check(text)
    assert defect is not None
    assert len(text) < 10 or text not in defect.detail


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        (KEY[:-1], "40 of 41 characters"),
        (KEY + "0", "42 of 41 characters"),
        ("", "does not start with mxs_eval_"),
        ("mxs_eval_", "9 of 41 characters"),
        (f"{KEY[:20]} {KEY[20:]}", "a space inside"),
        (f"{KEY} ", "a space before or after"),
        (f" {KEY}", "a space before or after"),
        (f'"{KEY}"', "quotation marks"),
        (f"<{KEY}>", "brackets"),
        (KEY.upper(), "does not start with mxs_eval_"),
        ("mxs_eval-" + KEY[9:], "does not start with mxs_eval_"),
        ("mxs_live_" + KEY[9:], "does not start with mxs_eval_"),
        (f"{KEY}\n", "other than 0-9, A-Z, a-z"),
        (f"{KEY},", "other than 0-9, A-Z, a-z"),
        (KEY[:-1] + "\uff21", "other than 0-9, A-Z, a-z"),
        (KEY[:-1] + "\u0661", "other than 0-9, A-Z, a-z"),
        ("mxs_eval_" + "\u0430" * 32, "other than 0-9, A-Z, a-z"),
    ],
)
def test_the_detail_says_what_to_mend(text: str, detail: str) -> None:
    defect = tokens.check(text)
    assert defect is not None
    assert defect.code == "key-malformed"
    assert detail in defect.detail


def test_a_body_under_another_prefix_fails_the_checksum() -> None:
    assert tokens.checksum("mxs_live_" + KEY[9:-6]) != KEY[-6:]


def test_a_mask_shows_the_last_four_characters() -> None:
    assert tokens.mask(KEY) == f"mxs_eval_…{KEY[-4:]}"


# Authorization headers.


@pytest.mark.parametrize("scheme", [b"Bearer", b"bearer", b"BEARER", b"bEaReR"])
@pytest.mark.parametrize("spaces", [b" ", b"  ", b" " * 100])
def test_the_scheme_has_any_case_and_one_or_more_spaces(scheme: bytes, spaces: bytes) -> None:
    assert tokens.parse_bearer([scheme + spaces + RAW]) == KEY


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [b""],
        [b"   "],
        [b"Bearer"],
        [b"Bearer    "],
        [b"Basic YWRhOnNlY3JldA=="],
        [b"Token abc"],
        [b"Negotiate"],
    ],
)
def test_a_request_without_a_key_is_told_how_to_send_one(headers: list[bytes]) -> None:
    refused = refusal(*headers)
    assert refused.error_code == "key-missing"
    assert "Authorization: Bearer mxs_eval_…" in refused.detail


@pytest.mark.parametrize(
    "header",
    [
        b"Bearer\t" + RAW,
        b"Bearer: " + RAW,
        b"Bearer=" + RAW,
        b"Bearer" + RAW,
        b'Bearer "' + RAW + b'"',
        b"Bearer <" + RAW + b">",
        b"Basic " + RAW,
        b"Token " + RAW,
        b" Bearer " + RAW,
        RAW,
        RAW + b" Bearer",
        b"Bearer Bearer " + RAW,
        b"Bearer " + RAW.upper(),
        b"Bearer " + RAW[:-1],
        b"Bearer " + RAW + b"0",
        b"Bearer MXS_EVAL_" + RAW[9:],
        b"Bearer mxs_eval-" + RAW[9:],
        b"Bearer " + RAW + b" ",
        b"Bearer " + RAW + b"\t",
        b"Bearer " + RAW + b",",
        b"Bearer " + RAW + b";",
        b"Bearer " + RAW + b" " + RAW,
        b"Bearer " + RAW + b", Bearer " + RAW,
        *(b"Bearer " + RAW + bytes([byte]) for byte in (*range(32), *range(127, 256))),
        *(b"Bearer " + bytes([byte]) + RAW for byte in (*range(32), *range(127, 256))),
        *(b"Bearer " + RAW[:20] + bytes([byte]) + RAW[21:] for byte in (*range(32), *range(127, 256))),
        b"Bearer " + RAW + b"%00",
        b"Bearer " + RAW[:-3] + b"%0a",
        b"Bearer " + RAW + b"\r\n folded",
        b"\xef\xbb\xbfBearer " + RAW,
        "Bearer\u200b ".encode() + RAW,
        "Bearer \u202e".encode() + RAW,
        "Bearer ".encode("utf-16") + RAW,
        b"Bearer " + "ｍｘｓ＿ｅｖａｌ＿".encode() + RAW[9:],  # noqa: RUF001 - look-alikes are the attack
        b"Bearer mxs_eval_" + "\u0430".encode() * 16,
        b"Bearer " + b"a" * 65_536,
        b"Bearer " + b" " * 256 + RAW,
        b"Bearer ' OR '1'='1",
        b"Bearer %",
        b"Bearer mxs_eval_%",
        b"Bearer mxs_eval_" + b"_" * 32,
    ],
)
def test_anything_but_one_whole_key_is_malformed(header: bytes) -> None:
    refused = refusal(header)
    assert refused.error_code == "key-malformed"
    assert KEY[9:-6] not in refused.detail
    assert refused.detail.isascii() or "…" in refused.detail


def test_a_wrong_character_is_told_from_a_wrong_form() -> None:
    wrong = b"1" if RAW[20:21] == b"0" else b"0"
    assert refusal(b"Bearer " + RAW[:20] + wrong + RAW[21:]).error_code == "key-checksum"
    assert refusal(b"Bearer mxs_eval_" + RAW[9:].swapcase()).error_code == "key-checksum"


@pytest.mark.parametrize(
    "headers",
    [
        [b"Bearer " + RAW, b"Bearer " + RAW],
        [b"Bearer " + RAW, b"Bearer x"],
        [b"", b"Bearer " + RAW],
        [b"Bearer " + RAW] * 10_000,
    ],
)
def test_two_headers_are_a_bad_request_whatever_they_say(headers: list[bytes]) -> None:
    with pytest.raises(BadRequest) as refused:
        tokens.parse_bearer(headers)
    assert refused.value.error_code == "invalid-request"


@given(st.binary())
def test_no_bytes_lead_to_anything_but_a_refusal(header: bytes) -> None:
    assert refusal(header).error_code in {"key-missing", "key-malformed"}
    assert refusal(b"Bearer " + header).error_code in {"key-missing", "key-malformed"}
