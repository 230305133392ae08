"""A word in a calculation is known to be harmless, or the task is beyond rehearsal and the word is named."""

import re
from pathlib import Path

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from mixus.agents.models.rehearsal.hints import parse
from mixus.agents.models.rehearsal.plan import BeyondRehearsal, StepKind
from mixus.agents.models.rehearsal.words import HARMLESS, UNITS_OF_MEASURE
from mixus.agents.tools.calculate import evaluate

REFERENCE = Path(__file__).parents[3] / "docs/reference/rehearsal.md"


def expressions(task: str) -> list[str]:
    return [step.expression for step in parse(task, []).steps if step.expression]


@pytest.mark.parametrize(
    ("task", "word"),
    [
        ("What is 15 % of 50 k?", "k"), ("What is 15 % of $50 mn?", "mn"),
        ("What is 15 % of $50 lakh?", "lakh"), ("What is 15 % of $50 X?", "X"), ("What is 5 K + 1?", "K"),
        ("What is 5 M + 1?", "M"), ("What is 5 B + 1?", "B"), ("What is 5 C + 1?", "C"),
        ("What is 5 a + 1?", "a"), ("What is 5 in + 1?", "in"), ("Calculate 5 K plus 10% tax", "K"),
        ("What is 5 kg + 3?", "kg"), ("What is 5 h plus 3?", "h"), ("What is 20 G times 2?", "G"),
        ("What is 5 apples + 3?", "apples"), ("What is 15% of item 4 plus 1", "item"),
        ("What is 15% of commission 4 plus 1", "commission"), ("3 invoices of $20 plus 1", "invoices"),
        ("What is 0x10 + 1?", "0x10"), ("What is 0,125 + 1?", "0,125"), ("What is 50.000 + 1?", "50.000"),
        ("What is 3.142 % of 80?", "3.142 %"), ("What is 1234.567 + 1?", "1234.567"),
        ("What is 5 + 3 by?", "by"), ("What is 5 at + 3?", "at"), ("What is 5 + 3 discount?", "discount"),
        ("What is $50k million + 1?", "million"), ("What is $50 k k + 1?", "k"),
        ("What is $5 thousand k + 1?", "k"), ("5 + of 3", "of"),
        ("15% of $50, in lakh", "lakh"), ("15% of $50 and a K", "K"), ("What is it 5 + 3?", "it"),
        ("15% of 500 before tax", "before"), ("15% of $500 a year", "a"),
    ],
)  # fmt: skip
def test_a_word_that_is_not_understood_is_refused_by_name(task: str, word: str) -> None:
    with pytest.raises(BeyondRehearsal, match=f"“{re.escape(word)}”"):
        parse(task, [])


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ("What is 15 % of $50 K?", "15 / 100 * 50000"), ("What is 15 % of 50 k euros?", "15 / 100 * 50000"),
        ("What is 15 % of $50 m?", "15 / 100 * 50000000"), ("15% of $2bn", "15 / 100 * 2000000000"),
        ("15% of 2 bn", "15 / 100 * 2000000000"), ("5 thousand + 1", "5000 + 1"),
        ("15% of 40000 in sales", "15 / 100 * 40000"), ("12 times 40 please", "12 * 40"),
        ("$80 at 20% off", "80 * (1 - 20 / 100)"), ("0.125 + 1", "0.125 + 1"), ("50.00 + 1", "50 + 1"),
        ("1,050.125 + 1", "1050.125 + 1"), ("15% of $500, for our team", "15 / 100 * 500"),
    ],
)  # fmt: skip
def test_a_word_that_is_understood_means_what_it_says(task: str, expected: str) -> None:
    assert expressions(task) == [expected]


NUMBER = st.integers(min_value=1, max_value=99999).map(str)
AMOUNT = NUMBER | NUMBER.map("${}".format) | NUMBER.map("{}%".format)
OPERATOR = st.sampled_from(["+", "-", "*", "/", "plus", "minus", "times", "of"])
UNKNOWN = """
K M B G C X x m b g h i ii lakh crore mn mm MM bps item items No version apples tbsp sheep EURO credits gross
net after before with into up down roughly point dot squared it's Ann banana \u212b \u03c0 \u212a \u043a
"""
WORD = st.sampled_from([*UNKNOWN.split(), *sorted(HARMLESS | UNITS_OF_MEASURE)]) | st.text(
    "abcdefghijklmnopqrstuvwxyzABCDEGIKMXé\u03bc", min_size=1, max_size=4
)
# Words that are grammar: they mean something where they stand, and the tables above say what.
GRAMMAR = frozenset(
    re.findall(r"\S+", """of off to from by at and between add multiply divide apply discount subtract
    increase decrease sum product difference on it result that this total deduct raise reduce lower cut plus
    minus less times
    percent pct usd dollar dollars eur euro euros gbp pound pounds bn then but rounded rounding zero
    one two three four five six seven eight nine ten""")
)  # fmt: skip


@st.composite
def tasks(draw: st.DrawFn) -> tuple[str, str, str]:
    """A task, the same with a word before or after one of its numbers, and that word."""
    pieces = [draw(AMOUNT)]
    for _ in range(draw(st.integers(1, 3))):
        pieces += [draw(OPERATOR), draw(AMOUNT)]
    place = 2 * draw(st.integers(0, len(pieces) // 2)) + draw(st.integers(0, 1))
    word = draw(WORD)
    opening = draw(st.sampled_from(["What is ", "Calculate ", "Please compute the price of "]))
    changed = [*pieces[:place], word, *pieces[place:]]
    return opening + " ".join(pieces), opening + " ".join(changed), word


def values(task: str) -> list[tuple[str, str | None]]:
    steps = parse(task, []).steps
    return [(evaluate(step.expression), step.currency) for step in steps if step.expression]


@given(tasks())
@example(("What is 5 + 1", "What is 5 K + 1", "K"))
@example(("What is 15% of $50", "What is 15% of $50 lakh", "lakh"))
@example(("What is 15% of 4 + 1", "What is 15% of item 4 + 1", "item"))
@example(("What is 15% of $40", "What is 15% of $40 in", "in"))
def test_a_word_beside_a_number_is_harmless_or_beyond_rehearsal(drawn: tuple[str, str, str]) -> None:
    plain, changed, word = drawn
    assume(word.lower() not in GRAMMAR)
    try:
        found = values(changed)
    except BeyondRehearsal:
        return
    if word.lower() in {"k", "m"}:
        assert re.search(rf"\$[0-9]+ {word}\b", changed), (changed, found)
        return
    assert word.lower() in HARMLESS, (changed, found)
    assert found == values(plain), changed


@given(st.sampled_from(["k", "K", "m", "M"]), NUMBER, st.sampled_from(["", " "]))
def test_a_letter_that_scales_money_is_never_dropped(letter: str, number: str, space: str) -> None:
    zeros = 3 if letter in "kK" else 6
    assert expressions(f"10% of ${number}{space}{letter}") == [f"10 / 100 * {int(number) * 10**zeros}"]


def test_the_reference_lists_every_harmless_word() -> None:
    section = REFERENCE.read_text().split("## Words", 1)[1].split("\n## ", 1)[0]
    listed = {word for quoted in re.findall(r"`([^`]+)`", section) for word in quoted.split()}
    assert listed >= HARMLESS


def test_words_in_a_step_that_is_not_rehearsed_stay_its_own() -> None:
    steps = parse("Calculate 15% of $50, then convert 5 kg to pounds", []).steps
    assert [step.kind for step in steps] == [StepKind.ARITHMETIC, StepKind.NOT_REHEARSED]
