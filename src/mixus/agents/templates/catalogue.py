"""Every template by name, and the task that one stands for."""

from collections.abc import Collection, Mapping
from typing import Any, Final

from mixus.agents.templates.bonus_list import BONUS_LIST
from mixus.agents.templates.commission import COMMISSION
from mixus.agents.templates.data_clean_up import DATA_CLEAN_UP
from mixus.agents.templates.invoice_check import INVOICE_CHECK
from mixus.agents.templates.parameters import filled
from mixus.agents.templates.price_comparison import PRICE_COMPARISON
from mixus.agents.templates.quote_mail import QUOTE_MAIL
from mixus.agents.templates.report_and_mail import REPORT_AND_MAIL
from mixus.agents.templates.support_refund_mail import SUPPORT_REFUND_MAIL
from mixus.agents.templates.tax_credit import TAX_CREDIT
from mixus.agents.templates.template import Template
from mixus.core.database import Row
from mixus.core.errors import Invalid
from mixus.evals.lifecycle import Environment
from mixus.evals.tasks import NewTask, Place

TEMPLATES: Final[Mapping[str, Template]] = {
    template.name: template
    for template in (
        COMMISSION,
        TAX_CREDIT,
        INVOICE_CHECK,
        SUPPORT_REFUND_MAIL,
        QUOTE_MAIL,
        DATA_CLEAN_UP,
        REPORT_AND_MAIL,
        BONUS_LIST,
        PRICE_COMPARISON,
    )
}


def find(name: str) -> Template:
    if name not in TEMPLATES:
        raise Invalid(f"There is no such template; there are {', '.join(TEMPLATES)}.", field="template")
    return TEMPLATES[name]


def task(name: str, given: Mapping[str, Any], model: str) -> NewTask:
    """Raises Invalid for an unknown template, and for a parameter that it does not take."""
    template = find(name)
    values = filled(template.parameters, given)
    brief = template.brief(values)
    return NewTask(
        description=brief.description,
        name=template.title,
        model=model,
        checkpoints=brief.checkpoints,
        auto_detect=template.auto_detect,
        tools=template.tools,
        expected_outcome=brief.expected_outcome,
        template=name,
        parameters=values.as_json(),
        seeds=brief.seeds,
    )


def missing_tools(template: Template, offered: Collection[str]) -> list[str]:
    return [tool for tool in template.tools if tool not in offered]


def require_tools(name: str, offered: Collection[str]) -> None:
    missing = missing_tools(find(name), offered)
    if missing:
        raise Invalid(
            f"{name} needs {' and '.join(missing)}, which this server does not offer; ask its admin for it.",
            field="template",
        )


def require_sandbox(task: NewTask) -> None:
    """Live, tools work on the admin's own files and data, which are not those that the template speaks of."""
    if task.template is not None and task.seeds and task.environment is Environment.LIVE:
        raise Invalid(f"{task.template} brings data of its own, for the sandbox only.", field="environment")


def seeds_of(row: Row) -> Mapping[Place, bytes]:
    """What the execution's own copy began with; its parameters were kept whole."""
    if row["template"] is None:
        return {}
    template = find(row["template"])
    return template.brief(filled(template.parameters, row["parameters"] or {})).seeds
