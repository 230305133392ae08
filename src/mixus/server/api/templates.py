"""GET /api/eval/templates: the ready tasks, with their defaults filled in."""

from fastapi import APIRouter

from mixus.agents.templates import catalogue
from mixus.agents.templates.parameters import CHARACTERS, NUMERIC, Kind, Parameter, filled, in_json
from mixus.agents.templates.template import Template
from mixus.agents.tools.registry import Registry
from mixus.core.pages import Page
from mixus.evals.tasks import NewCheckpoint
from mixus.server.answers import Document, Json, page_of
from mixus.server.api.schemas import TemplatePage
from mixus.server.deps import BARE, Reader, Served
from mixus.server.openapi import refusals

router = APIRouter(tags=["templates"])


@router.get(
    "/api/eval/templates",
    response_model=TemplatePage,
    dependencies=BARE,
    responses=refusals(),
    summary="List the templates",
)
async def list_templates(_principal: Reader, services: Served) -> Json:
    """All of them, on one page."""
    offered = services.catalog.tools
    return page_of(Page([_document(each, offered) for each in catalogue.TEMPLATES.values()], None))


def _document(template: Template, offered: Registry) -> Document:
    brief = template.brief(filled(template.parameters, {}))
    return {
        "name": template.name,
        "title": template.title,
        "description": template.description,
        "parameters": [_parameter(each) for each in template.parameters],
        "checkpoints": [_checkpoint(each) for each in brief.checkpoints],
        "autoDetectCheckpoints": template.auto_detect,
        "tools": list(template.tools),
        "missingTools": catalogue.missing_tools(template, offered),
        "expectedOutcome": {"tolerance": None, **brief.expected_outcome},
        "rehearsal": {"whole": template.rehearsal.whole, "note": template.rehearsal.note},
    }


def _parameter(parameter: Parameter) -> Document:
    is_number = parameter.kind in NUMERIC
    return {
        "name": parameter.name,
        "description": parameter.description,
        "type": parameter.kind.value if is_number else "string",
        "format": "email" if parameter.kind is Kind.EMAIL else None,
        "default": in_json(parameter.default),
        "minimum": None if parameter.minimum is None else in_json(parameter.minimum),
        "maximum": None if parameter.maximum is None else in_json(parameter.maximum),
        "multipleOf": 10**-parameter.decimals if is_number else None,
        "maxLength": CHARACTERS.get(parameter.kind),
        "enum": list(parameter.choices) or None,
    }


def _checkpoint(checkpoint: NewCheckpoint) -> Document:
    return {
        "stage": checkpoint.stage,
        "description": checkpoint.description,
        "verificationQuestion": checkpoint.verification_question,
    }
