"""The evaluator is exact, and refuses whatever is no bounded arithmetic."""

import time
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixus.agents.tools.calculate import CalculationRefused, evaluate

numbers = st.decimals(min_value=0, max_value=10**6, places=2).map(lambda value: (str(value), Fraction(value)))


def combined(children: st.SearchStrategy[tuple[str, Fraction]]) -> st.SearchStrategy[tuple[str, Fraction]]:
    def combine(left: tuple[str, Fraction], sign: str, right: tuple[str, Fraction]) -> tuple[str, Fraction]:
        values = {"+": left[1] + right[1], "-": left[1] - right[1], "*": left[1] * right[1]}
        return f"({left[0]} {sign} {right[0]})", values[sign]

    return st.builds(combine, children, st.sampled_from("+-*"), children)


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("0.15*50000", "7500"),
        ("15 / 100 * 50000", "7500"),
        ("0.1+0.2", "0.3"),
        ("1/3*3", "1"),
        ("10/3", "3.333333333333333333333333333"),
        ("7 % 3", "1"),
        ("2**10", "1024"),
        ("2**-2", "0.25"),
        ("1000**(1/3)", "10"),
        ("round(2.675, 2)", "2.68"),
        ("round(-2.5)", "-3"),
        ("max(1, 2, 3) - min(4, 5) + abs(-6)", "5"),
        ("1e5 + .5", "100000.5"),
        ("-(2 - 5)", "3"),
        ("1 - 1", "0"),
    ],
)
def test_results_are_exact_and_plain(expression: str, result: str) -> None:
    assert evaluate(expression) == result


@pytest.mark.parametrize(
    "expression",
    [
        "", "x", "'a' * 9", "1/0", "0**-1", "5 % 0", "50,000", "$5", "15%", "1 2", "(", "()", "2(3)",
        "round", "round()", "max()", "abs(1, 2)", "max(*1)", "round(2)(3)", "round(1.5, 0.5)", "5 // 2",
        "0x10", "1j", "1_000", "nan", "inf", "(1).real", "1 if 1 else 2", "[1]", "1\n2", "1; 2", "1 < 2",
        "True", "\uff19", "(-8)**(1/3)", "1e999", "9**9**9", "9**999**9", "(9**999)**999",
        "1e300 * 1e300 * 1e300 * 1e300", "0.5**0.5**99999", "\x00", "\ud800",
        "-" * 499 + "1", "(" * 250 + "1" + ")" * 250, "+".join("1" * 250), "1" * 501,
    ],
)  # fmt: skip
def test_whatever_is_no_bounded_arithmetic_is_refused_with_one_sentence_at_once(expression: str) -> None:
    started = time.perf_counter()
    with pytest.raises(CalculationRefused) as refused:
        evaluate(expression)
    assert str(refused.value).endswith(".")
    assert "\n" not in str(refused.value)
    assert time.perf_counter() - started < 1


@given(st.recursive(numbers, combined, max_leaves=12))
def test_results_agree_with_fractions(case: tuple[str, Fraction]) -> None:
    expression, expected = case
    try:
        result = evaluate(expression)
    except CalculationRefused:
        assert len(expression) > 500
        return
    assert Fraction(Decimal(result)) == expected
    assert "e" not in result.lower()
    assert result in {"0", result.rstrip("0")} or "." not in result


@given(st.text(alphabet="0123456789.+-*/%(), eEroundmiaxbs", max_size=60) | st.text(max_size=40))
def test_any_text_is_computed_or_refused(expression: str) -> None:
    try:
        result = evaluate(expression)
    except CalculationRefused:
        return
    assert Decimal(result).is_finite()
