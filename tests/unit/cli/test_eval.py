import json
import re
import threading
import time
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest
from typer.testing import CliRunner, Result

from mixus.cli import eval as eval_commands
from mixus.cli import eval_waiting, terminal
from mixus.cli.eval_entries import told

if TYPE_CHECKING:
    from unit.conftest import Reply, ScriptedServer

KEY = "mxs_eval_0123456789ABCDEFGHIJKLMNOP4IJGKH"
CREATE = "/api/eval/create-task-agent"
STATUS = "/api/eval/status/exe_1"
DECISION = "/api/eval/executions/exe_1/checkpoints/chk_1/decision"
CREATED = {
    "executionId": "exe_1",
    "status": "queued",
    "model": "rehearsal",
    "rehearsal": True,
    "reviewUrl": "https://mixus.example.org/review/exe_1",
    "warnings": ["reviewer-unreachable"],
}
CHECKPOINT = {
    "checkpointId": "chk_1",
    "stage": "calculation",
    "status": "awaiting",
    "attempt": 3,
    "verificationQuestion": "Is the result $7,500?",
    "proposedActions": [
        {"actionId": "act_1", "tool": "post", "effect": "send", "arguments": {"to": "ann", "tries": [1, 2]}}
    ],
}


class Run(Protocol):
    def __call__(self, *arguments: str, text: str | None = None, **environment: str | None) -> Result: ...


@pytest.fixture
def run(server: "ScriptedServer") -> Run:
    def invoke(*arguments: str, text: str | None = None, **environment: str | None) -> Result:
        env = {"MIXUS_URL": server.url, "MIXUS_API_KEY": KEY, "CI": None, "COLUMNS": "80", **environment}
        result = CliRunner().invoke(eval_commands.app, list(arguments), input=text, env=env)
        assert result.exception is None or isinstance(result.exception, SystemExit)
        assert "Traceback" not in result.output
        assert KEY not in result.output
        return result

    return invoke


