"""`mixus keys`: personal API keys, on the server's own data."""

import json
import re
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mixus.cli import local

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from mixus.accounts.principal import Scope
    from mixus.accounts.service import Account
    from mixus.core.database import Transaction
    from mixus.keys.service import KeyInfo

app = typer.Typer(name="keys", help="API keys, on the server's own data.", no_args_is_help=True)


@app.command()
def create(
    user: Annotated[str, typer.Option(metavar="EMAIL", help="Whose key it is.")],
    name: Annotated[str, typer.Option(help="What it is for, up to 80 characters.")],
    scope: Annotated[list[str], typer.Option(help="eval:create, eval:read or eval:manage; may be repeated.")],
    description: Annotated[str, typer.Option(help="Up to 500 characters.")] = "",
    expires: Annotated[
        str,
        typer.Option(metavar="90d|YYYY-MM-DD", help="7d, 30d, 60d, 90d, 180d, 365d or a day (00:00 UTC)."),
    ] = "90d",
) -> None:
    """Make a key; prints it alone on standard output, this once."""
    with local.data() as (_, database, pepper):
        from mixus.core.clock import utc_now
        from mixus.core.events import Actor
        from mixus.keys import service

        with database.transaction() as tx:
            owner = _owner(tx, user)
            new = service.NewKey(owner.id, name, _scopes(scope), description, _expiry(expires))
            secret, key = service.create(tx, pepper, new, Actor(None), utc_now())
        print(secret)
        print(
            f"Made the key {key.id} of {key.owner_email}, valid until {_shown(key.expires_at)}. "
            "It is shown only now: keep it where secrets are kept.",
            file=sys.stderr,
        )


@app.command("list")
def list_(
    user: Annotated[str | None, typer.Option(metavar="EMAIL", help="Only the keys of this account.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array.")] = False,
) -> None:
    """All keys, oldest first, never the secret."""
    with local.data() as (_, database, _):
        from mixus.core.clock import utc_now
        from mixus.keys import service

        with database.transaction() as tx:
            keys = service.list_keys(tx, None if user is None else _owner(tx, user).id)
        now = utc_now()
        if as_json:
            print(json.dumps([_json(key, now) for key in keys], indent=2, ensure_ascii=False))
        else:
            _print_lines(keys, now)


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="The key's public id: key_…")],
    reason: Annotated[str | None, typer.Option(help="Kept with the key, up to 500 characters.")] = None,
) -> None:
    """End a key for ever, with the next request."""
    with local.data() as (_, database, _):
        from mixus.core.clock import utc_now
        from mixus.core.events import Actor
        from mixus.keys import service

        with database.transaction() as tx:
            key = service.revoke(tx, Actor(None), key_id, utc_now(), reason)
        print(f"Revoked the key {key.id} ({key.name}) of {key.owner_email}.", file=sys.stderr)


@app.command()
def check() -> None:
    """Say whether a key is whole and free of typing errors, offline; reads it from standard input.

    Never from an argument: the shell would keep it in its history and show it to other users.
    """
    from mixus.keys import tokens

    defect = tokens.check(_read_key())
    if defect is not None:
        local.fail(defect.detail)
    print("The key is whole and its checksum fits; only the server knows whether it is active.")


def _read_key() -> str:
    if sys.stdin.isatty():
        from getpass import getpass

        return getpass("Key: ")
    return sys.stdin.readline().rstrip("\r\n")


def _owner(tx: "Transaction", email: str) -> "Account":
    from mixus.accounts import service
    from mixus.core.errors import NotFound

    owner = service.find_by_email(tx, email)
    if owner is None:
        raise NotFound("There is no account with this e-mail; make it with `mixus user create EMAIL`.")
    return owner


def _scopes(words: "Sequence[str]") -> "list[Scope]":
    from mixus.accounts.principal import Scope
    from mixus.core.errors import Invalid

    try:
        return [Scope(word) for word in words]
    except ValueError as error:
        raise Invalid(f"A scope is one of {', '.join(Scope)}.", field="scopes") from error


def _expiry(text: str) -> "timedelta | datetime | None":
    from datetime import UTC, datetime, timedelta

    from mixus.core.errors import Invalid

    if text == "never":
        return None
    days = re.fullmatch(r"([0-9]{1,4})d", text)
    if days is not None:
        return timedelta(days=int(days[1]))
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as error:
        raise Invalid("Write --expires as 90d or as a day like 2027-01-31.", field="expires") from error


def _print_lines(keys: "list[KeyInfo]", now: "datetime") -> None:
    for key in keys:
        scopes = ",".join(key.scopes)
        print(
            f"{key.id}  {key.masked}  {key.state(now):<8}  {_shown(key.expires_at)}  {scopes}  "
            f"{key.owner_email}  {key.name}"
        )
    if not keys:
        print("There are no keys yet; make one with `mixus keys create`.", file=sys.stderr)


def _json(key: "KeyInfo", now: "datetime") -> dict[str, Any]:
    return {
        "id": key.id,
        "key": key.masked,
        "state": key.state(now),
        "owner": key.owner_email,
        "name": key.name,
        "description": key.description,
        "scopes": key.scopes,
        "createdAt": _shown(key.created_at),
        "expiresAt": _shown(key.expires_at),
        "revokedAt": _shown(key.revoked_at),
        "revokedBy": key.revoked_by,
        "revokeReason": key.revoke_reason,
    }


def _shown(moment: "datetime | None") -> str | None:
    from mixus.core.clock import shown

    return None if moment is None else shown(moment)
