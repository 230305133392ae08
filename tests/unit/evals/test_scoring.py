"""What passes and what does not, by the rules of docs/reference/outcomes.md."""

import json
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixus.core.errors import Invalid
from mixus.evals import numerals
from mixus.evals.scoring import MOST_VALUE, Kind, Score, require_scorable, score

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
words = texts.filter(lambda text: text.strip() != "")
scalars = st.none() | st.booleans() | st.integers(-1000, 1000) | texts
json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
numbers = st.decimals(-(10**12), 10**12, places=3)


def scored(kind: str, value: Any, answer: str, **more: Any) -> Score:
    expected = {"type": kind, "value": value, **more}
    require_scorable(expected)
    return score(expected, answer)


def refused(kind: str, value: Any, **more: Any) -> str:
    with pytest.raises(Invalid) as caught:
        require_scorable({"type": kind, "value": value, **more})
    return f"{caught.value.members['errors'][0]['field']}: {caught.value.detail}"


# Texts.


@pytest.mark.parametrize("answer", ["Paid to Ann.", "PAID  to\nann", "It was paid to ann at last"])
def test_contains_ignores_case_and_the_width_of_white_space(answer: str) -> None:
    assert scored("contains", "paid to Ann", answer).passed is True


@pytest.mark.parametrize("answer", ["", "paid ann", "paidtoann"])
def test_contains_wants_the_whole_text(answer: str) -> None:
    assert scored("contains", "paid to Ann", answer).passed is False


@given(words, texts, texts)
def test_whatever_surrounds_it_a_text_is_contained(text: str, before: str, after: str) -> None:
    assert scored("contains", text, f"{before} {text} {after}").passed is True


@pytest.mark.parametrize(
    ("words", "answer", "found"),
    [
        ("straße", "Die STRAẞE.", "STRAẞE"),
        ("İstanbul ß", "to İSTANBUL ß now", "İSTANBUL ß"),
        ("k", "300 \u212a", "\u212a"),
        ("ΣΑΣ", "σας", "σας"),
    ],
)
def test_contains_tells_the_text_as_it_stands_in_any_script(words: str, answer: str, found: str) -> None:
    assert scored("contains", words, answer).value == found


def test_contains_does_not_take_minutes_for_long_words_that_almost_stand_there() -> None:
    """By an engine for patterns it takes the product of the two lengths."""
    words = "漢" * 20_000
    assert scored("contains", words, (words[1:] + "x") * 50).passed is False


def test_contains_takes_no_character_for_a_pattern() -> None:
    assert scored("contains", "a.c", "abc").passed is False
    assert scored("contains", "(a|b)*", "x (A|B)* y").value == "(A|B)*"


def test_equals_trims_and_joins_white_space_and_minds_the_case() -> None:
    assert scored("equals", "Yes, paid", "  Yes,\n paid ").passed is True
    assert scored("equals", "Yes", "yes").passed is False
    assert scored("equals", "Yes", "Yes.").passed is False


@pytest.mark.parametrize("kind", ["contains", "equals", "regex", "judge"])
def test_an_empty_text_or_another_type_is_refused(kind: str) -> None:
    for value in ("", "  \n", None, 7, ["a"]):
        assert refused(kind, value).startswith("expectedOutcome.value: ")


# Numbers.

READ = [
    ("The result is $7,500.", "7500"),
    ("7.500,00 €", "7500"),
    ("7'500.25 Fr.", "7500.25"),
    ("7\u202f500,25 €", "7500.25"),
    ("EUR 7\u00a0500", "7500"),
    ("US$7,500", "7500"),
    ("**7500**", "7500"),
    ("\\boxed{7500}", "7500"),
    ("15 % of 50,000 = 7,500", "7500"),
    ("1,234,567", "1234567"),
    ("1.234.567", "1234567"),
    ("7.500", "7.5"),
    ("7,5", "7.5"),
    ("0,500", "0.5"),
    (".5", "0.5"),
    ("15%", "15"),
    ("-5", "-5"),
    ("minus: −5", "-5"),  # noqa: RUF001 - the minus of typesetters
    ("-$5", "-5"),
    ("$-5", "-5"),
    ("- 5", "5"),
    ("1.5e3", "1500"),
    ("2E-2", "0.02"),
    ("$5/month", "5"),
    ("7,500 (15 % of 50,000)", "7500"),
    ("(7,500)", "7500"),
    ("a) 8 apples (", "8"),
    ("1. Total: 8\n2. Sent the mail", "8"),
    ("8, as of 2026-11-23 at 10:30", "8"),
    ("8, see https://example.org/9 or ann9@9.example.org", "8"),
    ("8 of Q3, 2nd try, v1.2, GPT-4, 10.0.0.7, 3/4, 5-10, 9k", "8"),
]


