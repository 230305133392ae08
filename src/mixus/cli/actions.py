"""How an action is shown to whoever decides on it: a mail as a mail, every argument exactly as it is."""

from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from mixus.cli.terminal import as_json, exact

if TYPE_CHECKING:
    from mixus.client import Action

HEADERS = {"to": "To", "cc": "Cc", "subject": "Subject"}


def action_shown(action: "Action", *, is_named: bool = False) -> Group:
    """Return the tool, its effect and all arguments; nothing of it can act on a terminal.

    `is_named`: with its id, by which one of several is edited.
    """
    title = Text(f"{_one_line(action.tool)} ({_one_line(action.effect or 'effect unknown')})", style="bold")
    if is_named:
        title.append(f"  {_one_line(action.action_id or '')}", style="not bold")
    arguments = action.arguments
    if not isinstance(arguments, dict):
        return Group(title, Text(as_json(arguments)))
    if action.tool == "send_email":
        return Group(title, *_mail(dict(arguments)))
    return Group(title, _labelled({_one_line(name): as_json(value) for name, value in arguments.items()}))


def _mail(arguments: dict[str, Any]) -> list[Table | Text]:
    """The body comes last, after an empty line: whatever stands in it cannot pass for a header."""
    body = arguments.pop("body") if isinstance(arguments.get("body"), str) else None
    if arguments.get("cc") == []:
        del arguments["cc"]
    headers = {title: _header(arguments.pop(name)) for name, title in HEADERS.items() if name in arguments}
    shown: list[Table | Text] = [
        _labelled(headers | {_one_line(name): as_json(value) for name, value in arguments.items()})
    ]
    return shown if body is None else [*shown, Text(f"\n{exact(body)}")]


def _labelled(values: dict[str, str]) -> Table:
    """A value too long for its line goes on in its own column, where it cannot pass for another's label."""
    grid = columns(padding=1)
    for label, value in values.items():
        grid.add_row(Text(f"{label}:"), Text(value))
    return grid


def columns(padding: int) -> Table:
    """Two, in which a word that is too long goes on below: cut off, its end would be approved unseen."""
    grid = Table.grid(padding=(0, padding))
    for _ in range(2):
        grid.add_column(overflow="fold")
    return grid


def _header(value: object) -> str:
    """Without the marks of JSON where that can only mean one thing."""
    if isinstance(value, str):
        return _one_line(value)
    if isinstance(value, list) and value and all(_is_address(item) for item in value):
        return ", ".join(value)
    return as_json(value)


def _is_address(item: object) -> bool:
    return isinstance(item, str) and item.isprintable() and item != "" and not set(item) & set(", ")


def _one_line(text: str) -> str:
    is_clear = text.isprintable() and text == text.strip() and text
    return text if is_clear else as_json(text)
