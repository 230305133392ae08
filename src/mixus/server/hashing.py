"""Where passwords are hashed: in threads of their own, two at a time, each of which takes 64 MiB."""

from collections.abc import Callable
from functools import lru_cache
from typing import Annotated, TypeVar, TypeVarTuple

from anyio import CapacityLimiter, to_thread
from fastapi import Depends

from mixus.accounts.passwords import Passwords

AT_ONCE = 2

Answer = TypeVar("Answer")
Arguments = TypeVarTuple("Arguments")


class Hashing:
    """Neither the event loop nor a transaction waits for it, and a flood of sign-ins takes not all memory."""

    def __init__(self, passwords: Passwords) -> None:
        self.passwords = passwords
        self._places = CapacityLimiter(AT_ONCE)

    async def run(self, verb: Callable[[*Arguments], Answer], *arguments: *Arguments) -> Answer:
        return await to_thread.run_sync(verb, *arguments, limiter=self._places)


@lru_cache(maxsize=1)
def hashing() -> Hashing:
    """One for the process, made in a thread at the first need, because it hashes once itself."""
    return Hashing(Passwords())


Hasher = Annotated[Hashing, Depends(hashing)]