@pytest.mark.parametrize(("answer", "number"), READ)
def test_the_last_number_that_stands_free_is_read(answer: str, number: str) -> None:
    assert numerals.last_number(answer) == Decimal(number)


@pytest.mark.parametrize("answer", ["", "none", "Q3", "1,2,3", "1.2.3", "2026-11-23", "9" * 61, "1e9999"])
def test_an_answer_without_a_free_number_does_not_pass(answer: str) -> None:
    found = scored("number", 0, answer, tolerance=1e9)
    assert (found.passed, found.value) == (False, None)


def test_another_number_of_the_answer_does_not_pass_by_luck() -> None:
    found = scored("number", 50_000, "15 % of 50,000 is 7,500.")
    assert (found.passed, found.value) == (False, 7500)
    assert found.detail == "The last number of the answer, 7500, is not 50000."


@given(numbers, st.sampled_from(["{:,}", "{}", "${:,}", "It is {:,}.", "**{}**", "{} (from 12)", "5 and {}"]))
def test_a_number_is_read_as_it_was_written(number: Decimal, form: str) -> None:
    assert numerals.last_number(form.format(number)) == number


@given(numbers, st.decimals(0, 1000, places=3))
def test_the_tolerance_is_exact_to_the_last_digit(number: Decimal, margin: Decimal) -> None:
    step = Decimal("0.001")
    for found, passed in ((number + margin, True), (number + margin + step, False), (number - margin, True)):
        assert numerals.is_within(found, float(number), float(margin)) is passed


def test_decimals_are_compared_as_written_and_not_as_binary() -> None:
    assert scored("number", 0.3, "0.3").passed is True
    assert scored("number", 0.3, "0.30000000000000004").passed is False
    assert scored("number", 0.1, "0.4", tolerance=0.3).passed is True
    assert scored("number", 1e308, "1e308", tolerance=5e-324).passed is True


@pytest.mark.parametrize(
    ("number", "as_json"),
    [
        ("7500.00", 7500),
        ("0.1", 0.1),
        ("1e300", 1e300),
        ("1e999", "1E+999"),
        ("9007199254740993", "9007199254740993"),
    ],
)
def test_a_found_number_loses_no_digit_in_json(number: str, as_json: Any) -> None:
    found = numerals.as_json(Decimal(number))
    assert found == as_json
    assert type(found) is type(as_json)


@given(texts)
def test_any_answer_can_be_read_for_a_number(answer: str) -> None:
    found = scored("number", 7, answer)
    assert found.passed in (True, False)
    json.dumps(found.shown(), allow_nan=False)


def test_a_number_is_wanted_and_no_text_or_truth() -> None:
    for value in ("7500", True, None, [7]):
        assert refused("number", value) == "expectedOutcome.value: The value of `number` is a number."


def test_members_of_other_types_are_refused() -> None:
    assert refused("contains", "a", tolerance=1).startswith("expectedOutcome.tolerance: ")
    assert refused("number", 1, match="subset").startswith("expectedOutcome.match: ")


# Patterns.


def test_a_pattern_is_found_anywhere_and_its_match_told() -> None:
    found = scored("regex", r"INV-\d{4}", "Paid: INV-0042.")
    assert (found.passed, found.value) == (True, "INV-0042")
    assert scored("regex", r"^INV", "Paid: INV-0042.").passed is False
    assert scored("regex", r"(?i)paid", "PAID").passed is True


@pytest.mark.parametrize("pattern", ["(", "(?=a)", r"(a)\1", "a{1001}", "*"])
def test_what_is_no_pattern_of_re2_is_refused(pattern: str) -> None:
    assert "no regular expression of RE2" in refused("regex", pattern)


def test_a_refused_pattern_is_not_written_to_the_log(capfd: pytest.CaptureFixture[str]) -> None:
    refused("regex", "(?=secret)")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("pattern", ["(a+)+b", "(a|a)*b", "(a|aa)+b", "a*a*a*a*a*a*a*b"])
