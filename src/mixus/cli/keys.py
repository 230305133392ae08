"""`mixus keys`: personal API keys, on the server's own data."""

import sys
from typing import Annotated

import typer

from mixus.cli import local
from mixus.cli.key_output import (
    key_json,
    print_json,
    print_keys,
    print_receipt,
    print_secret,
    print_usage,
    said,
)
from mixus.cli.key_words import expiry_of, overlap_of, owner_of, scopes_of

KeyId = Annotated[str, typer.Argument(metavar="ID", help="The key's public id: key_…")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
NoLiveOption = Annotated[bool, typer.Option("--no-live", help="It may no longer start live executions.")]

app = typer.Typer(
    name="keys", help="API keys, on the server's own data.", no_args_is_help=True, add_completion=False
)


@app.command()
def create(
    user: Annotated[str, typer.Option(metavar="EMAIL", help="Whose key it is.")],
    name: Annotated[str, typer.Option(help="What it is for, up to 80 characters.")],
    scope: Annotated[list[str], typer.Option(help="eval:create, eval:read or eval:manage; may be repeated.")],
    description: Annotated[str, typer.Option(help="Up to 500 characters.")] = "",
    expires: Annotated[
        str,
        typer.Option(
            metavar="90d|YYYY-MM-DD|never",
            help="7d, 30d, 60d, 90d, 180d, 365d, a day (00:00 UTC), or never where the admin allows it.",
        ),
    ] = "90d",
    allow_live: Annotated[
        bool, typer.Option("--allow-live", help="May start executions with live effects.")
    ] = False,
) -> None:
    """Make a key; prints it alone on standard output, this once."""
    with local.data() as (settings, database, pepper):
        from mixus.core.clock import utc_now
        from mixus.core.events import Actor
        from mixus.keys import service

        rules = service.Rules(settings.keys_per_user, settings.endless_keys)
        with database.transaction() as tx:
            owner = owner_of(tx, user)
            new = service.NewKey(
                owner.id, name, scopes_of(scope), description, expiry_of(expires), allow_live
            )
            secret, key = service.create(tx, pepper, new, Actor(None), utc_now(), rules)
            print_secret(secret, key)


@app.command("list")
def list_(
    user: Annotated[str | None, typer.Option(metavar="EMAIL", help="Only the keys of this account.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array.")] = False,
) -> None:
    """All keys, oldest first, never the secret."""
    with local.data() as (_, database, _):
        from mixus.core.clock import utc_now
        from mixus.keys import info

        with database.snapshot() as tx:
            keys = info.list_keys(tx, None if user is None else owner_of(tx, user).id)
        now = utc_now()
        if as_json:
            print_json([key_json(key, now) for key in keys])
        else:
            print_keys(keys, now)


@app.command()
def revoke(
    key_id: KeyId,
    reason: Annotated[str | None, typer.Option(help="Kept with the key, up to 500 characters.")] = None,
    cancel_executions: Annotated[
        bool, typer.Option("--cancel-executions", help="Also cancel what it started and has not ended.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """End a key for ever, with the next request; prints a receipt."""
    with local.data() as (_, database, _):
        from mixus.core.clock import utc_now
        from mixus.core.events import Actor
        from mixus.server import receipt
        from mixus.server.api.key_documents import receipt_document

        wanted = receipt.Revocation(key_id, "an admin on the server", reason, cancel_executions)
        with database.transaction() as tx:
            given = receipt.revoke(tx, wanted, Actor(None), utc_now())
        if as_json:
            print_json(receipt_document(given, utc_now()))
        else:
            print_receipt(given)


@app.command()
def rotate(
    key_id: KeyId,
    overlap: Annotated[str, typer.Option(metavar="0|1h|24h|7d", help="For how long the old key works on.")],
    scope: Annotated[
        list[str] | None, typer.Option(help="Fewer than it has; may be repeated. Default: the same.")
    ] = None,
    expires: Annotated[
        str | None,
        typer.Option(metavar="90d|YYYY-MM-DD", help="Default: it lives as long as its predecessor."),
    ] = None,
    no_live: NoLiveOption = False,
) -> None:
    """Replace a key by a new one, which is printed alone on standard output, this once."""
    with local.data() as (settings, database, pepper):
        from mixus.core.clock import utc_now
        from mixus.core.events import Actor
        from mixus.keys import info, rotation, service

        rules = service.Rules(settings.keys_per_user, settings.endless_keys)
        wanted = rotation.Rotation(
            key_id,
            overlap_of(overlap),
            None if not scope else scopes_of(scope),
            allow_live=False if no_live else None,
            expires=None if expires is None else expiry_of(expires),
        )
        with database.transaction() as tx:
            secret, key = rotation.rotate(tx, pepper, wanted, Actor(None), utc_now(), rules)
            old = info.describe(tx, key_id)
            print_secret(secret, key)
        print(f"Its predecessor {old.id} works until {said(old.expires_at)}.", file=sys.stderr)


@app.command()
def edit(
    key_id: KeyId,
    name: Annotated[str | None, typer.Option(help="What it is for, up to 80 characters.")] = None,
    description: Annotated[str | None, typer.Option(help="Up to 500 characters.")] = None,
    scope: Annotated[
        list[str] | None, typer.Option(help="Fewer than it has: a key is never widened.")
    ] = None,
    no_live: NoLiveOption = False,
) -> None:
    """Rename, describe or narrow a key."""
    with local.data() as (_, database, _):
        from mixus.core.clock import utc_now
        from mixus.core.errors import Invalid
        from mixus.core.events import Actor
        from mixus.keys import service

        scopes = None if not scope else scopes_of(scope)
        wanted = service.KeyChange(name, description, scopes, allow_live=False if no_live else None)
        if wanted == service.KeyChange():
            raise Invalid(
                "Name what to change: --name, --description, --scope or --no-live.", field="options"
            )
        with database.transaction() as tx:
            key = service.change(tx, key_id, wanted, Actor(None), utc_now())
        print(f"Changed the key {key.id} ({key.name}): {','.join(key.scopes)}.", file=sys.stderr)


@app.command()
def disable(key_id: KeyId) -> None:
    """Refuse a key from its next request on, until it is enabled; it keeps its place."""
    _switch(key_id, "disable")


@app.command()
def enable(key_id: KeyId) -> None:
    """Accept a disabled key again."""
    _switch(key_id, "enable")


@app.command()
def usage(key_id: KeyId, as_json: JsonOption = False) -> None:
    """How a key was used: by day, by route and outcome, and which scopes nobody needed."""
    with local.data() as (_, database, _):
        from mixus.core.clock import utc_now
        from mixus.keys import info, report
        from mixus.server.api.key_documents import usage_document

        now = utc_now()
        with database.snapshot() as tx:
            key = info.describe(tx, key_id)
            document = usage_document(key, report.usage_of(tx, key, now), now)
            document["isBalanced"] = report.is_balanced(tx, key.id)
        if as_json:
            print_json(document)
        else:
            print_usage(document)


@app.command()
def check() -> None:
    """Say whether a key is whole and free of typing errors, offline; reads it from standard input.

    Never from an argument: the shell would keep it in its history and show it to other users.
    """
    from mixus.keys import tokens

    key = _read_key()
    if not key.strip():
        local.fail("There is no key on standard input; is MIXUS_API_KEY set and exported?")
    defect = tokens.check(key)
    if defect is not None:
        local.fail(defect.detail)
    print("The key is whole and its checksum fits; only the server knows whether it is active.")


def _switch(key_id: str, verb: str) -> None:
    with local.data() as (_, database, _):
        from mixus.core.clock import utc_now
        from mixus.core.events import Actor
        from mixus.keys import service

        with database.transaction() as tx:
            key = getattr(service, verb)(tx, key_id, Actor(None), utc_now())
        print(f"The key {key.id} ({key.name}) is {key.state(utc_now())}.", file=sys.stderr)


def _read_key() -> str:
    if sys.stdin.isatty():
        from getpass import getpass

        return getpass("Key: ")
    return sys.stdin.readline().rstrip("\r\n")
