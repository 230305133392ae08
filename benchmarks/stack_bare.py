"""The yardstick: one JSON route of Starlette with nothing around it. `python -m benchmarks.stack_bare`."""

import socket

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp


async def hello(_request: Request) -> JSONResponse:
    return JSONResponse({"success": True, "status": "completed"})


def serve(app: ASGIApp) -> None:
    """As `mixus serve` sets the server up."""
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
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
    serve(Starlette(routes=[Route("/", hello)]))
