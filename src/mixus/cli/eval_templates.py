"""What `mixus eval templates` prints: each ready task with its parameters, and what rehearsal does of it."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

from rich.console import Group
from rich.padding import Padding
from rich.text import Text

from mixus.cli.eval_output import console, put, rows
from mixus.cli.terminal import line

if TYPE_CHECKING:
    from mixus.client import Template, TemplateParameter


INDENT: Final = (0, 0, 0, 2)
WIDEST: Final = 1000


def print_templates(templates: Iterable["Template"]) -> None:
    out = console()
    for place, template in enumerate(templates):
        if place:
            out.print()
        out.print(Text(line(template.name), style="bold"), soft_wrap=True)
        shown = Group(
            Padding(Text(line(template.description)), INDENT),
            *([rows(map(told, template.parameters))] if template.parameters else []),
            *(Padding(Text(remark), INDENT) for remark in remarks(template)),
        )
        if not out.file.isatty():
            # A pipe gets whole lines, for `grep`.
            out.width = max(out.width, WIDEST)
        put(out, shown)


def told(parameter: "TemplateParameter") -> tuple[str, str]:
    given = f"{line(parameter.name)}={line(parameter.default)}"
    return given, f"{line(parameter.description)}{bounds(parameter)}"


def remarks(template: "Template") -> Iterator[str]:
    whole = "whole" if template.rehearsal.whole else "not whole"
    yield f"rehearsal: {whole}. {line(template.rehearsal.note)}"
    if template.missing_tools:
        yield f"not on this server, which lacks {', '.join(map(line, template.missing_tools))}"


def bounds(parameter: "TemplateParameter") -> str:
    if parameter.enum:
        return f" One of {', '.join(map(line, parameter.enum))}."
    if parameter.minimum is None or parameter.maximum is None:
        return ""
    return f" {parameter.minimum:,.15g} to {parameter.maximum:,.15g}."
