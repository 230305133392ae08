"""How values read on a page."""

from datetime import timedelta

import pytest
from factories import NOW

from mixus.core.text import visible
from mixus.server.web import showing


@pytest.mark.parametrize(
    ("milliseconds", "words"),
    [
        (None, "—"),
        (0, "0 ms"),
        (999, "999 ms"),
        (4_200, "4.2 s"),
        (59_949, "59.9 s"),
        (60_000, "1 min"),
        (200_000, "3 min 20 s"),
        (7_500_000, "2 h 5 min"),
        (356_400_000, "4 d 3 h"),
    ],
)
def test_a_duration_reads_in_two_units_at_most(milliseconds: int | None, words: str) -> None:
    assert showing.duration(milliseconds) == words


def test_money_that_is_not_known_is_not_zero() -> None:
    assert [showing.money(each) for each in (None, 0, 0.0123, 12.5, 1234.5)] == [
        "—",
        "$0.00",
        "$0.0123",
        "$12.50",
        "$1,234.50",
    ]


def test_a_time_is_relative_to_read_and_exact_to_point_at() -> None:
    written = str(showing.ago(NOW - timedelta(days=3, hours=2), NOW))
    assert ">3 days ago<" in written
    assert "UTC" in written
    assert ">in 1 hour<" in str(showing.ago(NOW + timedelta(hours=1, minutes=5), NOW))
    assert ">in 90 days<" in str(showing.ago(NOW + timedelta(days=90) - timedelta(seconds=5), NOW))
    assert ">just now<" in str(showing.ago(NOW - timedelta(seconds=3), NOW))


@pytest.mark.parametrize(
    ("hostile", "seen"),
    [
        ("pay \u202egnp.exe", "pay ⟨U+202E⟩gnp.exe"),
        ("zero\u200bwidth", "zero⟨U+200B⟩width"),
        ("bell\x07", "bell⟨U+0007⟩"),
        ("\ufeffmark", "⟨U+FEFF⟩mark"),
        ("lines\nand\ttabs", "lines\nand\ttabs"),
        ("over\rwritten", "over⟨U+000D⟩written"),
        ("blank\u3164letter", "blank⟨U+3164⟩letter"),
        ("Grüße 日本語 🙂", "Grüße 日本語 🙂"),
    ],
)
def test_nothing_in_foreign_text_is_hidden(hostile: str, seen: str) -> None:
    assert visible(hostile) == seen


@pytest.mark.parametrize(
    "character", ["\u034f", "\u17b4", "\u180b", "\ufe00", "\ufe0f", "\U000e0101", "\u200d"]
)
def test_a_mark_without_a_glyph_splits_no_address_unseen(character: str) -> None:
    assert visible(f"ada@exam{character}ple.org") == f"ada@exam⟨U+{ord(character):04X}⟩ple.org"


def test_what_joins_letters_and_pictures_stays_where_it_is_needed() -> None:
    for text in ("ني\u200cن", "क्\u200dष", "👩\u200d💻", "❤\ufe0f\u200d🔥"):
        assert visible(text) == text


def test_a_message_in_joiners_shows() -> None:
    assert visible("م\u200c\u200d\u200c") == "م\u200c⟨U+200D⟩⟨U+200C⟩"


def test_json_is_shown_in_lines_and_with_nothing_hidden() -> None:
    assert showing.pretty({"to": "a\u202eb"}) == '{\n  "to": "a⟨U+202E⟩b"\n}'


def test_only_known_words_become_sentences() -> None:
    assert showing.said("saved") == "Saved."
    assert showing.said("<script>") is None
    assert showing.said(None) is None
