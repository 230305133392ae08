"""`mixus eval metrics` and `mixus eval export`."""

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest
from typer.testing import CliRunner, Result

from mixus.cli import eval as eval_commands
from mixus.cli import eval_metrics, terminal
from mixus.client import MetricsReport
from mixus.client.wire import build

if TYPE_CHECKING:
    from unit.conftest import Reply, ScriptedServer

KEY = "mxs_eval_0123456789ABCDEFGHIJKLMNOP4IJGKH"
METRICS = "/api/eval/metrics"
EXPORT = "/api/eval/export"
JSONL = {"Content-Type": "application/jsonl"}
CSV = {"Content-Type": "text/csv; charset=utf-8"}
BODY = (
    '{"executionId": "exe_1", "result": "ä\x9b31m"}\n{"complete": true, "count": 1, "code": null}\n'.encode()
)
TOTALS = {
    "executions": 1200,
    "byStatus": {"failed": 3},
    "finished": 12,
    "scored": 4,
    "passed": 3,
    "successRate": 0.75,
    "errorRate": 0.25,
    "durations": {"durationMs": {"sum": 9, "median": 1500, "p90": 60_000}},
    "cost": {"costUsd": 1.5, "costKnown": 2, "costUnknown": 7},
    "human": {"requested": 5},
}
GROUP = {"testMode": "with-verification", "model": "a:x\x1b[31m", "rehearsal": False}
REPORT = {
    "from": "2026-10-01T00:00:00.000Z",
    "to": "2026-11-01T00:00:00.000Z",
    "totals": TOTALS,
    "groups": [TOTALS | GROUP, {"executions": 0, "testMode": "without-verification", "model": "b:y"}],
}


class Run(Protocol):
    def __call__(self, *arguments: str, **environment: str) -> Result: ...


@pytest.fixture
def run(server: "ScriptedServer") -> Run:
    def invoke(*arguments: str, **environment: str) -> Result:
        env = {"MIXUS_URL": server.url, "MIXUS_API_KEY": KEY, "COLUMNS": "140", **environment}
        return CliRunner().invoke(eval_commands.app, list(arguments), env=env)

    return invoke


def test_metrics_are_a_table_with_a_line_for_each_group(
    run: Run, server: "ScriptedServer", reply: "type[Reply]"
) -> None:
    server.on("GET", METRICS, reply(body=REPORT))
    result = run("metrics", "--from", "2026-10-01T00:00:00Z", "--model", "a:x", "--include-rehearsal")
    assert result.exit_code == 0
    assert server.received[0].query == {
        "from": "2026-10-01T00:00:00.000Z",
        "model": "a:x",
        "includeRehearsal": "true",
    }
    assert "\x1b" not in result.stdout
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    figures = "1,200 75% (3 of 4) 25% (3 of 12) 1.5 s 1 min 5 $1.5 + 7 unknown"
    assert f"a:x with-verification {figures}" in lines
    assert "b:y without-verification 0 - - - - 0 -" in lines
    assert f"all {figures}" in lines


def test_metrics_as_json_are_what_the_server_said(
    run: Run, server: "ScriptedServer", reply: "type[Reply]"
) -> None:
    server.on("GET", METRICS, reply(body=REPORT))
    assert json.loads(run("metrics", "--json").stdout) == REPORT


def test_an_export_is_a_document_a_line_in_ascii(
    run: Run, server: "ScriptedServer", reply: "type[Reply]"
) -> None:
    server.on("GET", EXPORT, reply(body=BODY, headers=JSONL))
    result = run("export", "--status", "completed", "--test-mode", "with-verification", "-q", "a b")
    assert result.exit_code == 0
    assert result.stdout.isascii()
    assert [json.loads(line) for line in result.stdout.splitlines()] == [
        {"executionId": "exe_1", "result": "ä\x9b31m"}
    ]
    assert server.received[0].query == {
        "format": "jsonl",
        "status": "completed",
        "testMode": "with-verification",
        "q": "a b",
    }


