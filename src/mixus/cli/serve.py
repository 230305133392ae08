"""`mixus serve` and `mixus worker`: listening, working, and what is said at the start."""

import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from typing import Annotated

import typer
import uvicorn
from dbos import error as engine_errors
from fastapi import FastAPI

from mixus.accounts import links
from mixus.agents import provider_keys
from mixus.cli import logs
from mixus.cli import settings as cli_settings
from mixus.cli.building import Service, build, may_spend
from mixus.cli.database import DataOption
from mixus.cli.secrets import secrets_of
from mixus.core.clock import utc_now
from mixus.core.errors import Misconfigured
from mixus.server.parser import Parser

BACKLOG = 2048
# Long polls and event streams are cut after this; their clients come back to the next server.
GRACE_SECONDS = 2

log = logging.getLogger("mixus")


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8000,
    data: DataOption = None,
    no_worker: Annotated[bool, typer.Option("--no-worker", help="Leave the work to `mixus worker`.")] = False,
) -> None:
    """Serve the API, with a worker in the same process."""
    stop_on_signals()
    logs.configure()
    settings = cli_settings.load(data=data)
    logs.configure(secrets_of(settings))
    if no_worker and settings.store_url.startswith("sqlite"):
        log.warning("no worker can run beside this server on SQLite: tasks stay queued until it runs one")
    with listen(host, port) as listener:
        run(build(settings), listener, with_worker=not no_worker)


def worker(data: DataOption = None) -> None:
    """Run a worker alone, beside servers on the same Postgres."""
    stop_on_signals()
    logs.configure()
    settings = cli_settings.load(data=data)
    logs.configure(secrets_of(settings))
    if settings.store_url.startswith("sqlite"):
        raise Misconfigured("On SQLite `mixus serve` is the worker; a worker alone needs Postgres.")
    work(build(settings))


def work(service: Service) -> None:
    """Run segments until a signal comes."""
    with service.resources:
        start(service)
        print(f"mixus works (model {service.settings.model})", flush=True)
        while True:
            signal.pause()


def run(service: Service, listener: socket.socket, *, with_worker: bool = True) -> None:
    """Serve until a signal comes; the engine has a loop of its own and starts outside of any other."""
    with service.resources:
        if with_worker:
            start(service)
        config = _server_config(service.app, service.settings.trusted_proxies)
        server = AnnouncedServer(config, lambda: announce(service, listener))
        server.run(sockets=[listener])


def start(service: Service) -> None:
    service.resources.callback(service.engine.stop)
    try:
        service.engine.start()
    except engine_errors.DBOSInitializationError as error:
        raise Misconfigured(
            "The database is behind this version of mixus; run `mixus db upgrade`."
        ) from error


class AnnouncedServer(uvicorn.Server):
    """Says when it answers, and not before."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self.on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self.on_ready()


def announce(service: Service, listener: socket.socket) -> None:
    host, port = listener.getsockname()[:2]
    address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    unused = [] if may_spend(service.settings) else provider_keys.unused_keys()
    lines = (
        f"mixus serves {address} (model {service.settings.model})",
        *unused,
        *_first_start_lines(service, service.settings.public_url or address),
    )
    print("\n".join(lines), flush=True)


def listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else "no such address"
        raise Misconfigured(
            f"Cannot listen on {host} port {port} ({reason}); name another with --host or --port."
        ) from error


def stop_on_signals() -> None:
    """SIGTERM and SIGINT end the process in order, with exit code 0, at any moment of its life."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: sys.exit(0))


def _server_config(app: FastAPI, trusted_proxies: str | None) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        loop="uvloop",
        http=Parser,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=trusted_proxies is not None,
        forwarded_allow_ips=trusted_proxies,
        timeout_graceful_shutdown=GRACE_SECONDS,
        backlog=BACKLOG,
    )


def _first_start_lines(service: Service, base_url: str) -> list[str]:
    with service.database.transaction() as tx:
        token = links.make_for_first_account(tx, utc_now())
    if token is None:
        return []
    place = f"MIXUS_DATA={service.settings.data.absolute()} "
    beside = "" if service.settings.database_url is None else ", with the same MIXUS_DATABASE_URL"
    return [
        "There is no account yet. Make the first one in a browser, once, within 24 hours:",
        f"  {links.address(base_url, token)}",
        f"Or in another terminal{beside}:",
        f"  {place}mixus user create you@example.org --admin",
        f"  {place}mixus keys create --user you@example.org --name first --scope eval:manage",
    ]
