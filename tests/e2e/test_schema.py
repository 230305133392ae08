"""Generated requests against the served reference: no 500, and no answer that it does not allow."""

import subprocess
import sys
from pathlib import Path

from e2e.deployment import Deployment
from factories import create_account

from mixus.accounts import sessions
from mixus.accounts.principal import Role
from mixus.core.clock import utc_now
from mixus.core.database import Database

# Left out: `positive_data_acceptance`. A cursor is opaque and a script has rules that a schema cannot
# say, so a request may fit the schema and still get its 422.
EXCLUDED = "positive_data_acceptance"
# What would end the session that asks, and what has no end to wait for; tests/api has both.
ENDING = "session|password|sign-out|links|events$"


def test_generated_requests_find_no_500_and_no_answer_outside_of_the_reference(
    deployment: Deployment, tmp_path: Path
) -> None:
    deployment.variables["MIXUS_REQUESTS_PER_MINUTE"] = "1000000"
    client = deployment.serve()
    client.create_task_agent("Calculate 15% of $50,000, then e-mail it to pay@example.org.")
    key = f"Authorization: Bearer {deployment.key}"
    try_out(deployment, tmp_path, ["--header", key, "--exclude-path-regex", "events$"])


def test_nor_when_an_admin_is_signed_in(deployment: Deployment, tmp_path: Path, database: Database) -> None:
    with database.transaction() as tx:
        admin = create_account(tx, "root@example.org", Role.ADMIN, utc_now())
        token, _ = sessions.open_session(tx, admin.id, None, None, utc_now())
    deployment.serve()
    signed_in = [
        *("--header", f"Cookie: mixus_session={token}"),
        *("--header", f"X-CSRF-Token: {sessions.csrf_token(token)}"),
        *("--include-path-regex", "^/api/(keys|users|audit|account)", "--exclude-path-regex", ENDING),
        # Where they leave the cookie out, the one of the command line still goes along.
        *("--exclude-checks", f"{EXCLUDED},ignored_auth,negative_data_rejection"),
    ]
    try_out(deployment, tmp_path, signed_in)


def try_out(deployment: Deployment, folder: Path, options: list[str]) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{deployment.address}/openapi.json"),
            *("--max-examples", "15", "--seed", "1", "--continue-on-failure", "--no-color"),
            *("--exclude-checks", EXCLUDED, *options),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
