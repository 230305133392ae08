"""`mixus user`: accounts, on the server's own data."""

import sys
from typing import Annotated

import typer

from mixus.cli import local

app = typer.Typer(name="user", help="Accounts, on the server's own data.", no_args_is_help=True)


@app.command()
def create(
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="The person's address.")],
    admin: Annotated[bool, typer.Option("--admin", help="May do everything.")] = False,
) -> None:
    """Make an account; prints its id."""
    with local.data() as (_, database, _):
        from mixus.accounts import service
        from mixus.accounts.principal import Role
        from mixus.core.clock import utc_now
        from mixus.core.events import Actor

        role = Role.ADMIN if admin else Role.MEMBER
        with database.transaction() as tx:
            account = service.create(tx, email, role, utc_now(), Actor(None))
        print(account.id)
        print(f"Made the account {account.email} ({account.role}).", file=sys.stderr)


@app.command("list")
def list_() -> None:
    """All accounts, oldest first."""
    with local.data() as (_, database, _):
        from mixus.accounts import service

        with database.transaction() as tx:
            accounts = service.list_accounts(tx)
        for account in accounts:
            state = "active" if account.disabled_at is None else "disabled"
            print(f"{account.id}  {account.role:<6}  {state:<8}  {account.email}")
        if not accounts:
            print("There are no accounts yet; make one with `mixus user create EMAIL`.", file=sys.stderr)
