"""`mixus serve` and `mixus worker`: the whole service, built from the settings."""

import fcntl
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer
import uvicorn
from dbos import error as engine_errors
from fastapi import FastAPI
from opentelemetry.trace import Tracer

from mixus.accounts import links
from mixus.agents import provider_keys
from mixus.agents.catalog import Catalog, Live, ModelRules
from mixus.agents.prices import read_prices
from mixus.agents.secrets import Redactor
from mixus.agents.tools import toolbox
from mixus.agents.tools.registry import Registry
from mixus.cli import logs
from mixus.cli import settings as cli_settings
from mixus.cli.database import DataOption, open_database, prepare
from mixus.cli.secrets import secrets_of
from mixus.core.clock import utc_now
from mixus.core.database import Database
from mixus.core.errors import Invalid, Misconfigured
from mixus.core.settings import Settings
from mixus.evals.tasks import NewTask
from mixus.keys import pepper as peppers
from mixus.server.app import create_app
from mixus.server.parser import Parser
from mixus.worker import telemetry
from mixus.worker.bench import NO_TRACER, Bench
from mixus.worker.engine import Engine
from mixus.worker.schedule import schedule

BACKLOG = 2048
# Long polls and event streams are cut after this; their clients come back to the next server.
GRACE_SECONDS = 2
NO_MORE_TOOLS: Registry = {}

log = logging.getLogger("mixus")


@dataclass(frozen=True)
class Service:
    """The built parts; `resources` closes them in the reverse order."""

    settings: Settings
    database: Database
    app: FastAPI
    engine: Engine
    resources: ExitStack = field(default_factory=ExitStack)


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


def build(settings: Settings, more_tools: Registry = NO_MORE_TOOLS) -> Service:
    """Everything but the listening; what was opened is closed again when a part refuses."""
    with ExitStack() as resources:
        database = open_database(settings)
        resources.callback(database.close)
        if database.is_sqlite:
            resources.callback(os.close, lock(Path(str(database.url.database)).with_suffix(".lock")))
        prepare(database)
        with database.transaction() as tx:
            pepper = peppers.open_pepper(tx, settings.pepper_path)
        catalog = Catalog(
            settings.model,
            with_mcp(settings, {**toolbox.tools_of(settings), **more_tools}, resources),
            may_spend=may_spend(settings),
            live=Live(names_of(settings.live_tools), settings.live_without_verification),
            rules=model_rules(settings),
        )
        require_model(catalog)
        require_judge(catalog)
        warn_of_live_tools(settings, catalog.tools)
        app = create_app(settings, database, pepper, catalog)
        bench = Bench(
            database, catalog, utc_now, Redactor(secrets_of(settings)), tracer_of(settings, resources)
        )
        engine = Engine(bench, schedule(database, settings), settings.running_per_user)
        return Service(settings, database, app, engine, resources.pop_all())


def with_mcp(settings: Settings, own: Registry, resources: ExitStack) -> Registry:
    """Our own tools, and those of the MCP servers, whose sessions `resources` closes."""
    if settings.mcp_file is None:
        return own
    # A second of imports that a deployment without such a server does not wait for.
    from mixus.agents.tools.mcp import mcp_servers

    servers = resources.enter_context(mcp_servers(settings.mcp_file, os.environ, frozenset(own)))
    return toolbox.Toolbox(own, servers, lambda: servers.silent)


def tracer_of(settings: Settings, resources: ExitStack) -> Tracer:
    if settings.otlp_endpoint is None:
        return NO_TRACER
    provider = telemetry.provider_of(settings.otlp_endpoint)
    resources.callback(provider.shutdown)
    return provider.get_tracer("mixus", version("mixus"))


def may_spend(settings: Settings) -> bool:
    """Whether the admin named models at all: a provider's key in the environment alone is no order."""
    return not settings.model_fields_set.isdisjoint({"model", "models"})


def model_rules(settings: Settings) -> ModelRules:
    return ModelRules(
        allowed=None if settings.models is None else names_of(settings.models),
        prices=read_prices(settings.prices_file),
        judge=settings.judge_model,
        timeout_seconds=settings.model_timeout_seconds,
    )


def names_of(listed: str | None) -> frozenset[str]:
    """What stands in a setting, separated by commas."""
    return frozenset(name.strip() for name in (listed or "").split(",") if name.strip())


def require_model(catalog: Catalog) -> None:
    """A default that cannot be used would refuse every task that names no model."""
    try:
        catalog.prepare(NewTask("Say yes.", "Start", catalog.default_model))
    except Invalid as refused:
        raise Misconfigured(
            f"MIXUS_MODEL={catalog.default_model} cannot be used: {refused.detail}"
        ) from refused


def require_judge(catalog: Catalog) -> None:
    """A judge that cannot be used would leave every outcome unscored, when the work is done."""
    judge = catalog.rules.judge
    if judge is not None and not provider_keys.is_provided(judge):
        raise Misconfigured(
            f"MIXUS_JUDGE_MODEL={judge} cannot judge: name a language model, as provider:name."
        )
    try:
        if judge is not None:
            catalog.require_allowed(judge)
            catalog.clients.model(judge)
    except Invalid as refused:
        raise Misconfigured(f"MIXUS_JUDGE_MODEL={judge} cannot be used: {refused.detail}") from refused


def warn_of_live_tools(settings: Settings, tools: Registry) -> None:
    """No refusal: the tools of an MCP server that is away come later."""
    for name in sorted(names_of(settings.live_tools) - frozenset(tools)):
        log.warning("MIXUS_LIVE_TOOLS names %s, which is no tool here as yet", name)


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
    shown = f"[{host}]" if ":" in host else host
    unused = [] if may_spend(service.settings) else provider_keys.unused_keys()
    lines = (
        f"mixus serves http://{shown}:{port} (model {service.settings.model})",
        *unused,
        *_first_start_lines(service),
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


def lock(path: Path) -> int:
    """Hold the lock until the process ends, however it ends; two engines on one SQLite file would race."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise Misconfigured(
            f"Another mixus serves the data in {path.parent}; stop it, or name another folder with --data."
        ) from None
    return descriptor


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


def _first_start_lines(service: Service) -> list[str]:
    with service.database.transaction() as tx:
        token = links.make_for_first_account(tx, utc_now())
    if token is None:
        return []
    place = f"MIXUS_DATA={service.settings.data.absolute()} "
    beside = "" if service.settings.database_url is None else ", with the same MIXUS_DATABASE_URL"
    return [
        f"There is no account yet. In another terminal{beside}:",
        f"  {place}mixus user create you@example.org --admin",
        f"  {place}mixus keys create --user you@example.org --name first --scope eval:manage",
        "Or over HTTP, once, within 24 hours: POST /api/links/redeem with e-mail, password and the token",
        f"  {token}",
    ]
