"""Settings from the environment and the settings file, and what is wrong with them in plain sentences."""

import os
import sys
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from mixus.core.errors import Misconfigured
from mixus.core.settings import Settings

PREFIX = "MIXUS_"
FILE = "MIXUS_SETTINGS_FILE"
# Read by the client and the command line, not by the server.
OTHER_VARIABLES = frozenset({FILE, "MIXUS_URL", "MIXUS_API_KEY"})


def load(**options: Any) -> Settings:
    """The settings; options of the command win over the environment, and that over the file."""
    given = {name: value for name, value in options.items() if value is not None}
    sources: dict[str, Any] = {"_env_file": _file(), "_env_ignore_empty": True}
    try:
        settings = Settings(**sources, **given)
    except ValidationError as refused:
        raise Misconfigured("\n".join(_sentence(error) for error in refused.errors())) from None
    for variable in _unknown_variables():
        print(f"{variable} is no setting of mixus and is ignored; see the reference.", file=sys.stderr)
    return settings


def variable_of(field: str) -> str:
    return f"{PREFIX}{field.upper()}"


def _file() -> Path | None:
    name = os.environ.get(FILE)
    if not name:
        return None
    path = Path(name)
    if not path.is_file():
        raise Misconfigured(f"The file that {FILE} names does not exist: {path}.")
    return path


def _sentence(error: ErrorDetails) -> str:
    """Without the value that was refused: it may be a secret."""
    field = str(error["loc"][0]) if error["loc"] else ""
    if error["type"] == "extra_forbidden":
        return f"{field.upper()} in the settings file is no setting of mixus; correct or remove it."
    return f"{variable_of(field)} is not valid: {error['msg'].removeprefix('Value error, ')}."


def _unknown_variables() -> list[str]:
    known = OTHER_VARIABLES | {variable_of(field) for field in Settings.model_fields}
    return sorted(name for name in os.environ if name.startswith(PREFIX) and name not in known)
