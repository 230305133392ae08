"""The service, built from its settings: each part, and what refuses to start."""

import fcntl
import logging
import os
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from fastapi import FastAPI
from opentelemetry.trace import Tracer

from mixus.agents import provider_keys
from mixus.agents.catalog import Catalog, Live, ModelRules
from mixus.agents.prices import read_prices
from mixus.agents.redaction import Redactor
from mixus.agents.tools import toolbox
from mixus.agents.tools.registry import Registry
from mixus.cli.database import open_database, prepare
from mixus.cli.secrets import secrets_of
from mixus.core.clock import utc_now
from mixus.core.database import Database
from mixus.core.errors import Invalid, Misconfigured
from mixus.core.settings import Settings
from mixus.evals.review_links import REVIEW_LINKS
from mixus.evals.tasks import NewTask
from mixus.keys import pepper as peppers
from mixus.server.app import create_app
from mixus.worker import telemetry
from mixus.worker.bench import NO_TRACER, Bench
from mixus.worker.engine import Engine
from mixus.worker.schedule import schedule

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
        require_addresses()
        require_model(catalog)
        require_judge(catalog)
        warn_of_live_tools(settings, catalog.tools)
        app = create_app(settings, database, pepper, catalog)
        bench = Bench(
            database, catalog, utc_now, Redactor(secrets_of(settings)), tracer_of(settings, resources)
        )
        engine = Engine(
            bench, schedule(database, settings, pepper.hash(REVIEW_LINKS)), settings.running_per_user
        )
        return Service(settings, database, app, engine, resources.pop_all())


def with_mcp(settings: Settings, own: Registry, resources: ExitStack) -> Registry:
    """Our own tools, and those of the MCP servers, whose sessions `resources` closes."""
    if settings.mcp_file is None:
        return own
    # A second of imports that a deployment without such a server does not wait for.
    from mixus.agents.tools.mcp import mcp_servers

    servers = resources.enter_context(mcp_servers(settings.mcp_file, os.environ, frozenset(own)))
    return toolbox.Toolbox(own, servers)


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


def require_addresses() -> None:
    variable = provider_keys.misspelt_address()
    if variable is not None:
        raise Misconfigured(f"{variable} is no address; write http:// or https://, the host and :port.")


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
