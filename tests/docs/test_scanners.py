"""The published patterns find every key wherever it stands, and nothing that is none.

On RE2, whose syntax gitleaks and trufflehog use; the scanners themselves are not run here.
"""

import re
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import pytest

from mixus.keys import tokens

SCANNERS: Final = Path(__file__).parents[2] / "docs" / "scanners"
PAGES: Final = (SCANNERS.parent / "how-to" / "find-leaked-keys.md", SCANNERS / "github-custom-pattern.md")
# Neither of the two comes with types.
RE2: Final[Any] = import_module("re2")
YAML: Final[Any] = import_module("yaml")

LOOSE: Final = "mxs_eval_[0-9A-Za-z]{32}"
TIGHT: Final = "mxs_eval_[0-9A-Za-z]{26}[0-4][0-9A-Za-z]{5}"
KEYS: Final = [*sorted(tokens.PUBLISHED), *(tokens.generate() for _ in range(200))]
SURROUNDINGS: Final = (
    *("{}", "'{}'", '"{}"', "`{}`", "<{}>", "({})", "[{}]", " {} ", "\t{}\n", "{}\r\n", "first\n{}"),
    *("MIXUS_API_KEY={}", "export MIXUS_API_KEY='{}'  # laptop", "key: {}", "key := {};", "- {}", "{},{}"),
    *('{{"key": "{}"}}', '{{"key":"{}","name":"ci"}}', '"Authorization: Bearer {}\\n"', "\\n{}\\n", "\\t{}"),
    *("https://mixus.example.org/?key={}", "?a=1&key={}&b=2", "?next=%2F%3Fkey%3D{}%26b%3D2", "key%3d{}"),
    *("curl -H 'Authorization: Bearer {}' https://mixus.example.org", "https://user:{}@mixus.example.org"),
    *("{}.", "{}/", "{}\\", "{}…", "{}\0", "ü{}ü", "+{}+", "backup_{}_old.txt", "x {} {} y", "{}\n{}\n{}"),
)


def gitleaks() -> str:
    rule = gitleaks_rule()
    assert rule["secretGroup"] == 1
    return str(rule["regex"])


def gitleaks_rule() -> dict[str, Any]:
    (rule,) = tomllib.loads((SCANNERS / "gitleaks.toml").read_text())["rules"]
    return dict(rule)


def trufflehog() -> str:
    return str(trufflehog_detector()["regex"]["key"])


def trufflehog_detector() -> dict[str, Any]:
    (detector,) = YAML.safe_load((SCANNERS / "trufflehog.yaml").read_text())["detectors"]
    return dict(detector)


def github() -> str:
    """What stands before, the secret, what stands after; `\\|` is how a table writes `|`."""
    page = (SCANNERS / "github-custom-pattern.md").read_text()
    fields = dict(re.findall(r"^\| (\w+ \w+) \| `(.+)` \|$", page, re.MULTILINE))
    before, secret, after = (
        fields[name].replace(r"\|", "|") for name in ("Before secret", "Secret format", "After secret")
    )
    return f"(?:{before})({secret})(?:{after})"


PATTERNS: Final = {"gitleaks": gitleaks(), "trufflehog": trufflehog(), "github": github()}


@pytest.fixture(params=PATTERNS)
def pattern(request: pytest.FixtureRequest) -> Any:
    return RE2.compile(PATTERNS[request.param])


def found(pattern: Any, text: str) -> list[str]:
    return [match[1] for match in pattern.finditer(text)]


@pytest.mark.parametrize("surroundings", SURROUNDINGS)
def test_a_key_is_found_wherever_it_stands(pattern: Any, surroundings: str) -> None:
    times = surroundings.count("{}")
    for key in KEYS:
        seen = found(pattern, surroundings.format(*[key] * times))
        # With what stands before and after it, a pattern may take the one character between two.
        assert seen in ([key] * times, [key] * -(-times // 2)), surroundings


@pytest.mark.parametrize("scanner", ["gitleaks", "trufflehog"])
def test_of_keys_side_by_side_all_are_found(scanner: str) -> None:
    assert found(RE2.compile(PATTERNS[scanner]), ",".join(KEYS)) == KEYS


def strangers(key: str) -> Iterator[str]:
    body = key.removeprefix(tokens.PREFIX)
    yield from (key[:-1], f"{key}0", f"{key}Z", f"{key}00", f"a{key}", f"7{key}", body)
    for prefix in ("mxs_", "mxs_live_", "mxs_evil_", "MXS_EVAL_", "Mxs_eval_", "mxs-eval-", "mxs eval "):
        yield f"{prefix}{body}"
    for foreign in "-_.+/= ü\n\u0430":
        yield f"{key[:20]}{foreign}{key[21:]}"
    for first in "56789AZaz":
        yield f"{key[: -tokens.CHECKSUM_LENGTH]}{first}{key[-tokens.CHECKSUM_LENGTH + 1 :]}"


def test_what_is_no_key_is_not_found(pattern: Any) -> None:
    for key in KEYS:
        for stranger in strangers(key):
            assert found(pattern, f'"{stranger}"') == [], stranger


def test_a_masked_key_and_an_example_of_a_page_are_not_found(pattern: Any) -> None:
    for text in (tokens.mask(KEYS[0]), "mxs_eval_…", "mxs_eval_" + "X" * 12, LOOSE, TIGHT):
        assert found(pattern, text) == []


def test_a_scanner_that_looks_for_the_keyword_first_looks_at_every_key() -> None:
    for keywords in (gitleaks_rule()["keywords"], trufflehog_detector()["keywords"]):
        assert keywords == [tokens.PREFIX]


def test_nothing_that_a_scanner_finds_is_sent_anywhere() -> None:
    assert set(trufflehog_detector()) == {"name", "keywords", "regex"}


@pytest.mark.parametrize("simple", [LOOSE, TIGHT])
def test_the_patterns_of_the_pages_fit_every_key(simple: str) -> None:
    expression = RE2.compile(simple)
    assert all(expression.fullmatch(key) for key in KEYS)


def test_the_pages_name_the_patterns_that_are_tested() -> None:
    text = "\n".join(page.read_text() for page in PAGES)
    assert LOOSE in text
    assert TIGHT in text
    assert all(TIGHT in pattern for pattern in PATTERNS.values())


def test_the_sample_of_the_page_for_github_is_a_published_key(pattern: Any) -> None:
    assert "twenty-six times `0`, then `3ioNjy`" in PAGES[1].read_text()
    sample = f"{tokens.PREFIX}{'0' * 26}3ioNjy"
    assert sample in tokens.PUBLISHED
    assert found(pattern, sample) == [sample]
