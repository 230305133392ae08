"""`make test-live`: the templates on a provider's model, here an OpenAI-compatible server of our own."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from openai_server import Answer, OpenAIServer, calls, text
from worker.solutions import SOLUTIONS

from mixus.agents.templates.catalogue import TEMPLATES, task

ROOT = Path(__file__).parents[2]
PLAN = calls(("plan", {"steps": [{"description": "Do it all", "effect": "other"}]}))


def said(name: str) -> Iterator[Answer]:
    """A plan, each call of the intended solution, and its answer."""
    yield PLAN
    for entry in SOLUTIONS[name](task(name, {}, "script")):
        yield text(entry["final"]) if "final" in entry else calls((entry["tool"], entry["arguments"]))


@pytest.fixture
def provider() -> Iterator[OpenAIServer]:
    server = OpenAIServer(*(answer for name in TEMPLATES for answer in said(name)))
    yield server
    server.close()


def live(*arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "benchmarks.live", *arguments],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "NO_PROXY": "*", **variables},
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )


def test_every_template_is_carried_out_by_a_model_over_http(provider: OpenAIServer, tmp_path: Path) -> None:
    table = tmp_path / "table.md"
    done = live(
        *("--results", str(table)),
        MIXUS_LIVE_MODEL="openai-compatible:test-model",
        OPENAI_COMPATIBLE_BASE_URL=provider.url,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    written = table.read_text()
    rows = [line.split(" | ") for line in written.splitlines() if line.startswith("| openai-compatible")]
    assert [row[1:4] for row in rows] == [[name, "completed", "passed"] for name in TEMPLATES]
    assert f"{len(TEMPLATES)} of {len(TEMPLATES)} passed" in written


def test_a_wrong_answer_is_told_and_ends_with_one(tmp_path: Path) -> None:
    provider = OpenAIServer(PLAN, text("It is 1."))
    try:
        done = live(
            *("commission", "--results", str(tmp_path / "table.md")),
            MIXUS_LIVE_MODEL="openai-compatible:test-model",
            OPENAI_COMPATIBLE_BASE_URL=provider.url,
        )
    finally:
        provider.close()
    assert done.returncode == 1
    assert "commission: not passed" in done.stdout


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({}, "Nothing was run: set MIXUS_LIVE_MODEL=provider:name"),
        ({"MIXUS_LIVE_MODEL": "rehearsal"}, "Nothing was run: set MIXUS_LIVE_MODEL=provider:name"),
        ({"MIXUS_LIVE_MODEL": "openai:gpt-5-mini"}, "Nothing was run: set OPENAI_API_KEY"),
    ],
)
def test_without_a_model_or_its_key_one_sentence_says_what_to_set(
    variables: dict[str, str], sentence: str
) -> None:
    done = live(**variables)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(sentence)
    assert done.stderr.count("\n") == 1
