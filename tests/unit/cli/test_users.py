"""`mixus user` on the server's own data, on both stores."""

import getpass
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from mixus.accounts import links, redeem, service, sessions, sign_in
from mixus.accounts.passwords import Passwords
from mixus.accounts.principal import Role
from mixus.accounts.sign_in import Origin
from mixus.cli import users
from mixus.core.clock import utc_now
from mixus.core.database import Database
from mixus.core.errors import Invalid
from mixus.core.events import events

ADA, PASSWORD = "ada@example.org", "a long walk by the sea"
Mixus = Callable[..., Result]


@pytest.fixture
def mixus(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mixus:
    (tmp_path / "data").mkdir()
    monkeypatch.setenv("MIXUS_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("MIXUS_DATABASE_URL", database_url)
    return lambda *arguments, stdin="": CliRunner().invoke(users.app, list(arguments), input=stdin)


def listed(mixus: Mixus) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(mixus("list", "--json").stdout)
    return found


def fits(database: Database, password: str, email: str = ADA) -> bool:
    return sign_in.check(database, Passwords(), email, password).refusal is None


def sign_in_token(database: Database) -> str:
    with database.transaction() as tx:
        account = service.find_by_email(tx, ADA)
        assert account is not None
        return sessions.open_session(tx, account.id, None, None, utc_now())[0]


def is_open(database: Database, token: str) -> bool:
    try:
        sessions.authenticate(database, token, None, utc_now())
    except sessions.SessionExpired:
        return False
    return True


@pytest.mark.parametrize(
    ("options", "role"),
    [
        ([], "member"),
        (["--admin"], "admin"),
        (["--role", "admin"], "admin"),
        (["--role", "viewer"], "viewer"),
        (["--admin", "--role", "admin"], "admin"),
    ],
)
def test_an_account_is_made_in_a_role(mixus: Mixus, options: list[str], role: str) -> None:
    made = mixus("create", ADA, *options)
    assert (made.exit_code, made.stdout.count("\n")) == (0, 1)
    (account,) = listed(mixus)
    assert account["id"] == made.stdout.strip()
    assert (account["email"], account["role"], account["hasPassword"], account["disabledAt"]) == (
        ADA,
        role,
        False,
        None,
    )
    assert f"mixus user link {ADA}" in made.stderr


def test_an_account_is_made_with_a_password(mixus: Mixus, database: Database) -> None:
    made = mixus("create", ADA, "--password-stdin", stdin=f"{PASSWORD}\n")
    assert made.exit_code == 0
    assert "mixus user link" not in made.stderr
    assert PASSWORD not in made.output
    assert fits(database, PASSWORD)


@pytest.mark.parametrize(
    ("arguments", "stdin"),
    [
        (["create", ADA, "--admin", "--role", "viewer"], ""),
        (["create", ADA, "--role", "owner"], ""),
        (["create", "ada"], ""),
        (["create", ADA, "--password-stdin"], "short\n"),
        (["create", ADA, "--password-stdin"], ""),
        (["create", ADA, "--password-stdin"], "ADA@example.org\n"),
        (["create"], ""),
    ],
)
def test_a_wrong_use_makes_nothing_and_is_exit_2(mixus: Mixus, arguments: list[str], stdin: str) -> None:
    refused = mixus(*arguments, stdin=stdin)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert listed(mixus) == []


def test_a_role_is_changed(mixus: Mixus) -> None:
    mixus("create", ADA)
    assert mixus("role", "ADA@example.org", "admin").exit_code == 0
    assert listed(mixus)[0]["role"] == "admin"
    assert mixus("role", ADA, "owner").exit_code == 2


@pytest.mark.parametrize("arguments", [("role", ADA, "member"), ("disable", ADA)])
def test_the_last_admin_stays(mixus: Mixus, arguments: tuple[str, ...]) -> None:
    mixus("create", ADA, "--admin")
    refused = mixus(*arguments)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "only enabled admin" in refused.stderr
    assert (listed(mixus)[0]["role"], listed(mixus)[0]["disabledAt"]) == ("admin", None)


def test_an_account_is_disabled_and_enabled(mixus: Mixus, database: Database) -> None:
    mixus("create", ADA)
    token = sign_in_token(database)
    assert mixus("disable", ADA).exit_code == 0
    assert "disabled" in mixus("list").stdout
    assert not is_open(database, token)
    assert mixus("enable", ADA).exit_code == 0
    assert listed(mixus)[0]["disabledAt"] is None
    assert not is_open(database, token)


def test_a_password_is_set_from_standard_input(mixus: Mixus, database: Database) -> None:
    mixus("create", ADA)
    token = sign_in_token(database)
    done = mixus("password", ADA, stdin=f"{PASSWORD}\r\n")
    assert (done.exit_code, done.stdout) == (0, "")
    assert PASSWORD not in done.stderr
    assert fits(database, PASSWORD)
    assert not is_open(database, token)
    assert mixus("password", ADA, stdin="short\n").exit_code == 2
    assert fits(database, PASSWORD)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_password_is_asked_for_twice_at_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", Terminal())
    typed = iter([PASSWORD, PASSWORD, PASSWORD, "a slip"])
    monkeypatch.setattr(getpass, "getpass", lambda _prompt: next(typed))
    assert users._typed() == PASSWORD
    with pytest.raises(Invalid):
        users._typed()


def test_a_link_is_printed_alone_and_sets_a_password_once(mixus: Mixus, database: Database) -> None:
    mixus("create", ADA)
    made = mixus("link", ADA)
    token = made.stdout.removesuffix("\n")
    assert (made.exit_code, len(token)) == (0, 43)
    assert token not in made.stderr
    link = links.find(database, token, utc_now())
    with database.transaction() as tx:
        address = redeem.address_of(link, None)
        signed_in = redeem.redeem(
            tx, link, address, Passwords().hash(PASSWORD), Origin(None, None), utc_now()
        )
    assert signed_in.account.email == ADA
    assert fits(database, PASSWORD)


def test_a_disabled_account_gets_no_link(mixus: Mixus) -> None:
    mixus("create", ADA)
    mixus("disable", ADA)
    refused = mixus("link", ADA)
    assert (refused.exit_code, refused.stdout) == (1, "")


def test_an_account_is_signed_out_everywhere(mixus: Mixus, database: Database) -> None:
    mixus("create", ADA)
    tokens = [sign_in_token(database) for _ in range(2)]
    done = mixus("sign-out", ADA)
    assert "Ended 2 sessions" in done.stderr
    assert not any(is_open(database, token) for token in tokens)
    assert "Ended 0 sessions" in mixus("sign-out", ADA).stderr


@pytest.mark.parametrize("command", ["disable", "enable", "link", "sign-out", "password", "role"])
def test_nobody_is_changed_under_an_unknown_address(mixus: Mixus, command: str) -> None:
    refused = mixus(command, "nobody@example.org", *(["viewer"] if command == "role" else []), stdin=PASSWORD)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "no account with this e-mail" in refused.stderr


def test_a_command_is_in_the_audit_without_an_actor(mixus: Mixus, database: Database) -> None:
    mixus("create", ADA)
    mixus("role", ADA, "viewer")
    with database.snapshot() as tx:
        found = tx.execute(events.select().order_by(events.c.at)).all()
    assert {event.kind for event in found} == {"account.created", "account.role-changed"}
    assert {(event.actor_id, event.network, event.credential_id) for event in found} == {(None, None, None)}


def test_a_member_may_be_disabled_beside_one_admin(mixus: Mixus, database: Database) -> None:
    mixus("create", ADA)
    mixus("create", "admin@example.org", "--admin")
    assert mixus("disable", ADA).exit_code == 0
    with database.snapshot() as tx:
        assert [account.role for account in service.list_accounts(tx)] == [Role.MEMBER, Role.ADMIN]
