"""The demo as a newcomer runs it."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

MIXUS = (sys.executable, "-m", "mixus.cli.main")


@pytest.fixture
def environment() -> Iterator[dict[str, str]]:
    """Nothing of ours is set, and temporary folders can be seen."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MIXUS_")}
    kept.pop("OPENAI_API_KEY", None)
    with tempfile.TemporaryDirectory() as folder:
        yield kept | {"TMPDIR": folder, "COLUMNS": "80"}


def is_gone(text: str) -> bool:
    """Whether no process has this in its environment or its command line."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            seen = (process / "environ").read_bytes() + (process / "cmdline").read_bytes()
        except OSError:
            continue
        if text.encode() in seen and process.name != str(os.getpid()):
            return False
    return True


def test_the_demo_ends_with_the_final_status_and_leaves_nothing(environment: dict[str, str]) -> None:
    done = subprocess.run(
        [*MIXUS, "demo"], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    *steps, last = done.stdout.splitlines()
    status = json.loads(last)
    assert status["status"] == "completed"
    assert status["humanVerification"]["hints"] == 1
    assert status["humanVerification"]["approved"] == 1
    assert "bob@example.org" in json.dumps(status["checkpoints"][0]["effectiveActions"])
    assert max(len(line) for line in steps) <= 80
    text = "\n".join(steps)
    for said in ("Is the result $7,500?", "stands in for the reviewer", "409", "401"):
        assert said in text
    assert "Traceback" not in done.stdout + done.stderr
    assert list(Path(environment["TMPDIR"]).iterdir()) == []
    assert is_gone(environment["TMPDIR"])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_leaves_nothing(environment: dict[str, str], number: signal.Signals) -> None:
    demo = subprocess.Popen(
        [*MIXUS, "demo", "--keep"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert demo.stdout is not None
    shown = []
    for line in demo.stdout:
        shown.append(line)
        if "Ctrl-C stops" in line:
            break
    demo.send_signal(number)
    rest, errors = demo.communicate(timeout=30)
    assert "mixus eval decide exe_" in "".join(shown), errors
    assert re.search(r"/join/\S+\n", "".join(shown))
    assert re.search(r"/review/exe_\w{22}\n", "".join(shown))
    assert "curl" in "".join(shown)
    assert "Traceback" not in rest + errors
    assert list(Path(environment["TMPDIR"]).iterdir()) == []
    assert is_gone(environment["TMPDIR"])


def test_a_model_without_its_key_is_one_sentence(environment: dict[str, str]) -> None:
    done = subprocess.run(
        [*MIXUS, "demo", "--model", "openai:some-model"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert (
        done.stderr == "The model openai:some-model needs OPENAI_API_KEY; set it, or leave the model out.\n"
    )
