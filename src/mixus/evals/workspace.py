"""The execution's own copy of files and data: rows, so that it goes where the execution goes."""

from collections.abc import Mapping

from sqlalchemy import delete, insert, select

from mixus.core.database import Transaction
from mixus.evals.lifecycle import Area
from mixus.evals.tables import workspace
from mixus.evals.tasks import Place


def find(tx: Transaction, execution_id: str, place: Place) -> tuple[bytes | None] | None:
    """Its own content there, None in a tuple where it deleted it, and None where it has no copy."""
    row = tx.execute(
        select(workspace.c.content).where(
            workspace.c.execution_id == execution_id,
            workspace.c.area == place.area,
            workspace.c.path == place.path,
        )
    ).one_or_none()
    return None if row is None else (row.content,)


def entries(tx: Transaction, execution_id: str, area: Area) -> dict[str, bytes | None]:
    """Everything of an area that it has a copy of, by path."""
    found = tx.execute(
        select(workspace.c.path, workspace.c.content)
        .where(workspace.c.execution_id == execution_id, workspace.c.area == area)
        .order_by(workspace.c.path)
    )
    return {row.path: row.content for row in found}


def change(tx: Transaction, execution_id: str, changes: Mapping[Place, bytes | None]) -> None:
    """Put contents there; None deletes, and hides what the original has."""
    for place, content in changes.items():
        at = (
            workspace.c.execution_id == execution_id,
            workspace.c.area == place.area,
            workspace.c.path == place.path,
        )
        tx.execute(delete(workspace).where(*at))
        tx.execute(
            insert(workspace).values(
                execution_id=execution_id, area=place.area, path=place.path, content=content
            )
        )
