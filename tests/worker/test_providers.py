"""Models of providers, over real HTTP: a server on loopback that speaks Chat Completions, and misbehaves."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from openai_server import Answer, Garbage, OpenAIServer, Refusal, Reply, calls, cut, hung, text
from sqlalchemy import select
from worker.house import House

from mixus.agents.catalog import ModelRules
from mixus.agents.faults import Fault, Kind
from mixus.agents.prices import Price, Prices
from mixus.core.clock import to_ms
from mixus.core.database import Database, Row, metadata
from mixus.core.errors import Invalid
from mixus.evals.lifecycle import Status
from mixus.evals.progress import Leg
from mixus.evals.tasks import NewTask
from mixus.worker import leases, parking, requesting
from mixus.worker.segment import run_segment

MODEL = "openai-compatible:test"
SECRET = "sk-a-secret-of-the-provider"
PLAN = calls(("plan", {"steps": [{"description": "Calculate.", "effect": "read"}]}))
SUM = calls(("calculate", {"expression": "2 + 3"}))
PRICE = Price.model_validate({"inputPerMillionUsd": 10, "outputPerMillionUsd": 100})
QUICK = ModelRules(prices=Prices({MODEL: PRICE}), timeout_seconds=0.3, pause_seconds=0.01)
# Told to come back at once, and told to stay away.
AT_ONCE = {"Retry-After": "0"}

# Without a reason why it ends: whoever wrote it was interrupted.
UNFINISHED = (
    b'data: {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", '
    b'"choices": [{"index": 0, "delta": {"content": "half"}, "finish_reason": null}]}\n\n'
)

Script = Callable[..., OpenAIServer]


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Iterator[Script]:
    servers: list[OpenAIServer] = []

    def start(*replies: Reply) -> OpenAIServer:
        servers.append(OpenAIServer(PLAN, *replies))
        monkeypatch.setenv("OPENAI_COMPATIBLE_BASE_URL", servers[-1].url)
        monkeypatch.setenv("OPENAI_COMPATIBLE_API_KEY", SECRET)
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def at_home(database: Database) -> House:
    house = House(database)
    house.catalog.rules = QUICK
    return house


@pytest.fixture
def home(sqlite_database_url: str) -> Iterator[House]:
    database = Database(sqlite_database_url)
    yield at_home(database)
    database.close()


@pytest.fixture
def either_home(database: Database) -> House:
    """Once per store."""
    return at_home(database)


def create(house: House, **task: Any) -> str:
    fields = {"description": "Add 2 and 3.", "name": "Sum", "model": MODEL}
    return house.create_task(NewTask(**{**fields, **task}))


def run(house: House, **task: Any) -> Row:
    return house.run(create(house, **task))


def entries(house: House, row: Row, kind: str) -> list[Any]:
    return [entry["data"] for entry in house.journal(row["id"]) if entry["kind"] == kind]


def test_a_task_runs_to_its_end_with_tokens_and_cost(home: House, script: Script) -> None:
    server = script(SUM, text("The sum\nis 5."))
    row = run(home)
    assert (row["status"], row["result"]) == (Status.COMPLETED, "The sum\nis 5.")
    assert (row["steps"], row["input_tokens"], row["output_tokens"]) == (3, 300, 60)
    assert row["cost_usd"] == pytest.approx((300 * 10 + 60 * 100) / 1_000_000)
    assert row["retries"] == 0
    assert {asked.path for asked in server.asked} == {"/v1/chat/completions"}
    assert all(asked.body["stream"] for asked in server.asked)
    assert server.asked[0].headers["authorization"] == f"Bearer {SECRET}"


def test_what_a_tool_gave_goes_back_to_the_model(home: House, script: Script) -> None:
    server = script(SUM, text("5"))
    run(home)
    call, result = server.asked[-1].body["messages"][-2:]
    assert call["tool_calls"][0]["function"]["name"] == "calculate"
    assert (result["role"], result["tool_call_id"]) == ("tool", call["tool_calls"][0]["id"])
    assert "5" in result["content"]


def test_several_calls_at_once_that_come_in_pieces_are_all_made(home: House, script: Script) -> None:
    wanted = [("calculate", {"expression": f"{number} + 1"}) for number in range(3)]
    script(calls(*wanted, piece=1), text("done"))
    row = run(home)
    assert row["status"] == Status.COMPLETED
    assert [each["result"] for each in entries(home, row, "tool-call")] == ["1", "2", "3"]


def test_an_effect_waits_for_its_reviewer_and_goes_on(home: House, script: Script) -> None:
    mail = {"to": ["pay@example.org"], "subject": "Sum", "body": "5"}
    script(calls(("send_email", mail)), text("sent"))
    execution = create(home)
    assert home.run(execution)["status"] == Status.AWAITING
    assert home.approve(execution)["status"] == Status.COMPLETED
    assert len(home.mails(execution)) == 1


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (calls(("calculate", '{"expression": "2 +')), "JSON"),
        (calls(("calculate", '["2 + 3"]')), "object"),
        (calls(("calculate", {"expresion": "2 + 3"})), "expresion"),
        (calls(("no_such_tool", {})), "There is no such tool."),
    ],
    ids=["broken JSON", "no object", "wrong argument", "unknown tool"],
)
def test_a_call_that_cannot_be_made_is_told_to_the_model_and_it_goes_on(
    home: House, script: Script, wrong: Answer, told: str
) -> None:
    server = script(wrong, SUM, text("5"))
    row = run(home)
    assert (row["status"], row["retries"]) == (Status.COMPLETED, 1)
    assert [each.get("result") for each in entries(home, row, "tool-call")] == [None, "5"]
    answered = server.asked[2].body["messages"][-1]
    assert answered["role"] == "tool"
    assert told in answered["content"]


@pytest.mark.parametrize(
    "fault",
    [
        Refusal(429, AT_ONCE),
        Refusal(500),
        Refusal(503, AT_ONCE),
        cut(text("half\nof it"), 0),
        cut(text("half\nof it"), 2),
        hung(text("half\nof it"), 0),
        hung(text("half\nof it"), 2),
        Garbage(b"<html>busy</html>", "text/html"),
        Garbage(b"data: {not json\n\n", "text/event-stream"),
        Garbage(b"", "text/event-stream"),
        Garbage(UNFINISHED, "text/event-stream"),
    ],
    ids=[
        "429",
        "500",
        "503",
        "cut before the first piece",
        "cut in mid-stream",
        "silent from the start",
        "silent in mid-stream",
        "a page",
        "a stream of garbage",
        "nothing",
        "half an answer that ends in order",
    ],
)
def test_a_passing_fault_is_tried_again_and_counted(home: House, script: Script, fault: Reply) -> None:
    server = script(fault, fault, text("5"))
    row = run(home)
    assert (row["status"], row["result"]) == (Status.COMPLETED, "5")
    assert (row["retries"], row["steps"], row["parks"]) == (2, 2, 0)
    assert len(server.asked) == 4
    assert len(entries(home, row, "model-retry")) == 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_a_refusal_ends_it_at_once_with_its_status_and_without_its_words(
    home: House, script: Script, status: int
) -> None:
    server = script(Refusal(status, say=lambda _: "words of the provider"))
    row = run(home)
    assert (row["status"], row["error_code"], row["retries"]) == (Status.FAILED, "provider-error", 0)
    assert f"answered {status}" in row["error_message"]
    assert "words" not in row["error_message"]
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    "garbage",
    [Garbage(b"<html>busy</html>", "text/html"), Garbage(b"data: {not json\n\n", "text/event-stream")],
    ids=["a page", "a stream of garbage"],
)
def test_an_answer_that_stays_unreadable_fails_after_two_more(
    home: House, script: Script, garbage: Garbage
) -> None:
    server = script(garbage)
    row = run(home)
    assert (row["status"], row["error_code"], row["retries"]) == (Status.FAILED, "provider-error", 2)
    assert len(server.asked) == 4


def test_a_server_that_knows_no_streams_is_asked_for_whole_answers(home: House, script: Script) -> None:
    whole = Answer(calls=SUM.calls, is_whole=True)
    server = script(whole, whole, text("5", is_whole=True))
    row = run(home)
    assert (row["status"], row["retries"]) == (Status.COMPLETED, 1)
    assert [bool(asked.body.get("stream")) for asked in server.asked] == [True, True, False, False]


def test_without_usage_tokens_and_cost_are_unknown_and_not_nothing(home: House, script: Script) -> None:
    script(text("5", usage=None))
    row = run(home)
    assert row["status"] == Status.COMPLETED
    assert (row["input_tokens"], row["output_tokens"], row["cost_usd"]) == (None, None, None)


def test_what_a_model_of_that_name_costs_elsewhere_is_not_its_price(home: House, script: Script) -> None:
    script(text("5"))
    assert run(home, model="openai-compatible:gpt-4o")["cost_usd"] is None
    with pytest.raises(Invalid, match="No price is known"):
        create(home, model="openai-compatible:gpt-4o", max_cost_usd=1.0)


def test_a_budget_holds(home: House, script: Script) -> None:
    script(SUM)
    row = run(home, max_cost_usd=0.005)
    assert (row["error_code"], row["steps"]) == ("cost-limit", 2)
    assert row["cost_usd"] == pytest.approx(0.006)


def test_a_model_that_is_not_allowed_is_refused_with_those_that_are(home: House, script: Script) -> None:
    script(text("5"))
    home.catalog.rules = ModelRules(allowed=frozenset({"openai:gpt-*", "ollama:*"}))
    with pytest.raises(Invalid, match=r"allowed are ollama:\*, openai:gpt-\*") as refused:
        create(home)
    assert refused.value.members["errors"][0]["field"] == "model"
    assert home.run(create(home, model="rehearsal"))["status"] == Status.COMPLETED


def test_a_model_that_was_allowed_when_its_task_was_made_is_not_called_any_more(
    home: House, script: Script
) -> None:
    server = script(text("5"))
    execution = create(home)
    home.catalog.rules = ModelRules(allowed=frozenset())
    row = home.run(execution)
    assert (row["status"], row["error_code"]) == (Status.FAILED, "provider-error")
    assert "not allowed" in row["error_message"]
    assert server.asked == []


def test_the_time_of_the_agent_ends_a_call_that_goes_on_and_on(home: House, script: Script) -> None:
    home.catalog.rules = ModelRules(timeout_seconds=60)
    script(hung(text("5"), 1))
    row = run(home, timeout_ms=1_000)
    assert (row["status"], row["error_code"]) == (Status.FAILED, "time-limit")


def test_a_segment_that_is_cancelled_hangs_up_in_mid_stream(home: House, script: Script) -> None:
    home.catalog.rules = ModelRules(timeout_seconds=60)
    server = script(hung(text("half\nof it"), 2))
    execution = create(home)

    async def cancel_in_mid_stream() -> None:
        leg = Leg(execution, 1, "wrk_test")
        segment = asyncio.create_task(run_segment(home.bench, leg))
        await asyncio.to_thread(server.hanging.wait)
        segment.cancel()
        with pytest.raises(asyncio.CancelledError):
            await segment
        assert await asyncio.to_thread(server.left.wait, 30)

    asyncio.run(cancel_in_mid_stream())


def all_rows(house: House) -> dict[str, str]:
    """Whole: a row's own `repr` leaves out the middle of what is long."""
    with house.database.snapshot() as tx:
        return {
            name: repr([tuple(row) for row in tx.execute(select(table))])
            for name, table in metadata.tables.items()
        }


