"""Generated requests against the served reference: no 500, and no answer that it does not allow."""

import subprocess
import sys
from pathlib import Path

from e2e.deployment import Deployment

# Left out: `positive_data_acceptance`. A cursor is opaque and a script has rules that a schema cannot
# say, so a request may fit the schema and still get its 422.
EXCLUDED = "positive_data_acceptance"


def test_generated_requests_find_no_500_and_no_answer_outside_of_the_reference(
    deployment: Deployment, tmp_path: Path
) -> None:
    client = deployment.serve()
    client.create_task_agent("Calculate 15% of $50,000, then e-mail it to pay@example.org.")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{deployment.address}/openapi.json"),
            *("--header", f"Authorization: Bearer {deployment.key}"),
            # An event stream has no end to wait for; tests/api reads it.
            *("--exclude-path-regex", "events$"),
            *("--exclude-checks", EXCLUDED),
            *("--max-examples", "15", "--seed", "1", "--continue-on-failure", "--no-color"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
