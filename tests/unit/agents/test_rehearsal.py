"""The grammar uses every number and operator, or says that the task is beyond it."""

import re
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mixus.agents.models.rehearsal.hints import parse
from mixus.agents.models.rehearsal.plan import BeyondRehearsal, Rehearsal, StepKind, plan_of
from mixus.agents.tools.calculate import CalculationRefused, evaluate

MAIL = "Calculate 15% of $50,000, then send the result to pay@example.org."


def expressions(rehearsal: Rehearsal) -> list[str]:
    return [step.expression for step in rehearsal.steps if step.expression]


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ("15% of $50,000", ["15 / 100 * 50000"]),
        ("15 % of 50000", ["15 / 100 * 50000"]),
        ("15 per cent of 50000", ["15 / 100 * 50000"]),
        ("fifteen percent of two thousand", ["15 / 100 * 2000"]),
        ("calculate a 15 percent commission on $50,000 in sales", ["15 / 100 * 50000"]),
        ("Calculate the commission on $50,000 in sales at a 15% rate.", ["15 / 100 * 50000"]),
        ("Please compute 15% of $50k for the sales team. Thanks!", ["15 / 100 * 50000"]),
        ("Could you please work out 15% of $2.5m?", ["15 / 100 * 2500000"]),
        ("(500000 - 200000) times 14 %", ["(500000 - 200000) * (14 / 100)"]),
        ("7500 plus 250 minus 100", ["7500 + 250 - 100"]),
        ("12 times 40", ["12 * 40"]),
        ("12x40", ["12 * 40"]),
        ("1200 divided by 40", ["1200 / 40"]),
        ("15% of $500, plus $20", ["(15 / 100 * 500) + 20"]),
        ("12 \u00d7 40 \u00f7 2", ["12 * 40 / 2"]),
        ("2 + 3 * 4", ["2 + 3 * 4"]),
        ("-5 + 3", ["(-5) + 3"]),
        ("calculate 10-3", ["10 - 3"]),
        ("2 ^ 10", ["(2 ** 10)"]),
        ("20% off $80", ["80 * (1 - 20 / 100)"]),
        ("$80 at 20% off", ["80 * (1 - 20 / 100)"]),
        ("$80 plus 10% tax", ["80 * (1 + 10 / 100)"]),
        ("apply a 20% discount to $80, then add 10% tax",
         ["80 * (1 - 20 / 100)", "previous * (1 + 10 / 100)"]),
        ("multiply 12 by 40, divide it by 3, then subtract 5", ["12 * 40", "previous / 3", "previous - 5"]),
        ("add 5, 10 and 20", ["5 + 10 + 20"]),
        ("the difference between 10 and 3", ["10 - 3"]),
        ("15% of 500. The result times 2; 10% of it",
         ["15 / 100 * 500", "previous * 2", "10 / 100 * previous"]),
        ("12 times 40.5 rounded to 1 decimal", ["12 * 40.5", "round(previous, 1)"]),
        ("round 3.14159 to two decimals", ["round(3.14159, 2)"]),
        ("1. Calculate 15% of 500.\n2. Add 7.", ["15 / 100 * 500", "previous + 7"]),
        ("Calculate 15% of 500. Send to: a@example.org by e-mail", ["15 / 100 * 500"]),
        ("Calculate 15% of 500 and frobnicate the rows", ["15 / 100 * 500"]),
    ],
)  # fmt: skip
def test_arithmetic_as_people_write_it_is_understood(task: str, expected: list[str]) -> None:
    assert expressions(parse(task, [])) == expected


@pytest.mark.parametrize(
    "task",
    [
        "15%% of 500", "% of 500", "calculate 50,000.5.3 times 2", "calculate 1/2 of 50",
        "between 5 and 10",
        "double 500 and add 3", "calculate half of 500", "twice 40 plus 3", "a dozen times 3",
        "calculate ½ of 3",
        "15% of 50000 unless the client is new", "15% or 20% of 500", "15% of 500 per month",
        "$100 plus €50",
        "100 + 10%", "100 plus 10% times 2", "7500 plus 250 times 2", "2^3^2",
        "calculate 20% discount on $80",
        "calculate 15% of 500 on 2024-01-05", "€50.000 times 2", "CHF 500 times 2", "Q3 times 2",
        "5km plus 3",
        "the result times 2", "add 10% tax", "calculate $50,000", "15% of", "plus 3", "(5 + 3",
        "5 + 3)", "5 +",
        "Our sales were $50,000. Calculate 15% of 300.", "Calculate 15% 20% of 300", "12 40",
        "5 more than 3",
        "Look up the price of Bitcoin, then multiply it by 2", "send 3 copies to a@example.org",
        "send it to a@example.org if it is over 500", "15% of 500 for a@example.org", "round up 3.5",
        "If sales exceed 100, calculate 15% of 500", "15% of 500. This is a plus for us.", " ",
        "5\u201310 times 2",
        "add 5 to 10 times 2", "calculate the total of 5 and 6", "5 plus Ⅳ",
        "((((((((((((((((1+2))))))))))))))))",
        "add 5 billion billion billion billion billion to 3", "15% of it", "round to 2", "5 plus 6 not 7",
    ],
)  # fmt: skip
def test_what_could_be_read_in_two_ways_is_beyond_rehearsal(task: str) -> None:
    with pytest.raises(BeyondRehearsal) as beyond:
        parse(task, [])
    assert str(beyond.value).endswith(".")