def test_the_key_of_a_provider_stands_in_no_row_and_no_log(
    either_home: House, script: Script, caplog: pytest.LogCaptureFixture
) -> None:
    """The provider says it back in the body of each refusal."""
    caplog.set_level(logging.DEBUG)
    echo = [
        Refusal(status, AT_ONCE, say=lambda asked: asked.headers["authorization"])
        for status in (429, 500, 401)
    ]
    server = script(*echo)
    row = run(either_home)
    assert row["error_code"] == "provider-error"
    assert len(server.asked) == 4
    assert all(SECRET in asked.headers["authorization"] for asked in server.asked)
    tables = all_rows(either_home)
    assert "answered 401" in tables["executions"]
    assert [name for name, rows in tables.items() if SECRET in rows] == []
    assert "the call of" in caplog.text
    assert SECRET not in caplog.text


def test_a_password_in_the_address_of_a_provider_stands_in_no_row(
    home: House, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = script(text("5"))
    monkeypatch.setenv("OPENAI_COMPATIBLE_BASE_URL", server.url.replace("://", f"://me:{SECRET}@"))
    assert run(home)["status"] == Status.COMPLETED
    tables = all_rows(home)
    assert server.url in tables["trace"]
    assert [name for name, rows in tables.items() if SECRET in rows] == []


# Parking, on both stores.


def delayed(house: House, row: Row) -> str:
    name = f"{row['id']}:{row['seq']}"
    return house.database.dispatch.states([name])[name].status


def test_a_provider_that_is_down_parks_the_execution_and_it_finishes_later(
    either_home: House, script: Script
) -> None:
    house, down = either_home, Refusal(503, AT_ONCE)
    script(down, down, down, SUM, text("5"))
    execution = create(house)
    row = house.run(execution)
    assert (row["status"], row["seq"], row["parks"], row["retries"]) == (Status.QUEUED, 2, 1, 2)
    assert delayed(house, row) == "DELAYED"
    house.clock.advance(minutes=10)
    row = house.run(execution)
    assert (row["status"], row["result"], row["parks"]) == (Status.COMPLETED, "5", 0)
    assert row["queued_ms"] >= 600_000
    assert row["agent_ms"] < 60_000
    lasted = to_ms(row["finished_at"]) - to_ms(row["created_at"])
    assert row["queued_ms"] + row["agent_ms"] + row["waiting_ms"] == lasted
    (parked,) = entries(house, row, "parked")
    assert parked["reason"] == f"The provider of {MODEL} answered 503"
    assert parked["retryAt"] > "2026-11-23T10:00:00"


def test_a_parked_execution_holds_no_place_and_is_not_taken_for_lost(
    either_home: House, script: Script
) -> None:
    script(Refusal(503, {"Retry-After": "60"}))
    execution = create(either_home)
    row = either_home.run(execution)
    assert row["retries"] == 0, "nobody waits a minute with a place in his hand"
    assert delayed(either_home, row) == "DELAYED"
    assert f"{execution}:2" not in either_home.database.dispatch.dequeued()
    assert either_home.take_over() == 0
    assert either_home.row(execution)["seq"] == 2


def test_a_parked_execution_that_the_engine_lost_is_enqueued_again(
    either_home: House, script: Script
) -> None:
    script(Refusal(503, {"Retry-After": "60"}), text("5"))
    execution = create(either_home)
    either_home.run(execution)
    either_home.database.dispatch.cancel([f"{execution}:2"])
    assert either_home.take_over() == 1
    assert either_home.run(execution)["status"] == Status.COMPLETED


def test_a_parked_execution_can_be_cancelled(either_home: House, script: Script) -> None:
    script(Refusal(503, {"Retry-After": "60"}))
    execution = create(either_home)
    row = either_home.run(execution)
    assert either_home.cancel(execution)["status"] == Status.CANCELLED
    assert delayed(either_home, row) == "CANCELLED"
    leases.free_places(either_home.database, either_home.clock())
    assert either_home.status(execution) == Status.CANCELLED


def test_after_a_day_of_it_in_a_row_the_execution_fails(either_home: House, script: Script) -> None:
    script(Refusal(503, {"Retry-After": "3600"}))
    execution = create(either_home)
    rounds = 0
    while either_home.run(execution)["status"] == Status.QUEUED:
        either_home.clock.advance(hours=1)
        rounds += 1
    row = either_home.row(execution)
    assert (row["status"], row["error_code"], rounds) == (Status.FAILED, "provider-error", 24)
    assert "for 24 hours" in row["error_message"]


def test_a_good_answer_begins_the_count_of_the_day_anew(home: House, script: Script) -> None:
    down = Refusal(503, {"Retry-After": "3600"})
    script(down, SUM, down, text("5"))
    execution = create(home)
    home.run(execution)
    home.clock.advance(hours=23)
    row = home.run(execution)
    assert (row["status"], row["parks"]) == (Status.QUEUED, 1)
    home.clock.advance(hours=23)
    assert home.run(execution)["status"] == Status.COMPLETED


def test_nobody_at_the_address_is_a_provider_that_is_down(home: House, script: Script) -> None:
    script(text("5")).close()
    row = run(home)
    assert (row["status"], row["parks"], row["retries"]) == (Status.QUEUED, 1, 2)


@pytest.mark.parametrize(
    ("times", "asked", "seconds"),
    [
        (0, None, 30),
        (1, None, 60),
        (6, None, 1800),
        (500, None, 1800),
        (0, 1, 1),
        (0, 0, 1),
        (1, 1, 60),
        (0, 7200, 7200),
        (0, 10**9, 21_600),
    ],
)
def test_the_delay_doubles_and_a_longer_wish_of_the_provider_wins(
    times: int, asked: float | None, seconds: float
) -> None:
    assert parking.delay_seconds(times, asked) == seconds


@pytest.mark.parametrize(
    ("fault", "tries", "least", "most"),
    [
        (Fault(Kind.PASSING, "r"), 0, 0.25, 0.75),
        (Fault(Kind.PASSING, "r"), 1, 0.5, 1.5),
        (Fault(Kind.PASSING, "r", 3.0), 0, 3.0, 3.0),
        (Fault(Kind.PASSING, "r", 5.0), 1, 5.0, 5.0),
        (Fault(Kind.GARBLED, "r"), 1, 0.0, 0.0),
    ],
)
def test_a_quick_try_waits_a_little_or_as_long_as_the_provider_says(
    fault: Fault, tries: int, least: float, most: float
) -> None:
    for _ in range(50):
        pause = requesting._pause_seconds(fault, tries, 0.5)
        assert pause is not None
        assert least <= pause <= most


@pytest.mark.parametrize(
    ("fault", "tries"),
    [
        (Fault(Kind.PASSING, "r"), 2),
        (Fault(Kind.PASSING, "r", 5.1), 0),
        (Fault(Kind.GARBLED, "r"), 2),
        (Fault(Kind.REFUSED, "r"), 0),
    ],
)
def test_there_is_no_quick_try_after_two_a_longer_wish_or_a_refusal(fault: Fault, tries: int) -> None:
    assert requesting._pause_seconds(fault, tries, 0.5) is None
