"""What an approval is bound to: one tool and exactly these arguments."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def digest(tool: str, arguments: Mapping[str, Any]) -> str:
    """SHA-256 over the tool and its arguments as JSON with sorted keys."""
    canonical = json.dumps(arguments, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(f"{tool}\n{canonical}".encode()).hexdigest()
