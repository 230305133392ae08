"""What `mixus eval templates` prints: each ready task with its parameters, and what rehearsal does of it."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from rich.text import Text

from mixus.cli.eval_output import console
from mixus.cli.terminal import line

if TYPE_CHECKING:
    from mixus.client import Template, TemplateParameter


def print_templates(templates: Iterable["Template"]) -> None:
    out = console()
    for place, template in enumerate(templates):
        if place:
            out.print()
        out.print(Text(line(template.name), style="bold"), soft_wrap=True)
        for told in lines(template):
            out.print(Text(f"  {told}"), soft_wrap=True)


def lines(template: "Template") -> Iterator[str]:
    yield line(template.description)
    for parameter in template.parameters:
        given = f"{line(parameter.name)}={line(parameter.default)}"
        yield f"{given}  {line(parameter.description)}{bounds(parameter)}"
    whole = "whole" if template.rehearsal.whole else "not whole"
    yield f"rehearsal: {whole}. {line(template.rehearsal.note)}"
    if template.missing_tools:
        yield f"not on this server, which lacks {', '.join(map(line, template.missing_tools))}"


def bounds(parameter: "TemplateParameter") -> str:
    if parameter.enum:
        return f" One of {', '.join(map(line, parameter.enum))}."
    if parameter.minimum is None or parameter.maximum is None:
        return ""
    return f" {line(parameter.minimum)} to {line(parameter.maximum)}."
