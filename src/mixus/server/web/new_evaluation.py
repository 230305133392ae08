"""/eval/new: a task from a template or in one's own words."""

from collections.abc import Mapping
from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import Response

from mixus.accounts.principal import Principal, Scope
from mixus.agents.catalog import REHEARSAL, SCRIPT
from mixus.agents.templates import catalogue
from mixus.agents.templates.parameters import CHARACTERS, NUMERIC, Kind, Parameter, filled, in_json
from mixus.agents.templates.template import Template
from mixus.core.errors import Forbidden, NotFound
from mixus.evals import reach, scoring, service
from mixus.evals.lifecycle import OnTimeout, TestMode
from mixus.server.web import frame
from mixus.server.web.forms import Fields, Refused, tried
from mixus.server.web.models import offered_models, patterns
from mixus.server.web.once import FIELD, SentBefore, once, word
from mixus.server.web.task_fields import compacted, count_checkpoints, problems_of, task_of
from mixus.server.web.visits import Posting, Seeing, Visit

FEWEST_ROWS: Final = 3
MOST_ROWS: Final = 50
MODEL_WORDS: Final = {
    REHEARSAL: "rehearsal: by rules, with no language model",
    SCRIPT: "script: exactly the calls that you write",
}
# What is folded away as long as nobody has written into it.
ADVANCED: Final = frozenset(
    {
        *("maxSteps", "timeoutMinutes", "maxCostUsd", "maxTokens", "reviewTimeoutMinutes", "escalateTo"),
        *("onReviewTimeout", "tools", "metadata", "script"),
    }
)
ABBREVIATIONS: Final = {"vat": "VAT"}
KINDS: Final = (
    ("", "not measured"),
    (scoring.Kind.CONTAINS, "contains this text"),
    (scoring.Kind.EQUALS, "equals this text"),
    (scoring.Kind.NUMBER, "is this number"),
    (scoring.Kind.REGEX, "matches this pattern"),
    (scoring.Kind.JSON, "has this JSON in it"),
    (scoring.Kind.JUDGE, "a model judges by this"),
)

router = APIRouter(include_in_schema=False)


@router.get("/eval/new")
def new_evaluation(visit: Seeing) -> Response:
    _require_maker(visit.principal)
    return _form(visit, _blank(visit, _template(visit.request.query_params.get("template"))))


@router.post("/eval/new/more")
def more_checkpoints(visit: Posting) -> Response:
    """The same form with room for more of them, also below rows that are still empty."""
    _require_maker(visit.principal)
    fields = compacted(visit.fields)
    spare = count_checkpoints(visit.fields) - count_checkpoints(fields) + FEWEST_ROWS
    return _form(visit, fields, spare=spare)


@router.post("/eval/new")
def start_evaluation(visit: Posting) -> Response:
    _require_maker(visit.principal)
    fields = compacted(visit.fields)
    made = tried(visit.tx, lambda: _started_once(visit, fields))
    if isinstance(made, Refused):
        return _form(visit, fields, refused=made)
    return frame.see_other(made)


def _require_maker(principal: Principal) -> None:
    if not principal.may(Scope.CREATE):
        raise Forbidden(
            "Viewers see every evaluation and start none; ask an admin to make you a member.",
            scope=Scope.CREATE.value,
        )


def _started_once(visit: Visit, fields: Fields) -> str:
    """Where to go next. The same form sent twice, as by a double click, starts one execution."""
    try:
        return once(visit, lambda: _started(visit, fields.without(FIELD)), "This form was sent before.")
    except SentBefore as before:
        return f"/eval/{before.members['madeId']}?said=started"


def _started(visit: Visit, fields: Fields) -> tuple[str, str]:
    catalog = visit.services.catalog
    task = catalog.prepare(task_of(fields).task(catalog.default_model, catalog.tools))
    row = service.create_task(visit.tx, visit.principal, task, visit.now, visit.services.capacity)
    unreached = reach.unreached(visit.tx, visit.services.settings, row)
    return row["id"], f"/eval/{row['id']}?said={'started-unreached' if unreached else 'started'}"


def _template(name: str | None) -> Template | None:
    if name and name not in catalogue.TEMPLATES:
        raise NotFound("There is no such template; choose one at /eval/new.")
    return catalogue.TEMPLATES.get(name or "")


def _blank(visit: Visit, template: Template | None) -> Fields:
    """The form as it is first seen."""
    values = {
        "testMode": TestMode.WITH_VERIFICATION.value,
        "model": visit.services.catalog.default_model,
    }
    if template is None or template.auto_detect:
        values["autoDetectCheckpoints"] = "on"
    if template is not None:
        values["template"] = template.name
        values |= {f"parameters.{each.name}": str(in_json(each.default)) for each in template.parameters}
    return Fields({name: [value] for name, value in values.items()})


def _form(visit: Visit, fields: Fields, refused: Refused | None = None, spare: int = 1) -> Response:
    catalog = visit.services.catalog
    # A form of ours with another name than that of a template is refused by the field.
    template = catalogue.TEMPLATES.get(fields.text("template") or "")
    return frame.page(
        visit,
        "new_evaluation.html",
        refused,
        problems=problems_of(refused),
        values={name: values[0] for name, values in fields.values.items() if values}
        | {FIELD: word(visit.now)},
        named_tools=fields.all("tools"),
        rows=min(max(FEWEST_ROWS, count_checkpoints(fields) + spare), MOST_ROWS),
        start=template and _described(template, catalog.tools),
        templates=list(catalogue.TEMPLATES.values()),
        models=[(each, MODEL_WORDS.get(each, each)) for each in offered_models(catalog)],
        patterns=patterns(catalog),
        is_advanced=any(name in ADVANCED and any(values) for name, values in fields.values.items()),
        tools=list(catalog.tools.values()),
        modes=TestMode,
        kinds=KINDS,
        on_timeout=[("", "expire (the default)"), (OnTimeout.REJECT, "reject")],
    )


def _described(template: Template, offered: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": template.name,
        "title": template.title,
        "description": template.description,
        "parameters": [_parameter(each) for each in template.parameters],
        "checkpoints": template.brief(filled(template.parameters, {})).checkpoints,
        "missing": catalogue.missing_tools(template, offered),
        "rehearsal": template.rehearsal,
    }


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": f"parameters.{parameter.name}",
        "label": _in_words(parameter.name),
        "help": parameter.description,
        "choices": [(each, each) for each in parameter.choices],
        "type": "email" if parameter.kind is Kind.EMAIL else "text",
        "attrs": {
            "inputmode": "decimal" if parameter.kind in NUMERIC else None,
            "maxlength": CHARACTERS.get(parameter.kind),
        },
    }


def _in_words(name: str) -> str:
    """`seenSince` is a name for programs; a label reads `Seen since`."""
    words = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name)
    return ABBREVIATIONS.get(words, words.capitalize())
