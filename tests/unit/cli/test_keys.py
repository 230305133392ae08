"""`mixus user` and `mixus keys` on the server's own data, on both stores."""

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from factories import UNKNOWN_KEY
from typer.testing import CliRunner, Result

from mixus.accounts.principal import Role
from mixus.cli.key_output import print_receipt
from mixus.cli.keys import app as keys_app
from mixus.cli.users import app as users_app
from mixus.core.clock import utc_now
from mixus.core.database import Database
from mixus.core.errors import Unauthorized
from mixus.keys import info, pepper, tokens, usage
from mixus.keys.authenticate import authenticate
from mixus.keys.usage import Cell, Last
from mixus.server.receipt import Receipt

ADA = ("--user", "ada@example.org", "--name", "ci")

Mixus = Callable[..., Result]


@pytest.fixture
def mixus(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mixus:
    """Runs `mixus user …` or `mixus keys …` with a data folder and a database of its own."""
    (tmp_path / "data").mkdir()
    monkeypatch.setenv("MIXUS_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("MIXUS_DATABASE_URL", database_url)
    return run


def run(group: str, *arguments: str, stdin: str = "") -> Result:
    return CliRunner().invoke({"user": users_app, "keys": keys_app}[group], list(arguments), input=stdin)


def key_of(mixus: Mixus, *options: str) -> str:
    mixus("user", "create", "ada@example.org")
    return str(mixus("keys", "create", *ADA, "--scope", "eval:create", *options).stdout).removesuffix("\n")


def listed(mixus: Mixus) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(mixus("keys", "list", "--json").stdout)
    return found


def test_the_key_stands_alone_on_standard_output_and_works(
    mixus: Mixus, database: Database, tmp_path: Path
) -> None:
    mixus("user", "create", "Ada@example.org", "--admin")
    made = mixus("keys", "create", *ADA, "--scope", "eval:create", "--scope", "eval:read")
    assert made.exit_code == 0
    secret = made.stdout.removesuffix("\n")
    assert tokens.check(secret) is None
    assert secret not in made.stderr
    secret_pepper = pepper.load_or_create(tmp_path / "data" / "pepper")
    caller = authenticate(database, secret_pepper, [f"Bearer {secret}".encode()], None, utc_now())
    assert (caller.email, caller.role, len(caller.scopes)) == ("ada@example.org", Role.ADMIN, 2)


def test_a_list_shows_every_key_and_no_secret(mixus: Mixus) -> None:
    secret = key_of(mixus, "--description", "nightly")
    (key,) = listed(mixus)
    assert (key["name"], key["description"], key["owner"]) == ("ci", "nightly", "ada@example.org")
    assert (key["state"], key["scopes"], key["key"]) == ("active", ["eval:create"], tokens.mask(secret))
    lines = mixus("keys", "list", "--user", "ada@example.org").stdout
    assert str(key["id"]) in lines
    assert "active" in lines
    assert secret[9:35] not in lines


def test_a_revoked_key_stays_in_the_list_with_its_reason(
    mixus: Mixus, database: Database, tmp_path: Path
) -> None:
    secret = key_of(mixus)
    key_id = str(listed(mixus)[0]["id"])
    assert mixus("keys", "revoke", key_id, "--reason", "lost").exit_code == 0
    assert (listed(mixus)[0]["state"], listed(mixus)[0]["revokeReason"]) == ("revoked", "lost")
    secret_pepper = pepper.load_or_create(tmp_path / "data" / "pepper")
    with pytest.raises(Unauthorized):
        authenticate(database, secret_pepper, [f"Bearer {secret}".encode()], None, utc_now())
    again = mixus("keys", "revoke", key_id)
    assert (again.exit_code, again.stdout) == (1, "")
    assert "was revoked before" in again.stderr


def test_a_day_means_its_beginning_in_utc(mixus: Mixus) -> None:
    day = f"{datetime.max.replace(tzinfo=UTC):%Y}-01-31"
    key_of(mixus, "--expires", day)
    assert listed(mixus)[0]["expiresAt"] == f"{day}T00:00:00.000Z"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--scope", "eval:*"], "A scope is one of"),
        (["--scope", "EVAL:READ"], "A scope is one of"),
        (["--scope", "eval:read", "--expires", "8d"], "7, 30, 60, 90, 180, 365 days"),
        (["--scope", "eval:read", "--expires", "soon"], "Write --expires"),
        (["--scope", "eval:read", "--expires", "2020-01-31"], "in the past"),
        (["--scope", "eval:read", "--expires", "never"], "admin's permission"),
        (["--scope", "eval:read", "--name", ""], "needs a name"),
        ([], "Missing option"),
    ],
)
def test_a_wrong_use_is_one_sentence_and_exit_2(mixus: Mixus, options: list[str], sentence: str) -> None:
    mixus("user", "create", "ada@example.org")
    refused = mixus("keys", "create", *ADA, *options)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert sentence in refused.stderr
    assert listed(mixus) == []