def test_a_pattern_that_would_backtrack_for_ever_ends(pattern: str) -> None:
    assert scored("regex", pattern, "a" * 50_000).passed is False


def test_the_pattern_of_a_schema_that_would_backtrack_for_ever_ends() -> None:
    schema = {"properties": {"a": {"pattern": "^(a+)+$"}}}
    assert scored("json", schema, json.dumps({"a": "a" * 5_000 + "b"}), match="schema").passed is False


# JSON.


@given(json_values.filter(lambda value: isinstance(value, list | dict)))
def test_every_json_holds_itself(value: Any) -> None:
    assert scored("json", value, json.dumps(value)).passed is True
    assert scored("json", value, f"Here:\n```json\n{json.dumps(value, indent=1)}\n```\nDone.").passed is True


@given(st.dictionaries(texts, json_values, min_size=1, max_size=4), json_values, texts)
def test_more_members_do_no_harm_and_a_missing_one_does(value: dict[str, Any], more: Any, name: str) -> None:
    assert scored("json", value, json.dumps({name: more, **value})).passed is True
    lacking = dict(list(value.items())[1:])
    assert scored("json", value, json.dumps(lacking)).passed is False


@pytest.mark.parametrize(
    ("expected", "found", "passed"),
    [
        ({"a": 1}, {"a": 1.0}, True),
        ({"a": True}, {"a": 1}, False),
        ({"a": 0}, {"a": False}, False),
        ({"a": None}, {}, False),
        ({"a": [1, 2]}, {"a": [1, 2, 3]}, False),
        ({"a": [1, 2]}, {"a": [2, 1]}, False),
        ({"a": [{"b": 1}]}, {"a": [{"b": 1, "c": 2}]}, True),
        ({"a": "x"}, {"a": "X"}, False),
        ({"a": {}}, {"a": []}, False),
        ([], {}, False),
    ],
)
def test_values_are_compared_as_json_has_them(expected: Any, found: Any, *, passed: bool) -> None:
    assert scored("json", expected, json.dumps(found)).passed is passed


def test_the_detail_says_where_the_json_differs() -> None:
    found = scored("json", {"a": [{"b": 1}]}, '{"a": [{"b": 2}]}')
    assert found.detail == "In the JSON of the answer another value stands at a.0.b."


def test_the_last_block_that_is_json_counts() -> None:
    answer = 'First:\n```\n{"a": 1}\n```\nthen\n```json\n{"a": 2}\n```\nand\n```python\nprint()\n```\n'
    assert scored("json", {"a": 2}, answer).passed is True


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "It is {}.",
        "```json\n{\n```",
        "NaN",
        '{"a": 1e999}',
        '{"a": Infinity}',
        "[" * 100_000,
        "9" * 5_000,
    ],
)
def test_what_is_no_json_does_not_pass(answer: str) -> None:
    found = scored("json", {}, answer)
    assert (found.passed, found.value) == (False, None)


SCHEMA = {
    "type": "object",
    "required": ["total", "$ref"],
    "properties": {"total": {"type": "number", "multipleOf": 0.01}, "$ref": {"enum": ["$ref", {"$ref": 1}]}},
    "additionalProperties": False,
}


def test_a_schema_is_checked_and_the_detail_says_what_does_not_hold() -> None:
    assert scored("json", SCHEMA, '{"total": 7500.25, "$ref": "$ref"}', match="schema").passed is True
    found = scored("json", SCHEMA, '{"total": "7500", "$ref": "$ref"}', match="schema")
    assert found.passed is False
    assert found.detail == "In the JSON of the answer `type` does not hold at total."


@pytest.mark.parametrize(
    ("step", "found", "passed"),
    [
        (0.01, "0.29", True),
        (0.01, "0.295", False),
        (0.1, "9" * 400, True),
        (7, "9" * 400, False),
        (5e-324, "1e308", True),
        (3, "-6.0", True),
        (3, "true", True),
    ],
)
def test_a_multiple_is_one_in_decimal_of_whatever_size(step: float, found: str, *, passed: bool) -> None:
    schema = {"properties": {"total": {"multipleOf": step}}}
    assert scored("json", schema, f'{{"total": {found}}}', match="schema").passed is passed


