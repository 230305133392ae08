"""One request to a model: streamed, tried again while that helps, and given up in words of our own."""

import asyncio
import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from pydantic_ai.direct import model_request, model_request_stream
from pydantic_ai.exceptions import UnexpectedModelBehavior
from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.settings import ModelSettings

from mixus.agents import conversation, receiving
from mixus.agents.faults import Fault, Kind, fault_of
from mixus.agents.kept import kept
from mixus.agents.models.rehearsal.plan import BeyondRehearsal
from mixus.agents.provider_keys import is_provided
from mixus.agents.redaction import Redactor
from mixus.core.database import Row
from mixus.core.errors import Invalid
from mixus.evals import progress
from mixus.evals.lifecycle import Failure
from mixus.evals.progress import Leg
from mixus.evals.tables import executions
from mixus.evals.transitions import Entry
from mixus.worker.bench import Bench, Failed
from mixus.worker.parking import ProviderDown
from mixus.worker.state import State

logger = logging.getLogger(__name__)

QUICK_TRIES: Final = 2
# Longer than this nobody waits with a place in his hand.
LONGEST_PAUSE_SECONDS: Final = 5.0
ONE_RETRY: Final = {"retries": executions.c.retries + 1}


@dataclass(frozen=True)
class Prompt:
    """What one call of a model sends."""

    messages: Sequence[ModelMessage]
    parameters: ModelRequestParameters


async def request(bench: Bench, leg: Leg, state: State, prompt: Prompt) -> ModelResponse:
    """The answer; raises Failed, or ProviderDown where only time helps."""
    try:
        async with asyncio.timeout(max(0.0, state.seconds_left(bench.now()))):
            return await _persist(bench, leg, state.row, prompt)
    except TimeoutError as late:
        raise Failed(Failure.TIME_LIMIT, "Its agent time ran out during a model call.") from late


async def _persist(bench: Bench, leg: Leg, row: Row, prompt: Prompt) -> ModelResponse:
    tries = 0
    while True:
        outcome = await _attempt(bench, row, prompt)
        if isinstance(outcome, ModelResponse):
            return outcome
        pause = _pause_seconds(outcome, tries, bench.catalog.rules.pause_seconds)
        if pause is None:
            raise _given_up(row["model"], outcome)
        await bench.write(progress.note, leg, [_retried(row["model"], outcome)], **ONE_RETRY)
        await asyncio.sleep(pause)
        tries += 1


def _retried(name: str, fault: Fault) -> Entry:
    return Entry("model-retry", {"model": name, "reason": _told(name, fault)})


def _told(name: str, fault: Fault) -> str:
    return f"The provider of {name} {fault.reason}"


def _pause_seconds(fault: Fault, tries: int, first_pause: float) -> float | None:
    """How long to wait before the next quick try; None where there is none."""
    if tries >= QUICK_TRIES or fault.kind is Kind.REFUSED:
        return None
    if fault.kind is Kind.GARBLED:
        return 0.0
    asked = fault.retry_after_seconds
    if asked is not None:
        return asked if asked <= LONGEST_PAUSE_SECONDS else None
    # Many executions meet the same fault at once; they shall not all come back at once.
    return first_pause * 2.0**tries * random.uniform(0.5, 1.5)  # noqa: S311 - no secret


def _given_up(name: str, fault: Fault) -> Exception:
    if fault.kind is Kind.PASSING:
        return ProviderDown(_told(name, fault), fault.retry_after_seconds)
    if fault.kind is Kind.REFUSED:
        message = f"{_told(name, fault)}; look at its key, the model's name and its limits."
    else:
        message = f"The model {name} could not be called, or its answer not read."
    return Failed(Failure.PROVIDER_ERROR, message)


async def _attempt(bench: Bench, row: Row, prompt: Prompt) -> ModelResponse | Fault:
    name = row["model"]
    try:
        bench.catalog.require_allowed(name)
        model = bench.catalog.model(name, row["script"])
        if bench.catalog.clients.streams(name):
            return _received(await _streamed(bench, name, model, prompt), bench.redact)
        return _received(await _whole(bench, name, model, prompt), bench.redact)
    except BeyondRehearsal as beyond:
        raise Failed(Failure.BEYOND_REHEARSAL, str(beyond)) from beyond
    except Invalid as refused:
        # Its settings changed since the task was made.
        raise Failed(Failure.PROVIDER_ERROR, refused.detail) from refused
    except Exception as broken:  # noqa: BLE001 - the library raises what it likes of a malformed answer
        # No more than its name is logged: its words may quote a secret.
        logger.warning("%s: the call of %s failed: %s", row["id"], name, type(broken).__name__)
        return fault_of(broken)


def _received(response: ModelResponse, redact: Redactor) -> ModelResponse:
    """Raises ValueError for what no row can hold: that answer cannot be read, like any other garble."""
    received = receiving.received(_without_credentials(response), redact)
    kept(conversation.dump(received))
    return received


def _without_credentials(response: ModelResponse) -> ModelResponse:
    """An answer carries the address that it came from, and goes into a row: no user and password with it."""
    parts = urlsplit(response.provider_url or "")
    place = parts.netloc.rpartition("@")[2]
    return replace(response, provider_url=urlunsplit((parts.scheme, place, parts.path, "", "")) or None)


async def _whole(bench: Bench, name: str, model: Model, prompt: Prompt) -> ModelResponse:
    return await model_request(
        model,
        prompt.messages,
        model_settings=_settings(bench) if is_provided(name) else None,
        model_request_parameters=prompt.parameters,
    )


async def _streamed(bench: Bench, name: str, model: Model, prompt: Prompt) -> ModelResponse:
    """Piece by piece, so that silence is noticed however long the whole answer takes."""
    stream = model_request_stream(
        model,
        prompt.messages,
        model_settings=_settings(bench),
        model_request_parameters=prompt.parameters,
    )
    is_open = False
    try:
        async with stream as pieces:
            is_open = True
            async for _ in pieces:
                pass
            return pieces.get()
    except UnexpectedModelBehavior:
        if not is_open:
            # A server that knows no streams answers whole, which reads as a stream without a piece.
            bench.catalog.clients.does_not_stream(name)
        raise


def _settings(bench: Bench) -> ModelSettings:
    """The library's own tries again would be in nobody's count and in nobody's trace."""
    return ModelSettings(max_retries=0, timeout=bench.catalog.rules.timeout_seconds)
