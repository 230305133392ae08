"""`mixus audit`: who did what, when and from where, on the server's own data."""

import csv
import json
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from mixus.cli import local
from mixus.cli.terminal import as_json as one_line

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from mixus.core.audit import Filters
    from mixus.core.database import Row, Transaction

app = typer.Typer(
    name="audit", help="The audit, on the server's own data.", no_args_is_help=True, add_completion=False
)

MEMBERS: Final = (
    *("id", "at", "kind", "subjectId", "actorId", "actorEmail", "credentialId", "network"),
    "data",
)
# What a spreadsheet takes for the beginning of a formula.
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")

KindOption = Annotated[str | None, typer.Option(help="Only events of this kind, such as key.revoked.")]
SubjectOption = Annotated[str | None, typer.Option(metavar="ID", help="Only what happened to this.")]
ActorOption = Annotated[str | None, typer.Option(metavar="EMAIL", help="Only what this person did.")]
SinceOption = Annotated[
    str | None, typer.Option(metavar="YYYY-MM-DD", help="Only from this day on (00:00 UTC).")
]


@app.command("list")
def list_(
    kind: KindOption = None,
    subject: SubjectOption = None,
    actor: ActorOption = None,
    since: SinceOption = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array.")] = False,
) -> None:
    """The newest events first."""
    with local.data() as (_, database, _):
        from mixus.core import audit

        with database.snapshot() as tx:
            filters, emails = _filters(tx, kind, subject, actor, since), _emails(tx)
            events = [_json(row, emails) for row in audit.list_events(tx, filters, limit).items]
        if as_json:
            print(json.dumps(events, indent=2, ensure_ascii=False))
        else:
            _print_lines(events)


@app.command()
def export(
    form: Annotated[str, typer.Option("--format", metavar="jsonl|csv", help="One event a line.")] = "jsonl",
    kind: KindOption = None,
    subject: SubjectOption = None,
    actor: ActorOption = None,
    since: SinceOption = None,
) -> None:
    """Write all events to standard output, oldest first."""
    with local.data() as (_, database, _):
        from mixus.core import audit

        write = _writer(form)
        with database.snapshot() as tx:
            filters, emails = _filters(tx, kind, subject, actor, since), _emails(tx)
            write(_json(row, emails) for row in audit.all_events(tx, filters))


def _filters(
    tx: "Transaction", kind: str | None, subject: str | None, actor: str | None, since: str | None
) -> "Filters":
    from mixus.accounts import service
    from mixus.core.audit import Filters
    from mixus.core.errors import NotFound

    if actor is None:
        return Filters(kind, subject, None, _day(since))
    person = service.find_by_email(tx, actor)
    if person is None:
        raise NotFound("There is no account with this e-mail; `mixus user list` shows all.")
    return Filters(kind, subject, person.id, _day(since))


def _day(text: str | None) -> "datetime | None":
    from datetime import UTC, datetime

    from mixus.core.errors import Invalid

    if text is None:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as error:
        raise Invalid("Write --since as a day like 2026-01-31.", field="since") from error


def _emails(tx: "Transaction") -> dict[str, str]:
    from mixus.accounts import service

    return {account.id: account.email for account in service.list_accounts(tx)}


def _json(row: "Row", emails: Mapping[str, str]) -> dict[str, Any]:
    from mixus.core.clock import shown

    return {
        "id": row["id"],
        "at": shown(row["at"]),
        "kind": row["kind"],
        "subjectId": row["subject_id"],
        "actorId": row["actor_id"],
        "actorEmail": emails.get(row["actor_id"]),
        "credentialId": row["credential_id"],
        "network": row["network"],
        "data": row["data"],
    }


def _print_lines(events: list[dict[str, Any]]) -> None:
    for event in events:
        who = event["actorEmail"] or event["actorId"] or "-"
        place = event["network"] or "-"
        data = one_line(event["data"])
        print(f"{event['at']}  {event['kind']:<24}  {event['subjectId']:<26}  {who}  {place}  {data}")
    if not events:
        print("There are no such events.", file=sys.stderr)


def _writer(form: str) -> "Callable[[Iterable[dict[str, Any]]], None]":
    from mixus.core.errors import Invalid

    writers = {"jsonl": _write_lines, "csv": _write_csv}
    if form not in writers:
        raise Invalid("A format is jsonl or csv.", field="format")
    return writers[form]


def _write_lines(events: "Iterable[dict[str, Any]]") -> None:
    for event in events:
        print(one_line(event))


def _write_csv(events: "Iterable[dict[str, Any]]") -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(MEMBERS)
    for event in events:
        writer.writerow([_cell(event[member]) for member in MEMBERS])


def _cell(value: Any) -> str:
    """Text that a spreadsheet shows and does not calculate."""
    text = "" if value is None else value if isinstance(value, str) else one_line(value)
    return f"'{text}" if text.startswith(FORMULA) else text
