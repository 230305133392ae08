"""What `make test-live` says when the server that it starts refuses to, as its page has it."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_server_that_does_not_start_is_one_sentence_and_exit_code_2(tmp_path: Path) -> None:
    results = tmp_path / "results.md"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.live", "--results", str(results)],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "MIXUS_LIVE_MODEL": "openai:", "OPENAI_API_KEY": "made-up"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("Nothing was run: MIXUS_MODEL=openai: cannot be used: ")
    assert len(done.stderr.splitlines()) == 1
    assert not results.exists()