@pytest.mark.parametrize(
    "schema",
    [{"allOf": [{"type": "number"}] * 500}, {"enum": list(range(2_000))}, {"items": {"allOf": [True] * 800}}],
)
def test_an_answer_that_would_be_checked_for_minutes_is_not_judged(schema: Any) -> None:
    answer = json.dumps([[0] * 40] * 400 if "items" in schema else [0] * 10_000)
    found = scored("json", {"items": schema}, answer, match="schema")
    assert (found.passed, found.detail) == (
        None,
        "The JSON of the answer is too large to be held to this schema.",
    )


def test_a_large_answer_is_held_to_a_schema_of_some_size() -> None:
    row = {name: {"type": "number", "minimum": 0} for name in "abcdefgh"}
    answer = json.dumps([dict.fromkeys("abcdefgh", 1)] * 1_000)
    assert scored("json", {"items": {"properties": row}}, answer, match="schema").passed is True


@given(json_values)
def test_any_json_can_be_held_to_a_schema(value: Any) -> None:
    assert scored("json", {"not": SCHEMA}, json.dumps(value), match="schema").passed is True


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        ({"type": "nothing"}, "no JSON Schema: look at type"),
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, "dialect"),
        ({"$schema": 7}, "dialect"),
        ({"$ref": "#"}, "may not use `$ref`"),
        ({"allOf": [{"items": {"$ref": "https://example.org/schema"}}]}, "may not use `$ref`"),
        ({"$defs": {"a": {"$dynamicRef": "#a"}}}, "may not use `$dynamicRef`"),
        ({"properties": {"a": {"patternProperties": {"a": True}}}}, "may not use `patternProperties`"),
        ({"uniqueItems": True}, "may not use `uniqueItems`"),
        ({"if": {"unevaluatedItems": False}}, "may not use `unevaluatedItems`"),
        ({"if": True, "then": {"$ref": "#"}}, "may not use `$ref`"),
        ({"if": False, "else": {"pattern": "(?=a)"}}, "`pattern` of the schema cannot be used"),
        ({"properties": {"a": {"pattern": "(?=a)"}}}, "`pattern` of the schema cannot be used"),
        (["type"], "A schema is an object"),
        ({"title": "t" * 17_000}, "16384 bytes"),
    ],
)
def test_what_is_no_schema_or_leads_elsewhere_is_refused(schema: Any, problem: str) -> None:
    assert problem in refused("json", schema, match="schema")


@pytest.mark.parametrize(
    "schema",
    [
        {"remark": {"pattern": 7, "properties": [1], "$ref": "#"}},
        {"definitions": {"pattern": {"type": "string"}}},
        {"properties": {"pattern": {"type": "string"}, "properties": {"type": "array"}}},
    ],
)
def test_a_keyword_that_means_nothing_and_a_member_named_like_one_are_taken(schema: Any) -> None:
    assert scored("json", schema, "{}", match="schema").passed is True


# What is told.


@given(
    st.sampled_from([kind for kind in Kind if kind is not Kind.JUDGE]),
    texts | st.text("0123456789,.- $"),
    texts,
)
def test_a_score_can_always_be_stored_and_is_short(kind: Kind, answer: str, more: str) -> None:
    values = {"number": 7, "json": {more: 1}, "regex": "[a-z]+", "contains": f"a{more}", "equals": f"a{more}"}
    found = scored(kind, values[kind], answer * 40)
    json.dumps(found.shown(), allow_nan=False)
    assert len(found.value if isinstance(found.value, str) else json.dumps(found.value)) <= MOST_VALUE
    assert found.expected == values[kind]
    assert found.detail.endswith(".")


@pytest.mark.parametrize(
    ("answer", "kept"),
    [
        ('{"id": 18446744073709551616}', '{"id": 18446744073709551616}'),
        ('{"id": "\\ud800"}', '{"id": "\\ud800"}'),
        ('{"\\udfff": 1}', '{"\\udfff": 1}'),
        ('"\\ud83d"', "\\ud83d"),
    ],
)
def test_json_that_no_store_holds_is_told_as_text(answer: str, kept: str) -> None:
    for match in ("subset", "schema"):
        found = scored("json", {"additionalProperties": {"type": "null"}}, answer, match=match)
        assert found.value == kept
        assert orjson.loads(orjson.dumps(found.shown())) == found.shown()


def test_a_long_find_is_cut_and_says_so() -> None:
    found = scored("equals", "a", "b" * 1000)
    assert len(found.value) == MOST_VALUE
    assert found.value.endswith("…")