def test_a_step_that_cannot_be_done_keeps_its_numbers_and_is_marked_in_the_plan() -> None:
    steps = plan_of(parse(f"Research the top 3 competitors. {MAIL}", []).steps)
    assert [(step.step, step.description, step.effect, step.stage) for step in steps] == [
        (1, "Research the top 3 competitors (not rehearsed)", "other", None),
        (2, "Calculate 15% of $50,000", "read", None),
        (3, "Send the result to pay@example.org", "send", None),
    ]


@pytest.mark.parametrize(
    "task",
    [
        "Delete the old rows",
        "Look up the price of Bitcoin",
        "Pay 15% of $500 to Bob",
        "Send an apology to a@example.org",
        "Do not send it to a@example.org",
        "Send the result to Bob",
        "Hello",
    ],
)
def test_an_order_outside_the_grammar_is_not_rehearsed(task: str) -> None:
    assert [step.kind for step in parse(task, []).steps] == [StepKind.NOT_REHEARSED]


def test_a_mail_has_its_recipients_copies_and_subject() -> None:
    task = (
        "15% of 500, then e-mail the result to our team at a@example.org and b@example.org, "
        "cc c@example.org with subject 'May 2024'"
    )
    mail = parse(task, []).steps[-1]
    assert (mail.to, mail.cc, mail.subject) == (
        ("a@example.org", "b@example.org"),
        ("c@example.org",),
        "May 2024",
    )


@pytest.mark.parametrize(
    ("hint", "expression", "to", "cc", "subject"),
    [
        ("round to 0 decimals", "round(15 / 100 * 50000, 0)", "pay", (), None),
        ("please round the result to two decimals", "round(15 / 100 * 50000, 2)", "pay", (), None),
        ("use 12 % instead", "12 / 100 * 50000", "pay", (), None),
        ("Use $60,000 instead.", "15 / 100 * 60000", "pay", (), None),
        ("use 60000 instead of 50000", "15 / 100 * 60000", "pay", (), None),
        ("cc bob@example.org", "15 / 100 * 50000", "pay", ("bob@example.org",), None),
        ("Send to bob@example.org", "15 / 100 * 50000", "bob", (), None),
        ('subject "May 2024"', "15 / 100 * 50000", "pay", (), "May 2024"),
        ("use 12% instead and cc bob@example.org", "12 / 100 * 50000", "pay", ("bob@example.org",), None),
    ],
)  # fmt: skip
def test_a_known_hint_changes_exactly_what_it_says(
    hint: str, expression: str, to: str, cc: tuple[str, ...], subject: str | None,
) -> None:  # fmt: skip
    rehearsal = parse(MAIL, [hint])
    calculation, mail = rehearsal.steps
    assert rehearsal.unknown_hints == ()
    assert calculation.expression == expression
    assert (mail.to, mail.cc, mail.subject) == ((f"{to}@example.org",), cc, subject)


def test_hints_add_up_in_their_order() -> None:
    hints = ["round to 0 decimals", "cc bob@example.org", "use 12 % instead", "round to 1 decimal"]
    calculation, mail = parse(MAIL, hints).steps
    assert calculation.expression == "round(12 / 100 * 50000, 1)"
    assert calculation.currency == "$"
    assert mail.cc == ("bob@example.org",)


@pytest.mark.parametrize(
    "hint",
    ["", "make it nicer", "use 12% and 14% instead", "do not cc bob@example.org", "round up",
     "use twelve-ish instead", "subject May",
     "use 12% instead, and be quick", "cc bob", "use €5 instead of $50,000 or so", "x" * 5000],
)  # fmt: skip
def test_a_hint_that_is_not_understood_changes_nothing_and_is_named(hint: str) -> None:
    rehearsal = parse(MAIL, [hint])
    assert rehearsal.unknown_hints == (hint,)
    assert rehearsal.steps == parse(MAIL, []).steps