def test_nobody_gets_a_key_without_an_account(mixus: Mixus) -> None:
    refused = mixus("keys", "create", *ADA, "--scope", "eval:read")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr.count("\n") == 1
    assert "mixus user create" in refused.stderr


def test_a_rotation_prints_the_successor_alone_and_says_until_when_both_work(mixus: Mixus) -> None:
    old = key_of(mixus)
    (key,) = listed(mixus)
    made = mixus("keys", "rotate", str(key["id"]), "--overlap", "24h")
    assert made.exit_code == 0
    secret = made.stdout.removesuffix("\n")
    assert tokens.check(secret) is None
    assert secret != old
    assert f"Its predecessor {key['id']} works until" in made.stderr
    assert [each["state"] for each in listed(mixus)] == ["replaced", "active"]
    assert listed(mixus)[0]["replacedBy"] == listed(mixus)[1]["id"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--overlap", "2h"], "0, 1h, 24h or 7d"),
        (["--overlap", "1h", "--scope", "eval:manage"], "never widens"),
        (["--overlap", "1h", "--expires", "soon"], "--expires"),
    ],
)
def test_a_wrong_rotation_is_one_sentence_and_changes_nothing(
    mixus: Mixus, options: list[str], sentence: str
) -> None:
    key_of(mixus)
    (key,) = listed(mixus)
    done = mixus("keys", "rotate", str(key["id"]), *options)
    assert (done.exit_code, done.stdout) == (2, "")
    assert sentence in done.stderr
    assert listed(mixus) == [key]


def test_a_key_is_renamed_narrowed_disabled_and_enabled(mixus: Mixus) -> None:
    key_of(mixus, "--scope", "eval:read", "--allow-live")
    key_id = str(listed(mixus)[0]["id"])
    assert listed(mixus)[0]["allowLive"] is True
    edited = mixus("keys", "edit", key_id, "--name", "nightly", "--scope", "eval:read")
    assert "nightly" in edited.stderr
    (key,) = listed(mixus)
    assert (key["name"], key["scopes"]) == ("nightly", ["eval:read"])
    assert mixus("keys", "edit", key_id, "--scope", "eval:manage").exit_code == 2
    assert mixus("keys", "edit", key_id).exit_code == 2
    mixus("keys", "edit", key_id, "--no-live")
    assert listed(mixus)[0]["allowLive"] is False
    assert "is disabled" in mixus("keys", "disable", key_id).stderr
    assert mixus("keys", "disable", key_id).exit_code == 1
    assert "is active" in mixus("keys", "enable", key_id).stderr


def test_revoking_prints_a_receipt(mixus: Mixus) -> None:
    key_of(mixus)
    key_id = str(listed(mixus)[0]["id"])
    done = mixus("keys", "revoke", key_id, "--reason", "leaked", "--json")
    receipt = json.loads(done.stdout)
    assert (receipt["state"], receipt["revokeReason"], receipt["executions"]) == ("revoked", "leaked", [])
    assert receipt["lastUsed"] is None