@pytest.fixture(autouse=True)
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A zone of half hours: a time that is not local cannot pass for one that is."""
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def column(result: Result, label: str) -> list[str]:
    """What stands beside a label."""
    lines = result.stdout.splitlines()
    start = next(index for index, line in enumerate(lines) if line.split()[:1] == [label])
    indent = " " * (len(lines[start]) - len(lines[start].strip().removeprefix(label).lstrip()))
    rest = takewhile(lambda line: not line or line.startswith(indent), lines[start + 1 :])
    shown = [line[len(indent) :] for line in (lines[start], *rest)]
    return shown if shown[-1] else shown[:-1]


def status(name: str, version: int = 1, **members: Any) -> dict[str, Any]:
    return {"executionId": "exe_1", "taskName": "Commission", "status": name, "version": version} | members


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (status("completed"), 0),
        (status("completed", score={"passed": True}), 0),
        (status("completed", score={"passed": False}), 1),
        (status("completed", score={"passed": None}), 0),
        (status("failed", error={"code": "step-limit", "message": "Too many."}), 1),
        (status("rejected"), 1),
        (status("cancelled"), 1),
        (status("expired"), 1),
        (status("awaiting-verification", checkpoints=[CHECKPOINT]), 3),
        (status("queued"), 4),
        (status("running"), 4),
    ],
)
def test_the_exit_code_of_status_says_where_the_execution_is(
    run: Run, server: "ScriptedServer", reply: "type[Reply]", answer: dict[str, Any], code: int
) -> None:
    server.on("GET", STATUS, reply(body=answer))
    result = run("status", "exe_1")
    assert result.exit_code == code
    assert answer["status"] in result.stdout
    as_json = run("status", "exe_1", "--json")
    assert as_json.exit_code == code
    assert json.loads(as_json.stdout) == answer


def test_create_sends_what_the_options_say(
    run: Run, server: "ScriptedServer", reply: "type[Reply]", tmp_path: Path
) -> None:
    script = tmp_path / "script.json"
    script.write_text('[{"final": "7500"}]')
    server.on("POST", CREATE, reply(201, CREATED))
    result = run(
        *("create", "Pay 15 % of $50,000", "--name", "Commission", "--no-auto", "--review-result"),
        *("--checkpoint", "calculation: Check the sum | Is it $7,500?", "-c", "mail: Before it is sent"),
        *("--test-mode", "with-verification", "--reviewer", "ann@example.org", "--script", str(script)),
        *("--environment", "sandbox", "--tool", "calculate", "--max-steps", "5", "--max-cost-usd", "0.5"),
        *(
            "--max-tokens",
            "900",
            "--timeout-ms",
            "1000",
            "--metadata",
            "build=7=8",
            "--idempotency-key",
            "build-7",
        ),
        *("--review-timeout-ms", "60000", "--escalate-to", "eve@example.org"),
        *("--on-review-timeout", "reject"),
    )
    assert result.exit_code == 4
    assert "exe_1 (rehearsal)" in result.stdout
    assert "reviewer-unreachable" in result.stdout
    assert server.received[0].headers["idempotency-key"] == "build-7"
    assert server.received[0].body == {
        "taskDescription": "Pay 15 % of $50,000",
        "taskName": "Commission",
        "checkpoints": [
            {"stage": "calculation", "description": "Check the sum", "verificationQuestion": "Is it $7,500?"},
            {"stage": "mail", "description": "Before it is sent"},
        ],
        "autoDetectCheckpoints": False,
        "testMode": "with-verification",
        "assignedReviewer": "ann@example.org",
        "model": "script",
        "script": [{"final": "7500"}],
        "reviewResult": True,
        "environment": "sandbox",
        "tools": ["calculate"],
        "maxSteps": 5,
        "maxCostUsd": 0.5,
        "maxTokens": 900,
        "timeoutMs": 1000,
        "reviewTimeoutMs": 60_000,
        "escalateTo": "eve@example.org",
        "onReviewTimeout": "reject",
        "metadata": {"build": "7=8"},
    }


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--expect", "contains=a=b"], {"type": "contains", "value": "a=b"}),
        (["--expect", "number=7500.5"], {"type": "number", "value": 7500.5}),
        (
            ["--expect", "number=7500", "--tolerance", "0.5"],
            {"type": "number", "value": 7500, "tolerance": 0.5},
        ),
        (["--expect", 'json={"a": 1}'], {"type": "json", "value": {"a": 1}}),
        (["--expect", "judge=It is polite."], {"type": "judge", "value": "It is polite."}),
    ],
)
def test_create_sends_what_is_expected(
    run: Run, server: "ScriptedServer", reply: "type[Reply]", options: list[str], expected: dict[str, Any]
) -> None:
    server.on("POST", CREATE, reply(201, CREATED))
    assert run("create", "Add it", *options).exit_code == 4
    assert server.received[0].body == {"taskDescription": "Add it", "expectedOutcome": expected}


@pytest.mark.parametrize(
    "options",
    [
        ["--expect", "7500"],
        ["--expect", "contains="],
        ["--expect", "sum=7500"],
        ["--expect", "number=seven"],
        ["--expect", "json={"],
        ["--tolerance", "1"],
        ["--expect", "number=1", "--tolerance", "-1"],
    ],
)
def test_an_expectation_that_cannot_be_read_is_wrong_usage(
    run: Run, server: "ScriptedServer", options: list[str]
) -> None:
    assert run("create", "Add it", *options).exit_code == 2
    assert server.received == []


@pytest.mark.parametrize(
    ("passed", "shown"), [(True, "passed: Right."), (False, "not passed: Right."), (None, "unscored: Right.")]
)
def test_the_status_shows_the_score(
    run: Run, server: "ScriptedServer", reply: "type[Reply]", passed: object, shown: str
) -> None:
    answer = status("completed", score={"type": "number", "passed": passed, "detail": "Right."})
    server.on("GET", STATUS, reply(body=answer))
    assert column(run("status", "exe_1"), "score") == [shown]


def test_a_description_comes_from_stdin_and_options_win_over_a_file(
    run: Run, server: "ScriptedServer", reply: "type[Reply]", tmp_path: Path
) -> None:
    request = tmp_path / "request.json"
    request.write_text('{"taskDescription": "From the file", "maxSteps": 3, "newField": 1}')
    server.on("POST", CREATE, reply(201, CREATED))
    run("create", "--file", str(request), "--max-steps", "9")
    run("create", "-", text="From stdin\n")
    assert [received.body for received in server.received] == [
        {"taskDescription": "From the file", "maxSteps": 9, "newField": 1},
        {"taskDescription": "From stdin"},
    ]


def test_create_can_wait_for_the_pause(run: Run, server: "ScriptedServer", reply: "type[Reply]") -> None:
    waiting = status("awaiting-verification", 2, checkpoints=[CHECKPOINT])
    server.on("POST", CREATE, reply(201, CREATED))
    server.on("GET", STATUS, reply(body=status("queued")), reply(body=waiting))
    result = run("create", "Say hello", "--wait", "--json")
    assert result.exit_code == 3
    assert json.loads(result.stdout) == waiting
    assert "Created exe_1" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("create",),
        ("create", "-"),
        ("create", "x", "--checkpoint", "no colon"),
        ("create", "x", "--metadata", "novalue"),
        ("create", "x", "--test-mode", "sometimes"),
        ("create", "x", "--max-steps", "0"),
        ("create", "--file", "/nonexistent"),
        ("decide", "exe_1"),
        ("decide", "exe_1", "--approve", "--reject"),
        ("list", "--limit", "0"),
        ("status",),
        ("unknown",),
    ],
)
def test_wrong_usage_is_exit_code_2_and_sends_nothing(
    run: Run, server: "ScriptedServer", arguments: tuple[str, ...]
) -> None:
    assert run(*arguments, text="").exit_code == 2
    assert server.received == []


@pytest.mark.parametrize("content", ["not json", "[]"])
def test_a_file_that_holds_no_request_is_wrong_usage(run: Run, tmp_path: Path, content: str) -> None:
    file = tmp_path / "request.json"
    file.write_text(content)
    assert run("create", "--file", str(file)).exit_code == 2


def test_with_ci_set_the_model_must_be_named(
    run: Run, server: "ScriptedServer", reply: "type[Reply]"
) -> None:
    server.on("POST", CREATE, reply(201, CREATED))
    refused = run("create", "Say hello", CI="true")
    assert refused.exit_code == 2
    sentence = "With CI set, name the model: --model rehearsal or --model provider:name."
    assert sentence in " ".join(refused.stderr.replace("│", " ").split())
    assert server.received == []
    assert run("create", "Say hello", "--model", "rehearsal", CI="true").exit_code == 4
    assert server.received[0].body["model"] == "rehearsal"


def test_what_the_server_refuses_is_one_sentence_with_code_and_request(
    run: Run, server: "ScriptedServer", reply: "type[Reply]"
) -> None:
    errors = [{"field": "maxSteps", "message": "at most 500"}]
    problem = {"code": "invalid", "detail": "A field is not valid.", "errors": errors}
    server.on("POST", CREATE, reply(422, problem, {"X-Request-Id": "req_1"}))
    result = run("create", "Say hello")
    assert result.exit_code == 5
    assert result.stdout == ""
    assert result.stderr == "Error: A field is not valid. (invalid, request req_1)\n  maxSteps: at most 500\n"


@pytest.mark.parametrize("command", ["status", "cancel", "watch"])
def test_what_is_not_there_is_exit_code_5(run: Run, command: str) -> None:
    result = run(command, "exe_9")
    assert result.exit_code == 5
    assert "(not-found)" in result.stderr


def test_a_missing_key_or_an_insecure_address_is_exit_code_5(run: Run) -> None:
    assert "(key-missing)" in run("list", MIXUS_API_KEY="").stderr
    assert "(insecure-url)" in run("list", MIXUS_URL="http://example.org").stderr
    assert run("list", MIXUS_API_KEY="").exit_code == 5


def test_decide_shows_what_it_decides_and_uses_the_attempt_that_it_read(
    run: Run, server: "ScriptedServer", reply: "type[Reply]"
) -> None:
    done = CHECKPOINT | {"checkpointId": "chk_0", "status": "approved"}
    server.on("GET", STATUS, reply(body=status("awaiting-verification", checkpoints=[done, CHECKPOINT])))
    server.on("POST", DECISION, reply(body=CHECKPOINT | {"status": "approved"}))
    result = run("decide", "exe_1", "--approve", "--comment", "Fine")
    assert result.exit_code == 0
    assert "Is the result $7,500?" in result.stdout
    assert column(result, "proposed") == ["post (send)", 'to:    "ann"', "tries: [1, 2]"]
    assert "Recorded: approve, attempt 3." in result.stdout
    assert server.received[-1].body == {"attempt": 3, "action": "approve", "comment": "Fine"}
    as_json = run("decide", "exe_1", "--hint", "Round it", "--json")
    assert json.loads(as_json.stdout)["checkpointId"] == "chk_1"
    assert server.received[-1].body == {"attempt": 3, "action": "hint", "hint": "Round it"}


def test_an_edit_is_sent_with_the_approval(run: Run, server: "ScriptedServer", reply: "type[Reply]") -> None:
    server.on("GET", STATUS, reply(body=status("awaiting-verification", checkpoints=[CHECKPOINT])))
    server.on("POST", DECISION, reply(body=CHECKPOINT | {"status": "approved"}))
    assert run("decide", "exe_1", "--approve", "--edit", 'act_1={"to": "bob"}').exit_code == 0
    edited = [{"actionId": "act_1", "arguments": {"to": "bob"}}]
    assert server.received[-1].body == {"attempt": 3, "action": "approve", "editedActions": edited}


def test_an_edit_without_a_name_is_of_the_only_action(
    run: Run, server: "ScriptedServer", reply: "type[Reply]"
) -> None:
    server.on("GET", STATUS, reply(body=status("awaiting-verification", checkpoints=[CHECKPOINT])))
    server.on("POST", DECISION, reply(body=CHECKPOINT | {"status": "approved"}))
    assert run("decide", "exe_1", "--approve", "--edit", '{"to": "a=b"}').exit_code == 0
    edited = [{"actionId": "act_1", "arguments": {"to": "a=b"}}]
    assert server.received[-1].body == {"attempt": 3, "action": "approve", "editedActions": edited}


@pytest.mark.parametrize("width", ["40", "80", "120"])
def test_the_end_of_a_long_word_is_never_cut_off_where_somebody_approves_it(
    run: Run, server: "ScriptedServer", reply: "type[Reply]", width: str
) -> None:
    long = "a" * 200 + "END"
    post = {"actionId": "act_1", "tool": "post", "effect": "send", "arguments": {"url": long}}
    mail = {
        "actionId": "act_2",
        "tool": "send_email",
        "effect": "send",
        "arguments": {"to": [long], "subject": long, "body": long},
    }
    asked = CHECKPOINT | {"verificationQuestion": long, "work": long, "proposedActions": [post, mail]}
    server.on("GET", STATUS, reply(body=status("awaiting-verification", result=long, checkpoints=[asked])))
    shown = run("status", "exe_1", COLUMNS=width).stdout
    assert "…" not in shown
    # As often as it was said, without the line breaks and columns that it goes over.
    assert re.sub(r"\s", "", shown).count(long) == 7


def test_of_several_actions_each_has_its_name_and_an_edit_must_say_it(
    run: Run, server: "ScriptedServer", reply: "type[Reply]"
) -> None:
    second = {"actionId": "act_2", "tool": "post", "effect": "send", "arguments": {}}
    first = {"actionId": "act_1", "tool": "post", "effect": "send", "arguments": {}}
    both = CHECKPOINT | {"proposedActions": [first, second]}
    server.on("GET", STATUS, reply(body=status("awaiting-verification", checkpoints=[both])))
    result = run("decide", "exe_1", "--approve", "--edit", '{"to": "bob"}')
    assert result.exit_code == 2
    assert "post (send)  act_1" in result.stdout
    assert "post (send)  act_2" in result.stdout
    assert [request.method for request in server.received] == ["GET"]


@pytest.mark.parametrize(
    "options",
    [
        ["--reject", "--edit", '{"to": "bob"}'],
        ["--approve", "--edit", '{"a": 1}', "--edit", '{"a": 2}'],
        ["--approve", "--edit", 'act_1={"a": 1}', "--edit", 'act_1={"a": 2}'],
        ["--approve", "--edit", 'act_1={"a": 1}', "--edit", '{"a": 2}'],
        ["--approve", "--edit", '{"a": NaN}'],
    ],
)
def test_edits_that_cannot_be_meant_are_refused_before_anything_is_sent(
    run: Run, server: "ScriptedServer", options: list[str]
) -> None:
    result = run("decide", "exe_1", *options)
    assert result.exit_code == 2
    assert "--edit" in result.stderr
    assert server.received == []


@pytest.mark.parametrize(
    "options",
    [
        ["--expect", "number=NaN"],
        ["--expect", "number=1e400"],
        ["--expect", "number=1", "--tolerance", "inf"],
        ["--max-cost-usd", "inf"],
        ["--max-cost-usd", "nan"],
    ],
)
def test_a_number_that_json_does_not_have_is_refused_by_its_option(
    run: Run, server: "ScriptedServer", options: list[str]
) -> None:
    result = run("create", "Add it", *options)
    assert result.exit_code == 2
    assert options[-2] in result.stderr
    assert server.received == []


def test_the_status_shows_the_plan(run: Run, server: "ScriptedServer", reply: "type[Reply]") -> None:
    plan = [
        {"step": 1, "description": "Add it", "effect": "read", "stage": None},
        {"step": 2, "description": "Tell\nAnn", "effect": "send", "stage": None},
    ]
    server.on("GET", STATUS, reply(body=status("running", plan=plan)))
    assert column(run("status", "exe_1"), "plan") == ["1. Add it", "2. Tell Ann (send)"]


def test_a_wait_that_takes_long_says_where_to_look(
    run: Run, server: "ScriptedServer", reply: "type[Reply]", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(eval_waiting, "SILENCE_SECONDS", 0.0)
    server.on("POST", CREATE, reply(body=CREATED))
    server.on("GET", STATUS, reply(body=status("queued")), reply(body=status("completed", 2)))
    result = run("create", "Add it", "--wait")
    assert result.exit_code == 0
    assert result.stderr.splitlines() == ["Not there yet: `mixus eval watch exe_1` says why."]


def test_what_is_wrong_with_one_field_is_said_once(
    run: Run, server: "ScriptedServer", reply: "type[Reply]"
) -> None:
    wrong = [{"field": "template", "message": "There is no such template."}]
    problem = {"code": "invalid", "detail": "There is no such template.", "errors": wrong}
    server.on("POST", CREATE, reply(422, problem, {"X-Request-Id": "req_1"}))
    said = run("create", "--template", "x").stderr
    assert said == "Error: template: There is no such template. (invalid, request req_1)\n"


@pytest.mark.parametrize("edit", ["act_1", "act_1=", "act_1=[1]", '={"to": "bob"}', "act_1={"])
def test_an_edit_that_cannot_be_read_is_refused_before_anything_is_sent(
    run: Run, server: "ScriptedServer", edit: str
) -> None:
    assert run("decide", "exe_1", "--approve", "--edit", edit).exit_code == 2
    assert server.received == []


def test_decide_can_wait_for_what_comes_of_it(
    run: Run, server: "ScriptedServer", reply: "type[Reply]"
) -> None:
    waiting = status("awaiting-verification", checkpoints=[CHECKPOINT])
    server.on("GET", STATUS, reply(body=waiting), reply(body=status("completed", 3)))
    server.on("POST", DECISION, reply(body=CHECKPOINT | {"status": "approved"}))
    result = run("decide", "exe_1", "--approve", "--wait")
    assert result.exit_code == 0
    assert result.stdout.index("Recorded: approve, attempt 3.") < result.stdout.index("completed")


def test_a_decision_that_another_took_is_refused(
    run: Run, server: "ScriptedServer", reply: "type[Reply]"
) -> None:
    server.on("GET", STATUS, reply(body=status("running", checkpoints=[CHECKPOINT | {"status": "approved"}])))
    server.on("POST", DECISION, reply(409, {"code": "already-decided", "detail": "Ann decided at 10:00."}))
    assert "(not-awaiting)" in run("decide", "exe_1", "--reject").stderr
    named = run("decide", "exe_1", "--reject", "--checkpoint", "chk_1")
    assert (named.exit_code, named.stderr) == (5, "Error: Ann decided at 10:00. (already-decided)\n")
    assert run("decide", "exe_1", "--reject", "--checkpoint", "chk_9").exit_code == 5


def test_which_of_several_checkpoints_must_be_said(
    run: Run, server: "ScriptedServer", reply: "type[Reply]"
) -> None:
    other = CHECKPOINT | {"checkpointId": "chk_2"}
    server.on("GET", STATUS, reply(body=status("awaiting-verification", checkpoints=[CHECKPOINT, other])))
    assert run("decide", "exe_1", "--approve").exit_code == 2


def test_cancel_says_that_it_is_done(run: Run, server: "ScriptedServer", reply: "type[Reply]") -> None:
    server.on("POST", "/api/eval/executions/exe_1/cancel", reply(body=status("cancelled")))
    result = run("cancel", "exe_1")
    assert (result.exit_code, result.stdout) == (0, "Cancelled exe_1.\n")
    assert json.loads(run("cancel", "exe_1", "--json").stdout)["status"] == "cancelled"


def test_list_shows_a_line_each_up_to_the_limit(
    run: Run, server: "ScriptedServer", reply: "type[Reply]"
) -> None:
    items = [status("completed", model="openai:x", rehearsal=True), status("failed")]
    first, last = {"items": items, "nextCursor": "abc"}, {"items": items, "nextCursor": None}
    server.on("GET", "/api/eval/executions", reply(body=first), reply(body=last))
    result = run("list", "--limit", "3", "--status", "completed", "--query", "Com")
    assert result.exit_code == 0
    # The tail of the second page is over the limit.
    assert result.stdout.count("exe_1") == 3
    assert "openai:x [rehearsal]" in result.stdout
    assert server.received[0].query == {"status": "completed", "q": "Com", "limit": "3"}
    assert json.loads(run("list", "--limit", "1", "--json").stdout) == items[:1]


def test_watch_shows_each_entry_once_and_ends_at_the_pause(
    run: Run, server: "ScriptedServer", reply: "type[Reply]"
) -> None:
    entries = [
        {"number": 1, "at": "2026-11-23T10:00:00Z", "kind": "model-call", "rehearsal": True},
        {
            "number": 2,
            "at": "2026-11-23T10:00:01Z",
            "kind": "tool-call",
            "data": {"tool": "calculate", "result": "7" * 200},
        },
    ]
    stream = "".join(
        f"id: {entry['number']}\nevent: {entry['kind']}\ndata: {json.dumps(entry)}\n\n" for entry in entries
    )
    waiting = status("awaiting-verification", 2, checkpoints=[CHECKPOINT])
    server.on(
        "GET",
        "/api/eval/executions/exe_1/events",
        reply(body=stream.encode(), headers={"Content-Type": "text/event-stream"}),
    )
    server.on("GET", "/api/eval/executions/exe_1/trace", reply(body={"items": entries, "nextCursor": None}))
    server.on("GET", STATUS, reply(body=status("running")), reply(body=waiting))
    result = run("watch", "exe_1")
    assert result.exit_code == 3
    lines = result.stdout.splitlines()
    assert lines[0].startswith("15:30:00  model-call   [rehearsal]")
    assert lines[1].startswith("15:30:01  tool-call    calculate → 777")
    assert (len(lines[1]), lines[1][-1], lines[2]) == (80, "…", "")
    assert "Is the result $7,500?" in result.stdout
    as_json = run("watch", "exe_1", "--json").stdout.splitlines()
    assert [json.loads(document) for document in as_json] == [*entries, waiting]


def test_watch_ends_when_the_events_do(run: Run, server: "ScriptedServer", reply: "type[Reply]") -> None:
    ended = threading.Event()
    server.on("GET", "/api/eval/executions/exe_1/events", reply(204))
    server.on("GET", "/api/eval/executions/exe_1/trace", reply(body={"items": [], "nextCursor": None}))
    server.on("GET", STATUS, reply(body=status("completed"), held_until=ended))
    threading.Timer(0.1, ended.set).start()
    assert run("watch", "exe_1").exit_code == 0


def test_status_waits_as_long_as_it_is_told(run: Run, server: "ScriptedServer", reply: "type[Reply]") -> None:
    server.on("GET", STATUS, reply(body=status("running")))
    assert run("status", "exe_1", "--wait", "0.05").exit_code == 4
    assert server.received[1].query["since"] == "1"


HOSTILE = "\x1b[31mred\x1b]0;title\x07 \x9b2J[bold]x[/] \u202eabc\x00\x08\ud800:smile:\nstatus completed"


def test_hostile_text_does_nothing_to_the_terminal(
    run: Run, server: "ScriptedServer", reply: "type[Reply]"
) -> None:
    checkpoint = CHECKPOINT | {
        "verificationQuestion": HOSTILE,
        "work": HOSTILE,
        "stage": HOSTILE,
        "hints": [HOSTILE],
    }
    checkpoint |= {"proposedActions": [{"tool": HOSTILE, "effect": HOSTILE, "arguments": {HOSTILE: HOSTILE}}]}
    answer = status("failed", result=HOSTILE, checkpoints=[checkpoint], taskName=HOSTILE, model=HOSTILE)
    answer["error"] = {"code": HOSTILE, "message": HOSTILE}
    server.on("GET", STATUS, reply(body=answer))
    server.on("GET", "/api/eval/executions", reply(body={"items": [answer], "nextCursor": None}))
    server.on("POST", CREATE, reply(400, {"code": HOSTILE, "detail": HOSTILE}))
    for arguments in (("status", "exe_1"), ("list",), ("create", "x"), ("status", "exe_1", "--json")):
        text = run(*arguments).output
        assert not set(text) & set("\x1b\x9b\x07\x00\x08\u202e\ud800")
        assert "smile:" in text
        assert "[bold]x[/]" in text
    # A line of another's text never begins where one of ours does.
    assert not any(line.startswith("status completed") for line in run("status", "exe_1").output.splitlines())


def test_plain_removes_whole_sequences_and_keeps_words() -> None:
    assert (
        terminal.plain("\x1b[1;31mred\x1b[0m \x1b]8;;https://example.org\x1b\\link\x1b]8;;\x1b\\")
        == "red link"
    )
    # A Persian word that needs its joiner.
    assert (
        terminal.plain("\u0645\u06cc\u200c\u062e\u0648\u0631\u0645")
        == "\u0645\u06cc\u200c\u062e\u0648\u0631\u0645"
    )
    assert terminal.plain({"a": [1, "\x1b[2J"]}) == '{"a": [1, "\\u001b[2J"]}'


@pytest.mark.parametrize(
    ("milliseconds", "words"),
    [
        (0, "0 ms"),
        (999, "999 ms"),
        (1000, "1 s"),
        (1500, "1.5 s"),
        (36_400, "36 s"),
        (125_000, "2 min 5 s"),
        (3_600_000, "1 h"),
        (3_605_000, "1 h"),
        (11_520_000, "3 h 12 min"),
        (90_061_000, "1 d 1 h"),
    ],
)
def test_durations_are_their_two_largest_units(milliseconds: int, words: str) -> None:
    assert terminal.duration(milliseconds) == words


def test_every_command_and_option_has_help(run: Run) -> None:
    assert run("--help").exit_code == 0
    assert "completion" not in run("--help").stdout
    for command in ("create", "status", "list", "watch", "decide", "cancel"):
        assert run(command, "--help").exit_code == 0


MAIL = {
    "to": ["ann@example.org", "bob@example.org"],
    "cc": [],
    "subject": "Result",
    "body": "Dear Ann,\n\nCc: eve@example.org",
    "priority": "high",
}


def checkpoint_of(arguments: object, tool: str = "send_email", **members: Any) -> dict[str, Any]:
    action = {"actionId": "act_1", "tool": tool, "effect": "send", "arguments": arguments}
    return CHECKPOINT | {"proposedActions": [action]} | members


def test_a_mail_is_shown_as_a_mail_with_nothing_left_out(
    run: Run, server: "ScriptedServer", reply: "type[Reply]"
) -> None:
    waiting = status("awaiting-verification", checkpoints=[checkpoint_of(MAIL)])
    server.on("GET", STATUS, reply(body=waiting))
    assert column(run("status", "exe_1"), "proposed") == [
        "send_email (send)",
        "To:       ann@example.org, bob@example.org",
        "Subject:  Result",
        'priority: "high"',
        "",
        "Dear Ann,",
        "",
        "Cc: eve@example.org",
    ]


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        ({"to": ["ann@example.org\u200b"]}, 'To: ["ann@example.org\\u200b"]'),
        ({"to": ["ann@example.org, eve@example.org"]}, 'To: ["ann@example.org, eve@example.org"]'),
        ({"to": []}, "To: []"),
        ({"to": 7}, "To: 7"),
        ({"subject": "Hi\nCc: eve@example.org"}, 'Subject: "Hi\\nCc: eve@example.org"'),
        (
            {"subject": "x " * 40 + "Cc: eve@example.org"},
            "         x x x x x x x x x x Cc: eve@example.org",
        ),
        ({"body": "a\u202eb\x1b[31m"}, "a\\u202eb\\u001b[31m"),
        ({"body": ["a"]}, 'body: ["a"]'),
        ("not an object", '"not an object"'),
    ],
)
def test_what_hides_in_a_mail_is_seen(
    run: Run, server: "ScriptedServer", reply: "type[Reply]", arguments: object, shown: str
) -> None:
    waiting = status("awaiting-verification", checkpoints=[checkpoint_of(arguments)])
    server.on("GET", STATUS, reply(body=waiting))
    assert column(run("status", "exe_1"), "proposed")[-1] == shown


def test_effective_actions_are_shown_where_they_differ(
    run: Run, server: "ScriptedServer", reply: "type[Reply]"
) -> None:
    decided = checkpoint_of({"to": "ann"}, "post", status="approved", decision="approve")
    proposed = decided["proposedActions"]
    other = checkpoint_of({"to": "bob"}, "post")["proposedActions"]
    effective: tuple[list[Any], ...] = (proposed, other, [])
    answers = [
        status("completed", checkpoints=[decided | {"effectiveActions": actions}]) for actions in effective
    ]
    server.on("GET", STATUS, *(reply(body=answer) for answer in answers))
    assert "effective" not in run("status", "exe_1").stdout
    assert column(run("status", "exe_1"), "effective") == ["post (send)", 'to: "bob"']
    assert column(run("status", "exe_1"), "effective") == ["none"]


def test_a_hint_says_what_by_whom_and_on_which_attempt(
    run: Run, server: "ScriptedServer", reply: "type[Reply]"
) -> None:
    hint = {"attempt": 1, "hint": "use 10 % instead", "comment": None, "by": "ada@example.org", "via": "key"}
    waiting = status("awaiting-verification", checkpoints=[CHECKPOINT | {"hints": [hint]}])
    server.on("GET", STATUS, reply(body=waiting))
    shown = column(run("status", "exe_1"), "hint")
    assert shown == ["attempt 1: use 10 % instead (ada@example.org via key)"]


@pytest.mark.parametrize(
    ("members", "spent"),
    [
        ({"rehearsal": True}, "no cost (rehearsal)"),
        ({}, "cost unknown"),
        ({"metrics": {"costUsd": 0.25}}, "$0.25"),
        ({"metrics": {"inputTokens": 1200, "outputTokens": 30}}, "1,200 tokens in, 30 out, cost unknown"),
    ],
)
def test_unknown_cost_is_not_no_cost(
    run: Run, server: "ScriptedServer", reply: "type[Reply]", members: dict[str, Any], spent: str
) -> None:
    server.on("GET", STATUS, reply(body=status("completed", **members)))
    assert column(run("status", "exe_1"), "spent") == [f"0 steps, 0 tool calls, {spent}"]


@pytest.mark.parametrize("width", ["80", "120"])
def test_no_line_ends_in_spaces_or_is_wider_than_the_terminal(
    run: Run, server: "ScriptedServer", reply: "type[Reply]", width: str
) -> None:
    mail = MAIL | {"body": "word " * 100, "subject": "y" * 300}
    answer = status("awaiting-verification", checkpoints=[checkpoint_of(mail, work="word " * 100)])
    server.on("GET", STATUS, reply(body=answer))
    lines = run("status", "exe_1", COLUMNS=width).stdout.splitlines()
    assert [line for line in lines if line != line.rstrip() or len(line) > int(width)] == []


def test_a_list_in_a_pipe_is_a_whole_line_each_with_local_times(
    run: Run, server: "ScriptedServer", reply: "type[Reply]"
) -> None:
    members: dict[str, Any] = {"createdAt": "2026-11-23T20:29:31Z", "model": "rehearsal", "rehearsal": True}
    items = [status("completed", **members | {"taskName": "long " * 40 + "end"}), status("failed")]
    server.on("GET", "/api/eval/executions", reply(body={"items": items, "nextCursor": None}))
    lines = run("list").stdout.splitlines()
    assert len(lines) == 3
    assert lines[1].startswith("exe_1      completed  2026-11-24 01:59  rehearsal  long long")
    assert lines[1].endswith(" end")
    assert [line for line in lines if line != line.rstrip()] == []


@pytest.mark.parametrize(
    ("kind", "data", "lines"),
    [
        (
            "created",
            {"by": "ada", "plan": [{"description": "Add"}, {"description": "Tell", "effect": "send"}]},
            ["by ada", "1. Add", "2. Tell (send)"],
        ),
        ("started", {"segment": 2}, ["segment 2"]),
        ("takeover", {"segment": 2}, ["segment 2: its worker was gone, another goes on"]),
        ("prompt", {"system": "Be good.", "task": "Add\nit"}, ["Add it"]),
        (
            "model-call",
            {"text": "a\n\nb\nc", "calls": [{"tool": "calculate", "arguments": {"expression": "1+1"}}]},
            ["a", "b", 'calculate(expression="1+1")'],
        ),
        ("tool-call", {"tool": "calculate", "result": "4000"}, ["calculate → 4000"]),
        ("tool-call", {"tool": "calculate", "error": "No sum."}, ["calculate failed: No sum."]),
        ("effect-intended", {"tool": "post", "arguments": {"to": "ann"}}, ['post(to="ann")']),
        ("checkpoint", {"stage": "sum", "actions": [{}, {}]}, ["sum: 2 actions"]),
        ("checkpoint", {"stage": "sum", "question": "Is it 7?"}, ["sum: 0 actions; Is it 7?"]),
        (
            "decision",
            {"action": "hint", "hint": "Round", "comment": "Why", "by": "ada", "via": "key"},
            ['hint "Round" by ada via key; comment: Why'],
        ),
        (
            "parked",
            {"reason": "a:x answered 503", "retryAt": "2026-11-25T10:00:30.000Z"},
            ["until 15:30:30", "a:x answered 503"],
        ),
        ("model-retry", {"model": "a:x", "reason": "a:x answered 503"}, ["a:x answered 503"]),
        ("reminder", {"reason": "no plan"}, ["no plan"]),
        ("judge", {"passed": True, "reason": "It says\nplease."}, ["passed: It says please."]),
        ("judge", {"passed": False, "reason": "It shouts."}, ["not passed: It shouts."]),
        ("judge", {"passed": None, "reason": "None."}, ["no verdict: None."]),
        ("completed", {"result": "7500"}, ["7500"]),
        ("failed", {"code": "step-limit", "message": "Too many."}, ["Too many. (step-limit)"]),
        ("cancelled", {"by": "ada"}, ["by ada"]),
        ("rejected", {"checkpointId": "chk_1", "by": "ada"}, ["by ada"]),
        ("new-kind", {"a": 1, "b": [2], "c": None}, ["a=1  b=[2]"]),
        ("decision", {"new": "shape"}, ["new=shape"]),
        ("tool-call", {}, [""]),
    ],
)
def test_watch_says_of_each_kind_what_matters(kind: str, data: dict[str, Any], lines: list[str]) -> None:
    assert told(kind, data) == lines


@pytest.mark.parametrize(
    "kind",
    ["created", "prompt", "model-call", "tool-call", "checkpoint", "decision", "completed", "failed", "x"],
)
def test_hostile_entries_do_nothing_to_the_terminal(
    run: Run, server: "ScriptedServer", reply: "type[Reply]", kind: str
) -> None:
    call = {"tool": HOSTILE, "arguments": {HOSTILE: HOSTILE}}
    names = (
        "by",
        "task",
        "text",
        "tool",
        "error",
        "stage",
        "action",
        "hint",
        "result",
        "code",
        "message",
        "x",
    )
    data = dict.fromkeys(names, HOSTILE) | {"calls": [call], "plan": [{"description": HOSTILE}]}
    entry = {"number": 1, "at": "2026-11-23T10:00:00Z", "kind": kind, "data": data}
    server.on("GET", "/api/eval/executions/exe_1/events", reply(204))
    server.on("GET", "/api/eval/executions/exe_1/trace", reply(body={"items": [entry], "nextCursor": None}))
    server.on("GET", STATUS, reply(body=status("completed")))
    text = run("watch", "exe_1", COLUMNS="300").output
    assert not set(text) & set("\x1b\x9b\x07\x00\x08\u202e\ud800")
    assert "[bold]x[/]" in text
    assert not any(line.startswith("status completed") for line in text.splitlines())
    assert not set(terminal.clock(HOSTILE)) & set("\x1b\x9b\n")


@pytest.mark.parametrize("arguments", [("status", ""), ("cancel", ""), ("watch", "")])
def test_an_empty_id_is_wrong_usage(run: Run, arguments: tuple[str, ...]) -> None:
    assert run(*arguments).exit_code == 2
