"""Both clients behind one door, without real sleeps and without chance."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import pytest

from mixus import AsyncClient, Client
from mixus.client.retries import Pace

if TYPE_CHECKING:
    from unit.conftest import ScriptedServer

KEY = "mxs_eval_0123456789ABCDEFGHIJKLMNOP4IJGKH"


@dataclass
class Caller:
    """Runs one action on a fresh client of either kind; `sleeps` is how long it would have waited."""

    kind: Literal["sync", "async"]
    url: str
    sleeps: list[float] = field(default_factory=list)
    now_seconds: float = 0.0

    def pace(self, max_retries: int) -> Pace:
        return Pace(max_retries, jitter=lambda ceiling: ceiling, now_seconds=lambda: self.now_seconds)

    def do(self, action: Callable[[Any], Any], max_retries: int = 4, timeout_seconds: float = 5.0) -> Any:
        run = self._do_sync if self.kind == "sync" else self._do_async
        return run(action, {"timeout_seconds": timeout_seconds, "_pace": self.pace(max_retries)})

    def _do_sync(self, action: Callable[[Any], Any], options: dict[str, Any]) -> Any:
        with Client(KEY, self.url, _sleep=self._pass, **options) as client:
            result = action(client)
            return list(result) if isinstance(result, Iterator) else result

    def _do_async(self, action: Callable[[Any], Any], options: dict[str, Any]) -> Any:
        async def sleep(seconds: float) -> None:
            self._pass(seconds)

        async def main() -> Any:
            async with AsyncClient(KEY, self.url, _sleep=sleep, **options) as client:
                result = action(client)
                return [item async for item in result] if hasattr(result, "__aiter__") else await result

        return asyncio.run(main())

    def _pass(self, seconds: float) -> None:
        if seconds:
            self.sleeps.append(seconds)
        self.now_seconds += seconds


@pytest.fixture(params=["sync", "async"])
def caller(request: pytest.FixtureRequest, server: "ScriptedServer") -> Caller:
    return Caller(request.param, server.url)


@pytest.fixture
def key() -> str:
    return KEY
