import logging
from asyncio import CancelledError

from mixus.cli import logs
from mixus.keys.tokens import generate


def record(message: str, error: BaseException | None = None) -> logging.LogRecord:
    cause = None if error is None else (type(error), error, None)
    return logging.LogRecord("mixus", logging.ERROR, "", 0, message, (), cause)


def test_a_key_is_hidden_in_a_message_and_in_an_exception() -> None:
    key = generate()
    line = logs.Redacted().format(record(f"refused {key}", ValueError(f"bad {key}")))
    assert key not in line
    assert line.count("mxs_eval_…") == 2


def test_what_an_orderly_stop_cuts_off_is_no_error() -> None:
    assert not logs.is_news(record("Exception in ASGI application", CancelledError()))
    assert logs.is_news(record("Exception in ASGI application", ValueError()))
