"""What can be done to an execution from its page: cancel, retry, change, delete."""

from collections.abc import Mapping
from typing import Annotated, Any

import orjson
from fastapi import APIRouter
from pydantic import BeforeValidator, Field
from starlette.responses import Response

from mixus.agents.templates.catalogue import seeds_of
from mixus.core.database import Row
from mixus.evals import record, service
from mixus.evals.lifecycle import FINAL
from mixus.evals.record import Record
from mixus.evals.tasks import Place, TaskChange
from mixus.server.api.create import Metadata, Name
from mixus.server.deps import ExecutionId
from mixus.server.web import execution_view, frame
from mixus.server.web.forms import Fields, Form, Refused, parsed, tried
from mixus.server.web.once import SentBefore, once
from mixus.server.web.visits import Posting, Seeing, Visit
from mixus.server.wire import Email

router = APIRouter(include_in_schema=False)


def _object(value: object) -> object:
    try:
        return orjson.loads(value) if isinstance(value, str) else value
    except ValueError as error:
        raise ValueError(f"This is no JSON: {error}.") from None


JsonObject = Annotated[Metadata, BeforeValidator(_object)]


class ChangeForm(Form):
    """The fields, and each as it was shown: what nobody touched is not changed."""

    name: Name
    reviewer: Email
    metadata: JsonObject = Field(default_factory=dict)
    shown_name: str
    shown_reviewer: str
    shown_metadata: JsonObject = Field(default_factory=dict)

    def change(self) -> TaskChange:
        return TaskChange(
            self.name if self.name != self.shown_name else None,
            self.metadata if self.metadata != self.shown_metadata else None,
            self.reviewer if self.reviewer != self.shown_reviewer else None,
        )


@router.get("/eval/{executionId}/cancel")  # noqa: FAST003 - an alias in deps.py
def ask_to_cancel(visit: Seeing, execution_id: ExecutionId) -> Response:
    return _confirm(visit, "cancel", record.changeable(visit.tx, visit.principal, execution_id))


@router.post("/eval/{executionId}/cancel")  # noqa: FAST003 - an alias in deps.py
def cancel(visit: Posting, execution_id: ExecutionId) -> Response:
    found = record.changeable(visit.tx, visit.principal, execution_id)
    made = tried(visit.tx, lambda: service.cancel(visit.tx, visit.principal, execution_id, visit.now))
    return _shown_or_said(visit, found, made, "cancelled")


@router.post("/eval/{executionId}/retry")  # noqa: FAST003 - an alias in deps.py
def retry(visit: Posting, execution_id: ExecutionId) -> Response:
    found = record.changeable(visit.tx, visit.principal, execution_id)
    made = tried(visit.tx, lambda: _retried(visit, execution_id))
    if isinstance(made, Refused):
        return execution_view.show(visit, found, refused=made)
    return frame.see_other(f"/eval/{made}?said=retried")


@router.get("/eval/{executionId}/delete")  # noqa: FAST003 - an alias in deps.py
def ask_to_delete(visit: Seeing, execution_id: ExecutionId) -> Response:
    return _confirm(visit, "delete", record.changeable(visit.tx, visit.principal, execution_id))


@router.post("/eval/{executionId}/delete")  # noqa: FAST003 - an alias in deps.py
def delete(visit: Posting, execution_id: ExecutionId) -> Response:
    service.delete(visit.tx, visit.principal, execution_id, visit.now)
    return frame.see_other("/eval?said=deleted")


@router.get("/eval/{executionId}/edit")  # noqa: FAST003 - an alias in deps.py
def show_form(visit: Seeing, execution_id: ExecutionId) -> Response:
    found = record.changeable(visit.tx, visit.principal, execution_id)
    return _form(visit, found, _filled(found.execution))


@router.post("/eval/{executionId}/edit")  # noqa: FAST003 - an alias in deps.py
def edit(visit: Posting, execution_id: ExecutionId) -> Response:
    found = record.changeable(visit.tx, visit.principal, execution_id)
    made = tried(visit.tx, lambda: _edited(visit, execution_id))
    if isinstance(made, Refused):
        return _form(visit, found, _entered(visit.fields), made)
    return frame.see_other(f"/eval/{execution_id}?said=saved")


def _retried(visit: Visit, execution_id: str) -> str:
    """The id of the new execution; of the first one, when the form was sent before."""

    def renewed(before: Row) -> Mapping[Place, bytes]:
        visit.services.catalog.require_again(before)
        return seeds_of(before)

    def again() -> tuple[str, str]:
        capacity = visit.services.capacity
        row = service.retry(visit.tx, visit.principal, execution_id, visit.now, capacity, renewed)
        return row["id"], row["id"]

    try:
        return once(visit, again, "This form has started its execution before.")
    except SentBefore as before:
        return str(before.members["madeId"])


def _edited(visit: Visit, execution_id: str) -> None:
    change = parsed(ChangeForm, visit.fields).change()
    if change != TaskChange():
        service.update(visit.tx, visit.principal, execution_id, change, visit.now)


def _confirm(visit: Visit, action: str, found: Record) -> Response:
    return frame.page(
        visit,
        "execution_confirm.html",
        action=action,
        execution=found.execution,
        is_final=found.execution["status"] in FINAL,
    )


def _shown_or_said(visit: Visit, found: Record, made: Row | Refused, word: str) -> Response:
    if isinstance(made, Refused):
        return execution_view.show(visit, found, refused=made)
    return frame.see_other(f"/eval/{found.execution['id']}?said={word}")


def _form(
    visit: Visit, found: Record, entered: Mapping[str, str], refused: Refused | None = None
) -> Response:
    return frame.page(
        visit,
        "execution_edit.html",
        refused,
        execution=found.execution,
        entered=entered,
    )


def _filled(execution: Row) -> dict[str, str]:
    now = {
        "name": execution["task_name"],
        "reviewer": execution["assigned_reviewer"],
        "metadata": orjson.dumps(execution["metadata"], option=orjson.OPT_INDENT_2).decode(),
    }
    return now | {f"shown_{name}": value for name, value in now.items()}


def _entered(fields: Fields) -> dict[str, Any]:
    return {name: fields.text(name) or "" for name in ChangeForm.model_fields}
