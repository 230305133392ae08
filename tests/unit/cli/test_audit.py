"""`mixus audit` on the server's own data, on both stores."""

import csv
import io
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from factories import create_account
from typer.testing import CliRunner, Result

from mixus.cli import audit
from mixus.core.clock import shown
from mixus.core.database import Database
from mixus.core.events import Actor, record

Mixus = Callable[..., Result]


@pytest.fixture
def mixus(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mixus:
    (tmp_path / "data").mkdir()
    monkeypatch.setenv("MIXUS_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("MIXUS_DATABASE_URL", database_url)
    return lambda *arguments: CliRunner().invoke(audit.app, list(arguments))


@pytest.fixture
def ada_id(database: Database, now: datetime) -> str:
    """Of who did three things, a day apart, the last of them with a hostile text."""
    with database.transaction() as tx:
        ada = create_account(tx, "=ada@example.org")
        for day, kind in enumerate(("test.made", "test.changed", "test.lost")):
            actor = Actor(ada.id, "192.0.2.0/24", "ses_1")
            at = now + timedelta(days=day + 1)
            record(tx, kind, f"obj_{day}", actor, at, before=None, after={"name": "\u202e=cmd()\x1b[2J"})
    return ada.id


def lines(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_the_list_shows_the_newest_first(mixus: Mixus, ada_id: str, now: datetime) -> None:
    found = json.loads(mixus("list", "--json").stdout)
    kinds = [event["kind"] for event in found]
    assert kinds == ["test.lost", "test.changed", "test.made", "account.created"]
    assert found[0] == {
        "id": found[0]["id"],
        "at": shown(now + timedelta(days=3)),
        "kind": "test.lost",
        "subjectId": "obj_2",
        "actorId": ada_id,
        "actorEmail": "=ada@example.org",
        "credentialId": "ses_1",
        "network": "192.0.2.0/24",
        "data": {"before": None, "after": {"name": "\u202e=cmd()\x1b[2J"}},
    }
    shown_lines = mixus("list").stdout.splitlines()
    assert [line.split()[1] for line in shown_lines] == kinds
    assert "\x1b" not in mixus("list").stdout
    assert "\u202e" not in mixus("list").stdout


def test_the_list_is_filtered(mixus: Mixus, ada_id: str, now: datetime) -> None:
    def kinds(*options: str) -> list[str]:
        return [event["kind"] for event in json.loads(mixus("list", "--json", *options).stdout)]

    assert kinds("--kind", "test.made") == ["test.made"]
    assert kinds("--subject", "obj_1") == ["test.changed"]
    assert kinds("--actor", "=ADA@example.org", "--limit", "2") == ["test.lost", "test.changed"]
    day = f"{now + timedelta(days=2):%Y-%m-%d}"
    assert kinds("--since", day) == ["test.lost", "test.changed"]
    assert kinds("--kind", "test.nothing") == []
    assert "no such events" in mixus("list", "--kind", "test.nothing").stderr


def test_an_export_has_every_event_in_order_one_a_line(mixus: Mixus, ada_id: str) -> None:
    found = lines(mixus("export"))
    assert [event["kind"] for event in found] == [
        "account.created",
        "test.made",
        "test.changed",
        "test.lost",
    ]
    assert found[3]["data"]["after"] == {"name": "\u202e=cmd()\x1b[2J"}
    assert lines(mixus("export", "--format", "jsonl", "--kind", "test.made"))[0] == found[1]


def test_a_table_holds_the_same_and_no_formula(mixus: Mixus, ada_id: str) -> None:
    exported = mixus("export", "--format", "csv").stdout
    rows = list(csv.DictReader(io.StringIO(exported)))
    assert [row["kind"] for row in rows] == ["account.created", "test.made", "test.changed", "test.lost"]
    assert rows[1]["actorEmail"] == "'=ada@example.org"
    assert rows[0]["actorEmail"] == ""
    assert json.loads(rows[3]["data"])["after"] == {"name": "\u202e=cmd()\x1b[2J"}
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for row in rows for cell in row.values())


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@sum", "\t=1", "\r=1"])
def test_a_cell_that_could_be_a_formula_is_made_text(text: str) -> None:
    assert audit._cell(text) == f"'{text}"


@pytest.mark.parametrize(
    "arguments",
    [
        ["list", "--since", "yesterday"],
        ["list", "--limit", "0"],
        ["export", "--format", "xml"],
        ["export", "--since", "2026-13-01"],
        ["list", "--actor", "ada"],
    ],
)
def test_a_wrong_use_is_exit_2(mixus: Mixus, arguments: list[str]) -> None:
    refused = mixus(*arguments)
    assert (refused.exit_code, refused.stdout) == (2, "")


def test_an_unknown_person_is_named(mixus: Mixus) -> None:
    refused = mixus("list", "--actor", "nobody@example.org")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "no account with this e-mail" in refused.stderr
