"""An action as what it is: a mail, a statement, a change of a file, a request; and always as it is raw.

Pure: from a tool's name and arguments to what a page shows. A form of its own is for what it shows whole:
where an argument is more or other than expected, all of them stand in a table.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import httpx2
from pydantic import ValidationError

from mixus.agents.tools.database import Statement
from mixus.agents.tools.files import Deleting, Writing
from mixus.agents.tools.http import Request
from mixus.agents.tools.mail import Email
from mixus.agents.tools.registry import Arguments
from mixus.server.web.differences import Line, all_of, difference


@dataclass(frozen=True)
class Present:
    """What a file holds now: nothing where there is none, or why that cannot be told."""

    content: bytes | None = None
    problem: str | None = None


# What is there now, by path.
Find = Callable[[str], Present]


@dataclass(frozen=True)
class Seen:
    """`does` goes on a sentence that begins with “this”. `facts` are labels with texts or other JSON."""

    icon: str
    title: str
    does: str
    facts: Sequence[tuple[str, Any]] = ()
    text: str | None = None
    code: str | None = None
    lines: Sequence[Line] = ()
    notes: Sequence[str] = ()
    is_known: bool = True


@dataclass(frozen=True)
class ShownAction:
    action: Mapping[str, Any]
    seen: Seen


@dataclass
class _Files:
    """Files as they will be when the actions before have been done."""

    find: Find | None
    changed: dict[str, Present] = field(default_factory=dict)

    def now(self, path: str) -> Present | None:
        return None if self.find is None else self.changed.get(path) or self.find(path)


def shown(actions: Sequence[Mapping[str, Any]], find: Find | None) -> list[ShownAction]:
    """In order. Without `find`, files are not ours to look at."""
    files = _Files(find)
    return [ShownAction(action, _seen(action, files)) for action in actions]


def _seen(action: Mapping[str, Any], files: _Files) -> Seen:
    form = FORMS.get(action["tool"])
    arguments = None if form is None else _exactly(form.arguments, action["arguments"])
    return _table(action) if form is None or arguments is None else form.see(arguments, files)


def _exactly(kind: type[Arguments], arguments: Mapping[str, Any]) -> Arguments | None:
    """None where a form would hide or change some of them."""
    try:
        read = kind.model_validate(arguments)
    except ValidationError:
        return None
    return read if read.model_dump(mode="json") == arguments else None


def _table(action: Mapping[str, Any]) -> Seen:
    tool, effect = str(action["tool"]), str(action["effect"])
    return Seen(
        "tool",
        f"Call of {tool}",
        f"calls {tool}, which may {VERBS.get(effect, 'do anything')}",
        facts=list(action["arguments"].items()),
        notes=() if action["arguments"] else ["It has no arguments."],
        is_known=False,
    )


def _mail(mail: Email, _files: _Files) -> Seen:
    copies = [("Cc", ", ".join(mail.cc))] if mail.cc else []
    return Seen(
        "mail",
        "E-mail",
        f"sends an e-mail to {', '.join(dict.fromkeys(mail.recipients))}",
        facts=[("To", ", ".join(mail.to)), *copies, ("Subject", mail.subject)],
        text=mail.body,
        notes=[*_letters(mail.recipients), *(() if mail.body else ["The mail has no text."])],
    )


def _letters(addresses: Sequence[str]) -> Iterator[str]:
    """Letters of other scripts can look just like those of a well-known address."""
    for address in dict.fromkeys(addresses):
        if not address.isascii():
            named = address.encode("ascii", "namereplace").decode()
            yield f"Not all letters of {address} are a to z. It is: {named}"


def _statement(statement: Statement, _files: _Files) -> Seen:
    values = [(f"Value {place}", value) for place, value in enumerate(statement.parameters, start=1)]
    return Seen("database", "Database statement", "runs this on the database", values, code=statement.sql)


def _request(request: Request, _files: _Files) -> Seen:
    host = _host(request.url)
    return Seen(
        "globe",
        "HTTP request",
        f"sends a {request.method} request to {host}",
        facts=[
            ("Goes to", host),
            ("Request", f"{request.method} {request.url}"),
            *((f"Header {name}", value) for name, value in request.headers.items()),
        ],
        code=request.body or None,
        notes=() if request.body else ["It has no body."],
    )


def _write(writing: Writing, files: _Files) -> Seen:
    present = files.now(writing.path)
    files.changed[writing.path] = Present(writing.content.encode())
    does, facts = f"writes the file {writing.path}", [("File", writing.path)]
    if present is None or present.problem is not None:
        notes = [] if present is None else [f"What it holds now cannot be shown: {present.problem}"]
        return Seen("file", "Write a file", does, facts, code=writing.content, notes=notes)
    if present.content is None:
        return Seen(
            "file", "New file", does, facts, lines=all_of(writing.content, "plus"), notes=_empty(writing)
        )
    before = _text(present.content)
    if before is None:
        notes = ["What it holds now is no text, and is replaced."]
        return Seen("file", "Replace a file", does, facts, code=writing.content, notes=notes)
    found = difference(before, writing.content)
    return Seen("file", "Change a file", does, facts, lines=found.lines, notes=found.notes)


def _delete(deleting: Deleting, files: _Files) -> Seen:
    present = files.now(deleting.path)
    files.changed[deleting.path] = Present()
    content = None if present is None or present.content is None else _text(present.content)
    return Seen(
        "trash",
        "Delete a file",
        f"deletes the file {deleting.path}",
        facts=[("File", deleting.path)],
        lines=() if content is None else all_of(content, "minus"),
        notes=_of_deletion(present, content),
    )


def _of_deletion(present: Present | None, content: str | None) -> list[str]:
    if present is None or content:
        return []
    if present.problem is not None:
        return [f"What it holds cannot be shown: {present.problem}"]
    if present.content is None:
        return ["There is no such file now."]
    return ["The file is empty."] if content == "" else ["What it holds is no text."]


def _empty(writing: Writing) -> list[str]:
    return [] if writing.content else ["The file is empty."]


def _text(content: bytes) -> str | None:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return None


def _host(url: str) -> str:
    """Read as by what sends it: what stands before an @ is no host, and foreign letters become `xn--`."""
    try:
        return httpx2.URL(url).raw_host.decode() or url
    except (httpx2.InvalidURL, ValueError):
        return url


@dataclass(frozen=True)
class Form:
    arguments: type[Arguments]
    see: Callable[[Any, _Files], Seen]


FORMS: Final[Mapping[str, Form]] = {
    "send_email": Form(Email, _mail),
    "query_database": Form(Statement, _statement),
    "change_database": Form(Statement, _statement),
    "http_request": Form(Request, _request),
    "write_file": Form(Writing, _write),
    "delete_file": Form(Deleting, _delete),
}
VERBS: Final = {
    "read": "read",
    "send": "send something",
    "purchase": "buy something",
    "modify": "change something",
    "delete": "delete something",
}
