"""Coming in by a password or a one-time link, and a new password: the API and the pages do it alike."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final, TypeVar

from anyio import to_thread
from fastapi import Depends, Request
from pydantic import SecretStr

from mixus.accounts import attempts, links, passwords, redeem, sessions, sign_in
from mixus.accounts.links import Link
from mixus.accounts.principal import Principal
from mixus.accounts.sign_in import Checked, Origin, SignedIn, SignInRefused, WrongPassword
from mixus.core.database import Transaction
from mixus.keys import tokens
from mixus.server.deps import Served, now
from mixus.server.hashing import Hasher, Hashing
from mixus.server.services import Services

LONGEST_AGENT: Final = 200

Answer = TypeVar("Answer")
Opened = TypeVar("Opened", SignedIn, SignedIn | None)


@dataclass(frozen=True)
class Entrance:
    """Where somebody comes in: from where, when, and where his password is hashed."""

    services: Services
    hasher: Hashing
    origin: Origin
    now: datetime
    # The session that the browser has already, which ends when a new one begins.
    replaced: Principal | None = None


async def entrance(
    request: Request, services: Served, hasher: Hasher, moment: Annotated[datetime, Depends(now)]
) -> Entrance:
    return Entrance(services, hasher, origin_of(request), moment)


Entering = Annotated[Entrance, Depends(entrance)]


def origin_of(request: Request) -> Origin:
    sent = tokens.without_keys(request.headers.get("user-agent", ""))
    agent = "".join(filter(str.isprintable, sent))[:LONGEST_AGENT]
    return Origin(request.state.network, agent or None)


async def open_by_password(at: Entrance, email: str, password: SecretStr) -> SignedIn:
    """Raises SignInRefused, the same after the same work for everything that is wrong."""
    checked = await _checked(at, email, password)
    signed_in = await _opened(at, lambda tx: sign_in.finish(tx, checked, at.origin, at.now))
    if signed_in is None:
        raise SignInRefused
    await _forgive(at, email)
    return signed_in


async def find_link(at: Entrance, token: str) -> Link:
    """Uses nothing up. Raises LinkUnusable."""
    return await to_thread.run_sync(links.find, at.services.database, token, at.now)


async def open_by_link(at: Entrance, link: Link, email: str | None, password: SecretStr) -> SignedIn:
    """Makes the account or sets the password that the link is for, once."""
    address = redeem.address_of(link, email)
    wanted = passwords.checked(password.get_secret_value(), address)
    password_hash = await at.hasher.run(at.hasher.passwords.hash, wanted)

    def use(tx: Transaction) -> SignedIn:
        return redeem.redeem(tx, link, address, password_hash, at.origin, at.now)

    return await _opened(at, use)


async def change_password(at: Entrance, principal: Principal, current: SecretStr, new: SecretStr) -> None:
    """Ends all other sessions. Wrong guesses at the current one count as those of a sign-in."""
    wanted = passwords.checked(new.get_secret_value(), principal.email, "newPassword")
    checked = await _checked(at, principal.email, current)
    new_hash = None if checked.refusal else await at.hasher.run(at.hasher.passwords.hash, wanted)

    def change(tx: Transaction) -> bool:
        return sign_in.change_password(tx, principal, checked, new_hash, at.now)

    if not await _committed(at.services, change):
        raise WrongPassword
    await _forgive(at, principal.email)


async def _checked(at: Entrance, email: str, password: SecretStr) -> Checked:
    """Counted first, so that of many guesses at once no more are compared than may be made."""
    await to_thread.run_sync(attempts.admit, at.services.limiter, at.origin.network, email)
    secret = password.get_secret_value()
    return await at.hasher.run(sign_in.check, at.services.database, at.hasher.passwords, email, secret)


async def _forgive(at: Entrance, email: str) -> None:
    await to_thread.run_sync(attempts.forgive, at.services.limiter, at.origin.network, email)


async def _opened(at: Entrance, begin: Callable[[Transaction], Opened]) -> Opened:
    """A new session in the place of the old: whoever knew or planted that one has nothing in his hands."""

    def run(tx: Transaction) -> Opened:
        signed_in = begin(tx)
        if signed_in is not None and at.replaced is not None:
            sessions.sign_out(tx, at.replaced, at.now)
        return signed_in

    return await _committed(at.services, run)


async def _committed(services: Services, act: Callable[[Transaction], Answer]) -> Answer:
    """A transaction after the hashing and not around it. A refusal that it returns is recorded for good."""

    def run() -> Answer:
        with services.database.transaction() as tx:
            return act(tx)

    async with services.turns:
        return await to_thread.run_sync(run)