def test_a_number_that_a_hint_could_replace_in_two_places_stays() -> None:
    task = "Calculate 15% of 500, then add 10% tax"
    assert parse(task, ["use 12% instead"]).unknown_hints == ("use 12% instead",)
    assert expressions(parse(task, ["use 12% instead of 10%"]))[-1] == "previous * (1 + 12 / 100)"


NUMBER = st.integers(min_value=100, max_value=99999)
WORD_SIGNS = {
    "plus": "+",
    "minus": "-",
    "times": "*",
    "divided by": "/",
    "+": "+",
    "-": "-",
    "*": "*",
    "/": "/",
}
NOISE_TEXT = """
please the sales of on to for from by it result and , . ; ( ) % $ € then but half double dozen
plus minus times off discount add subtract multiply increase round decimals send a@example.org
cc research delete between if not per this total sum at tax commission - / * ^ x twenty five
hundred million k 3rd 2024-01-05 1/2 \u00bd ' " 1. 2. : use instead nearest dollar bcc subject
e-mail with what is calculate divided
"""
NOISE = st.sampled_from([*NOISE_TEXT.split(), "\n"])
PIECE = (
    NUMBER.map(str)
    | NUMBER.map(lambda number: f"{number}%")
    | NUMBER.map(lambda number: f"${number:,}")
    | NOISE
)


def literals(text: str) -> list[str]:
    return sorted(re.findall(r"(?<![\w.@])[0-9]+(?:\.[0-9]+)?", text.replace(",", "")))


@given(
    st.lists(st.tuples(st.sampled_from(sorted(WORD_SIGNS)), NUMBER), min_size=1, max_size=6),
    NUMBER,
    st.data(),
)
def test_a_chain_uses_each_number_and_operator_in_order_or_is_beyond(
    chain: list[tuple[str, int]], first: int, data: st.DataObject
) -> None:
    words = data.draw(st.sampled_from(["", "calculate ", "What is ", "Please compute the price of "]))
    task = words + str(first) + "".join(f" {sign} {number}" for sign, number in chain)
    try:
        rehearsal = parse(task, [])
    except BeyondRehearsal:
        assert len({WORD_SIGNS[sign] in "+-" for sign, _ in chain}) == 2
        assert any(sign.isidentifier() or " " in sign for sign, _ in chain)
        return
    expected = str(first) + "".join(f" {WORD_SIGNS[sign]} {number}" for sign, number in chain)
    assert expressions(rehearsal) == [expected]


@given(st.lists(PIECE, max_size=14).map(" ".join))
@example("add 100 and 200 to 300")
@example("15% of the total of 300 plus 400")
def test_every_number_of_a_task_is_used_or_told_as_not_done_or_the_task_is_beyond(task: str) -> None:
    try:
        steps = parse(task, []).steps
    except BeyondRehearsal:
        return
    used = " ".join(f"{step.expression} {step.subject or ''}" for step in steps)
    undone = " ".join(step.description for step in steps if not step.is_rehearsed)
    available = literals(f"{used} {undone}".replace("_", " "))
    for literal in re.findall(r"[0-9]{3,}", task.replace(",", "")):
        if literal in available:
            available.remove(literal)
        else:
            assert literal in f"{undone}", (task, used, undone)


@given(st.lists(PIECE, max_size=14).map(" ".join))
def test_every_expression_can_be_computed(task: str) -> None:
    try:
        steps = parse(task, []).steps
    except BeyondRehearsal:
        return
    for expression in (step.expression.replace("previous", "7") for step in steps if step.expression):
        try:
            evaluate(expression)
        except CalculationRefused as refused:
            reason = str(refused)
        else:
            continue
        assert "zero" in reason or "long" in reason or "power" in reason, expression


@given(st.text(max_size=200) | st.lists(PIECE, max_size=30).map(" ".join), st.text(max_size=60) | PIECE)
def test_any_text_is_read_or_beyond_rehearsal(task: str, hint: str) -> None:
    with suppress(BeyondRehearsal):
        parse(task, [hint, f"use {hint} instead", f"round to {hint} decimals", f"cc {hint}@example.org"])


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "piece",
    [
        "a",
        "1",
        "1,",
        "a.",
        "ab.",
        "and ",
        ", ",
        ", and ",
        "“",
        "'a ",
        '"',
        "(",
        "-",
        "1 plus ",
        "1 of ",
        "5% of ",
        "$",
        "\n1. ",
        "a@",
        "1.",
        "hundred ",
    ],
)
def test_a_text_of_the_greatest_length_is_read_in_time(piece: str) -> None:
    with suppress(BeyondRehearsal):
        parse(piece * (20_000 // len(piece)), [piece * (1_000 // len(piece))])
