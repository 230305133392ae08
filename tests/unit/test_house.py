"""The files around the code keep their promises."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from mixus.core.settings import Settings

ROOT = Path(__file__).parents[2]
HEAVY = ("fastapi", "starlette", "sqlalchemy", "dbos", "pydantic_ai", "httpx2")


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_a_lock_has_hashes_and_no_address(name: str) -> None:
    lock = (ROOT / name).read_text()
    assert "://" not in lock
    assert " @ " not in lock
    assert "--hash=sha256:" in lock


def test_every_setting_is_in_the_reference() -> None:
    reference = (ROOT / "docs" / "reference" / "settings.md").read_text()
    variables = [f"MIXUS_{name.upper()}" for name in Settings.model_fields]
    assert [name for name in [*variables, "MIXUS_SETTINGS_FILE"] if f"`{name}`" not in reference] == []


def test_every_dependency_has_a_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    reasons = (ROOT / "docs" / "decisions" / "0003-dependencies.md").read_text()
    names = {line.partition(">")[0].partition("[")[0] for group in groups for line in group}
    assert sorted(name for name in names - {"mixus"} if f"`{name}`" not in reasons) == []


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys\n"
        "from mixus.cli.main import run\n"
        "sys.argv = ['mixus', '--help']\n"
        "try:\n    run()\n"
        f"finally:\n    sys.exit([name for name in {HEAVY} if name in sys.modules] or 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "serve" in done.stdout
