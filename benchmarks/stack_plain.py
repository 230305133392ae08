"""The floor: the same key check and the same read as ours, with nothing of the service around them.

`python -m benchmarks.stack_plain DATA` reads the database in that folder beside the server that owns it.
"""

import sqlite3
import sys
from pathlib import Path
from typing import Final

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from benchmarks.stack_bare import serve
from mixus.evals.queries import STATUS
from mixus.keys import pepper as peppers
from mixus.keys import tokens

FIND: Final = (
    "select keys.*, accounts.* from keys join accounts on accounts.id = keys.user_id where lookup_hash = ?"
)
NAMES: Final = tuple(map(str, STATUS.names))


def application(data: Path) -> Starlette:
    pepper = peppers.load_or_create(data / "pepper")
    database = sqlite3.connect(data / "mixus.db", isolation_level=None)
    database.execute("pragma query_only=on")

    async def status(request: Request) -> Response:
        sent = [value for name, value in request.scope["headers"] if name == b"authorization"]
        lookup_hash = pepper.hash(tokens.parse_bearer(sent))
        assert database.execute(FIND, (lookup_hash,)).fetchall()
        execution = {"execution_id": request.path_params["execution_id"]}
        rows = database.execute(STATUS.sqlite, execution).fetchall()
        document = [dict(zip(NAMES, row, strict=True)) for row in rows]
        return Response(orjson.dumps(document), media_type="application/json")

    return Starlette(routes=[Route("/api/eval/status/{execution_id}", status)])


if __name__ == "__main__":
    serve(application(Path(sys.argv[1])))
