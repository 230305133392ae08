"""The yardstick: one JSON route of Starlette and nothing else. `python -m benchmarks.stack_bare [h11]`."""

import socket
import sys
from typing import Final

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp

# uvicorn's parsers, each with the event loop that it comes with.
LOOPS: Final = {"httptools": "uvloop", "h11": "asyncio"}


async def hello(_request: Request) -> JSONResponse:
    return JSONResponse({"success": True, "status": "completed"})


def serve(app: ASGIApp, parser: str = "httptools") -> None:
    """As `mixus serve` sets the server up; `h11` is uvicorn without its compiled extras."""
    config = uvicorn.Config(
        app,
        loop=LOOPS[parser],
        http=parser,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=2048,
    )
    with socket.create_server(("127.0.0.1", 0), backlog=2048) as listener:
        print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
        uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    serve(Starlette(routes=[Route("/", hello)]), *sys.argv[1:])