def test_what_others_wrote_cannot_act_on_the_terminal_of_a_receipt(
    mixus: Mixus, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    key_of(mixus)
    (key,) = listed(mixus)
    with database.transaction() as tx:
        shown = info.describe(tx, str(key["id"]))
    row = {"id": "exe_1", "status": "queued", "task_name": "t\x1b]0;pwn\x07\u202ered\nline2"}
    print_receipt(Receipt(shown, utc_now(), 0, [row], are_cancelled=False))
    said = capsys.readouterr().err
    assert "tred line2" in said
    assert not set(said) & set("\x1b\x07\u202e")


def test_a_key_that_cannot_be_shown_is_not_made(mixus: Mixus) -> None:
    key_of(mixus)
    (key,) = listed(mixus)
    create = ["create", *ADA, "--scope", "eval:read"]
    for arguments in (create, ["rotate", str(key["id"]), "--overlap", "1h"]):
        command = [sys.executable, "-m", "mixus.cli.main", "keys", *arguments]
        with Path("/dev/full").open("w") as full:
            done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
        assert done.returncode == 1
        assert "No key was made" in done.stderr
    assert listed(mixus) == [key]


def test_an_empty_input_is_no_wrong_key() -> None:
    checked = run("keys", "check", stdin="\n")
    assert checked.exit_code == 1
    assert "MIXUS_API_KEY" in checked.stderr


def test_the_use_of_a_key_is_shown(mixus: Mixus, database: Database) -> None:
    key_of(mixus)
    key_id = str(listed(mixus)[0]["id"])
    books = usage.Usage()
    books.note(Cell(key_id, 20_000, "GET /api/eval/executions", 200, "", "eval:read"), Last(0, None, "curl"))
    with database.transaction() as tx:
        usage.write(tx, books.writer_id, books.take(), utc_now())
    shown = mixus("keys", "usage", key_id).stdout
    assert "GET /api/eval/executions" in shown
    assert "2024-10-04" in shown
    document = json.loads(mixus("keys", "usage", key_id, "--json").stdout)
    assert (document["requests"], document["isBalanced"]) == (1, True)


def test_the_eleventh_active_key_is_refused_and_the_limit_can_be_set(
    mixus: Mixus, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(10):
        key_of(mixus)
    refused = mixus("keys", "create", *ADA, "--scope", "eval:read")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "10 active keys" in refused.stderr
    monkeypatch.setenv("MIXUS_KEYS_PER_USER", "11")
    monkeypatch.setenv("MIXUS_ENDLESS_KEYS", "true")
    endless = mixus("keys", "create", *ADA, "--scope", "eval:read", "--expires", "never")
    assert endless.exit_code == 0
    assert "without an end" in endless.stderr


def test_accounts_are_made_once_and_listed(mixus: Mixus) -> None:
    assert "no accounts yet" in mixus("user", "list").stderr
    assert mixus("user", "create", "ada@example.org").stdout.startswith("usr_")
    assert mixus("user", "create", "ADA@example.org").exit_code == 1
    assert mixus("user", "create", "ada").exit_code == 2
    mixus("user", "create", "bob@example.org", "--admin")
    lines = mixus("user", "list").stdout.splitlines()
    assert [line.split()[1:] for line in lines] == [
        ["member", "active", "ada@example.org"],
        ["admin", "active", "bob@example.org"],
    ]


def test_another_pepper_is_refused(mixus: Mixus, tmp_path: Path) -> None:
    key_of(mixus)
    (tmp_path / "data" / "pepper").unlink()
    refused = mixus("keys", "list")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "MIXUS_PEPPER_FILE" in refused.stderr


def test_a_missing_data_folder_is_named_and_not_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MIXUS_DATABASE_URL", raising=False)
    monkeypatch.setenv("MIXUS_DATA", str(tmp_path / "absent"))
    refused = run("user", "list")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert str(tmp_path / "absent") in refused.stderr
    assert not (tmp_path / "absent").exists()


def test_an_empty_data_folder_gets_its_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MIXUS_DATABASE_URL", raising=False)
    monkeypatch.setenv("MIXUS_DATA", str(tmp_path))
    assert run("user", "create", "ada@example.org").exit_code == 0
    assert (tmp_path / "mixus.db").exists()


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_a_whole_key_is_found_fine(ending: str) -> None:
    checked = run("keys", "check", stdin=UNKNOWN_KEY + ending)
    assert (checked.exit_code, checked.stderr) == (0, "")
    assert UNKNOWN_KEY not in checked.stdout


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "no key on standard input"),
        (UNKNOWN_KEY[:-1], "40 of 41 characters"),
        (UNKNOWN_KEY[:-1] + "0", "checksum"),
        (UNKNOWN_KEY + " ", "a space"),
        (min(tokens.PUBLISHED), "example from the documentation"),
    ],
)
def test_a_broken_key_is_explained_and_not_repeated(text: str, sentence: str) -> None:
    checked = run("keys", "check", stdin=text)
    assert (checked.exit_code, checked.stdout) == (1, "")
    assert sentence in checked.stderr
    assert not text or text not in checked.stderr


def test_a_key_is_never_taken_as_an_argument_and_not_repeated() -> None:
    assert run("keys", "check", UNKNOWN_KEY).exit_code == 2
    for arguments in (["keys", "check", UNKNOWN_KEY], ["keys", "revoke", UNKNOWN_KEY], [UNKNOWN_KEY[:30]]):
        command = [sys.executable, "-m", "mixus.cli.main", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (2, "")
        assert "rotate that key" in done.stderr
        assert "mxs_eval_" not in done.stderr


def test_checking_needs_no_server_installed() -> None:
    program = (
        "import sys\n"
        "sys.modules.update(dict.fromkeys(('sqlalchemy', 'dbos', 'orjson')))\n"
        "from mixus.cli.keys import app\n"
        "app(['check'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], input=UNKNOWN_KEY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