def test_a_table_goes_into_a_file_as_it_is(
    run: Run, server: "ScriptedServer", reply: "type[Reply]", tmp_path: Path
) -> None:
    body = 'executionId,result\r\nexe_1,"a\r\nä"\r\n'.encode()
    server.on("GET", EXPORT, reply(body=body, headers=CSV))
    file = tmp_path / "all.csv"
    result = run("export", "--format", "csv", "--output", str(file), "--include-rehearsal")
    assert (result.exit_code, result.stdout) == (0, "")
    assert file.read_bytes() == body
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_an_export_that_breaks_off_leaves_no_file_and_the_one_that_was_there(
    run: Run, server: "ScriptedServer", reply: "type[Reply]", tmp_path: Path, form: str
) -> None:
    headers = JSONL if form == "jsonl" else CSV
    server.on("GET", EXPORT, reply(body=BODY[:50], headers=headers, is_cut=True))
    file = tmp_path / "all"
    file.write_text("before")
    result = run("export", "--format", form, "--output", str(file))
    assert result.exit_code == 5
    assert "broke off" in result.stderr
    assert file.read_text() == "before"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("command", ["metrics", "export"])
@pytest.mark.parametrize("time", ["yesterday", "2026-13-01", "2026-11-01T25:00:00Z"])
def test_a_time_that_is_none_is_wrong_usage(
    run: Run, server: "ScriptedServer", command: str, time: str
) -> None:
    assert run(command, "--from", time).exit_code == 2
    assert server.received == []


def test_a_table_on_a_terminal_cannot_command_it() -> None:
    pieces = ['a,"\x1b[2J ä'.encode()[:-1], 'ä"\r\n'.encode()[1:]]
    text = b"".join(eval_metrics.shown(pieces)).decode()
    assert "\x1b" not in text
    assert next(csv.reader([text]))[0] == "a"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("width", [140, 40])
def test_a_terminal_that_is_too_narrow_for_the_table_gets_a_block_for_each_group(
    width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    stream = Terminal()
    eval_metrics.print_report(build(MetricsReport, REPORT), stream)
    lines = terminal.plain(stream.getvalue()).splitlines()
    assert any("Median" in line and "Cost" in line for line in lines) == (width == 140)
    if width == 40:
        assert max(map(len, lines[1:])) <= width
        assert "  success  75% (3 of 4)" in lines
        assert "  cost     $1.5 + 7 unknown" in lines


def test_a_pipe_gets_a_whole_line_for_each_group_however_narrow_it_says_it_is(
    run: Run, server: "ScriptedServer", reply: "type[Reply]"
) -> None:
    server.on("GET", METRICS, reply(body=REPORT))
    result = run("metrics", COLUMNS="40")
    assert "a:x  with-verification" in " ".join(result.stdout.split("   "))
    assert "unknown" in next(line for line in result.stdout.splitlines() if line.startswith("a:x"))


def test_no_runs_at_all_say_that_rehearsal_is_left_out(
    run: Run, server: "ScriptedServer", reply: "type[Reply]"
) -> None:
    empty = REPORT | {"groups": [], "totals": {"executions": 0}, "includeRehearsal": False}
    server.on("GET", METRICS, reply(body=empty))
    assert "--include-rehearsal" in run("metrics").stdout
    server.on("GET", METRICS, reply(body=empty | {"includeRehearsal": True}))
    assert "--include-rehearsal" not in run("metrics").stdout


def test_rehearsal_costs_nothing_and_not_an_unknown_sum() -> None:
    free = {"executions": 1, "cost": {"costUsd": None, "costKnown": 0, "costUnknown": 1}}
    report = build(
        MetricsReport,
        REPORT | {"groups": [free | {"testMode": "m", "model": "rehearsal", "rehearsal": True}]},
    )
    assert eval_metrics.cost(report.groups[0]) == "none"


def test_a_file_in_a_folder_that_is_not_there_is_wrong_usage(
    run: Run, server: "ScriptedServer", tmp_path: Path
) -> None:
    result = run("export", "--output", str(tmp_path / "none" / "runs.csv"))
    assert result.exit_code == 2
    assert "is no folder" in " ".join(result.stderr.split())
    assert server.received == []
