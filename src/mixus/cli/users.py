"""`mixus user`: accounts, on the server's own data."""

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mixus.cli import local

if TYPE_CHECKING:
    from mixus.accounts.principal import Role
    from mixus.accounts.service import Account
    from mixus.core.database import Transaction

app = typer.Typer(
    name="user", help="Accounts, on the server's own data.", no_args_is_help=True, add_completion=False
)

Email = Annotated[str, typer.Argument(metavar="EMAIL", help="The person's address.")]
PasswordOption = Annotated[
    bool, typer.Option("--password-stdin", help="Read a password from standard input, one line.")
]


@app.command()
def create(
    email: Email,
    admin: Annotated[bool, typer.Option("--admin", help="The same as --role admin.")] = False,
    role: Annotated[str | None, typer.Option(help="admin, member (default) or viewer.")] = None,
    password_stdin: PasswordOption = False,
) -> None:
    """Make an account; prints its id."""
    with local.data() as (_, database, _):
        from mixus.accounts import service
        from mixus.core.clock import utc_now
        from mixus.core.events import Actor

        wanted = _wanted_role(admin, role)
        password_hash = _hashed(sys.stdin.readline(), email) if password_stdin else None
        with database.transaction() as tx:
            account = service.create(tx, email, wanted, utc_now(), Actor(None), password_hash)
        print(account.id)
        print(f"Made the account {account.email} ({account.role}).", file=sys.stderr)
        if not account.has_password:
            print(f"To let its person sign in: mixus user link {account.email}", file=sys.stderr)


@app.command("list")
def list_(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array.")] = False,
) -> None:
    """All accounts, oldest first."""
    with local.data() as (_, database, _):
        from mixus.accounts import service

        with database.snapshot() as tx:
            accounts = service.list_accounts(tx)
        if as_json:
            print(json.dumps([_json(account) for account in accounts], indent=2, ensure_ascii=False))
        else:
            _print_lines(accounts)


@app.command()
def role(
    email: Email,
    new_role: Annotated[str, typer.Argument(metavar="ROLE", help="admin, member or viewer.")],
) -> None:
    """Give an account another role, in force at its next request."""
    with local.data() as (_, database, _):
        from mixus.accounts import changes
        from mixus.core.clock import utc_now
        from mixus.core.events import Actor

        wanted = _role(new_role)
        with database.transaction() as tx:
            account = _account(tx, email)
            changes.set_role(tx, account.id, wanted, Actor(None), utc_now())
        print(f"{account.email} is {wanted}.", file=sys.stderr)


@app.command()
def disable(email: Email) -> None:
    """End all sessions of an account and refuse it and its keys, until it is enabled."""
    with local.data() as (_, database, _):
        from mixus.accounts import changes
        from mixus.core.clock import utc_now
        from mixus.core.events import Actor

        with database.transaction() as tx:
            account = _account(tx, email)
            changes.disable(tx, account.id, Actor(None), utc_now())
        print(f"{account.email} is disabled.", file=sys.stderr)


@app.command()
def enable(email: Email) -> None:
    """Let a disabled account sign in again and use its keys."""
    with local.data() as (_, database, _):
        from mixus.accounts import changes
        from mixus.core.clock import utc_now
        from mixus.core.events import Actor

        with database.transaction() as tx:
            account = _account(tx, email)
            changes.enable(tx, account.id, Actor(None), utc_now())
        print(f"{account.email} is enabled.", file=sys.stderr)


@app.command()
def password(email: Email) -> None:
    """Set a password, read from standard input; ends all sessions of the account.

    Never from an argument: the shell would keep it in its history and show it to other users.
    """
    with local.data() as (_, database, _):
        from mixus.accounts import changes, service
        from mixus.core.clock import utc_now
        from mixus.core.events import Actor

        with database.snapshot() as tx:
            account = _account(tx, email)
        password_hash = _hashed(_typed(), account.email)
        with database.transaction() as tx:
            held = service.locked(tx, account.id)
            changes.set_password(tx, held, password_hash, Actor(None), utc_now())
        print(f"Set the password of {account.email}, and signed it out everywhere.", file=sys.stderr)


@app.command()
def link(email: Email) -> None:
    """Make a one-time link token that sets a password; prints the token alone, this once."""
    with local.data() as (settings, database, _):
        from mixus.accounts import links
        from mixus.core.clock import shown, utc_now
        from mixus.core.events import Actor

        with database.transaction() as tx:
            account = _account(tx, email)
            token, made = links.make_for_password(tx, account.id, Actor(None), utc_now())
        print(token)
        place = links.address(settings.public_url or "http://SERVER", "TOKEN")
        print(
            f"Whoever has it sets the password of {account.email}, once, until {shown(made.expires_at)}, "
            f"at {place}. It is shown only now.",
            file=sys.stderr,
        )


@app.command("sign-out")
def sign_out(email: Email) -> None:
    """End all sessions of an account."""
    with local.data() as (_, database, _):
        from mixus.accounts import sessions
        from mixus.core.clock import utc_now
        from mixus.core.events import Actor

        with database.transaction() as tx:
            account = _account(tx, email)
            count = sessions.sign_out_everywhere(tx, account.id, Actor(None), utc_now())
        print(f"Ended {count} session{'' if count == 1 else 's'} of {account.email}.", file=sys.stderr)


def _account(tx: "Transaction", email: str) -> "Account":
    from mixus.accounts import service
    from mixus.core.errors import NotFound

    account = service.find_by_email(tx, email)
    if account is None:
        raise NotFound("There is no account with this e-mail; `mixus user list` shows all.")
    return account


def _wanted_role(is_admin: bool, role: str | None) -> "Role":
    from mixus.core.errors import Invalid

    if is_admin and role not in {None, "admin"}:
        raise Invalid("Give --admin or another --role, not both.", field="role")
    return _role("admin" if is_admin else role or "member")


def _role(word: str) -> "Role":
    from mixus.accounts.principal import Role
    from mixus.core.errors import Invalid

    try:
        return Role(word)
    except ValueError as error:
        raise Invalid(f"A role is one of {', '.join(Role)}.", field="role") from error


def _typed() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline()
    from getpass import getpass

    from mixus.core.errors import Invalid

    first = getpass("New password: ")
    if getpass("Once more: ") != first:
        raise Invalid("The two are not the same; type them again.", field="password")
    return first


def _hashed(line: str, email: str) -> str:
    """Before any transaction, because it is slow on purpose."""
    from mixus.accounts import passwords, service

    checked = passwords.checked(line.rstrip("\r\n"), service.checked_email(email))
    return passwords.Passwords().hash(checked)


def _print_lines(accounts: "list[Account]") -> None:
    for account in accounts:
        state = "active" if account.disabled_at is None else "disabled"
        print(f"{account.id}  {account.role:<6}  {state:<8}  {account.email}")
    if not accounts:
        print("There are no accounts yet; make one with `mixus user create EMAIL`.", file=sys.stderr)


def _json(account: "Account") -> dict[str, Any]:
    from mixus.core.clock import shown

    return {
        "id": account.id,
        "email": account.email,
        "role": account.role,
        "hasPassword": account.has_password,
        "createdAt": shown(account.created_at),
        "disabledAt": account.disabled_at and shown(account.disabled_at),
    }
