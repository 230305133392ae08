"""/healthz and /readyz: does the process live, and can it work."""

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel
from sqlalchemy import inspect
from sqlalchemy.exc import SQLAlchemyError

from mixus.agents.tools import toolbox
from mixus.core.database import Database, metadata
from mixus.core.errors import Unavailable
from mixus.server.answers import Json
from mixus.server.deps import Served
from mixus.server.openapi import problems

# No segment has this id: the question is whether the engine answers.
NO_SEGMENT = "readyz"

router = APIRouter(tags=["health"])


class Health(BaseModel):
    status: Literal["ok"]


class Readiness(BaseModel):
    status: Literal["ready"]
    warnings: list[str]


@router.get("/healthz", response_model=Health, responses=problems(500), summary="The process lives")
async def health() -> Json:
    return Json({"status": "ok"})


@router.get(
    "/readyz", response_model=Readiness, responses=problems(500, 503), summary="Database and engine answer"
)
def readiness(services: Served) -> Json:
    """503 says which part is away. A warning says what is set up by half, and does not work."""
    require_ready(services.database)
    missing = services.settings.missing_for_mail
    warnings = [f"No mail leaves: {' and '.join(missing)} not set."] if missing else []
    warnings += toolbox.warnings(services.catalog.tools)
    return Json({"status": "ready", "warnings": warnings})


def require_ready(database: Database) -> None:
    try:
        missing = metadata.tables.keys() - set(inspect(database.engine).get_table_names())
        database.dispatch.states([NO_SEGMENT])
    except SQLAlchemyError:
        raise Unavailable("The database or the engine's part of it does not answer.") from None
    if missing:
        raise Unavailable("The database is behind this version; run `mixus db upgrade`.")
