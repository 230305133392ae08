"""The Chromium of this machine: the system's own, as a reader has it."""

import os
import shutil
from typing import Final

NAMES: Final = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
# Set where a run without a browser proves too little: in the continuous integration.
REQUIRED: Final = "TESTS_NEED_CHROMIUM"
MISSING: Final = "there is no Chromium here (Debian, Ubuntu: apt-get install chromium)"


def find() -> str | None:
    return next((path for path in map(shutil.which, NAMES) if path), None)


def is_required() -> bool:
    return os.environ.get(REQUIRED) == "1"
