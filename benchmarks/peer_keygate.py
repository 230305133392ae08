"""fastapi-keygate as its documentation shows it: keys, limits and use, on SQLite.

`python -m benchmarks.peer_keygate FILE KEYS` makes so many keys, writes them beside the database, a line
each, and serves. It runs where keygate is installed and mixus is not.
"""

# mypy: disable-error-code="import-not-found"
# What it imports is installed for the run alone, so the check of types knows nothing of it.

import sys
from pathlib import Path
from typing import Annotated

from fastapi import Depends, FastAPI
from keygate import ApiKey, KeyGate

from benchmarks.stack_bare import serve


def main() -> None:
    file, count = Path(sys.argv[1]), int(sys.argv[2])
    app = FastAPI()
    # Use is written a hundred rows at a time, which its documentation advises a busy application to do.
    gate = KeyGate(app, db_url=f"sqlite:///{file}", default_per_minute=100, usage_batch_size=100)
    file.with_suffix(".keys").write_text("\n".join(gate.create_key("bench").key for _ in range(count)))

    @app.get("/status")
    def status(_key: Annotated[ApiKey, Depends(gate.require)]) -> dict[str, object]:
        return {"success": True, "status": "completed"}

    serve(app)


if __name__ == "__main__":
    main()
