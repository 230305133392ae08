"""The secret that keys are hashed with: a file of its own, which no copy of the database contains."""

import hmac
import os
import secrets
import stat
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from mixus.core.database import Transaction
from mixus.core.errors import Misconfigured
from mixus.keys.tables import key_canary

SHORTEST_SECRET = 32


@dataclass(frozen=True)
class Pepper:
    secret: bytes = field(repr=False)

    @cached_property
    def id(self) -> str:
        """Which pepper a hash was made with; says nothing about the secret."""
        return self.hash("id").hex()[:8]

    def hash(self, token: str) -> bytes:
        keyed = self._keyed.copy()
        keyed.update(token.encode())
        return keyed.digest()

    @cached_property
    def _keyed(self) -> hmac.HMAC:
        """The secret is worked in once; what is left for each token is half of the work."""
        return hmac.new(self.secret, digestmod="sha256")


def open_pepper(tx: Transaction, path: Path) -> Pepper:
    """The pepper of this database, made at its first start; refuses to go on with another one.

    A lost file is not replaced: every key would be answered 401 with no other symptom.
    """
    if _stored_canary(tx) is not None and not path.exists():
        raise Misconfigured(
            f"The pepper file {path} is missing; restore it, or name it with MIXUS_PEPPER_FILE."
        )
    pepper = load_or_create(path)
    ensure_canary(tx, pepper)
    return pepper


def load_or_create(path: Path) -> Pepper:
    """The pepper in this file, made at the first start."""
    try:
        return _load(path)
    except FileNotFoundError:
        _create(path)
        return _load(path)


def ensure_canary(tx: Transaction, pepper: Pepper) -> None:
    """Refuse to start with another pepper than the keys were made with: every one would be answered 401."""
    if _stored_canary(tx) is None:
        with suppress(IntegrityError), tx.connection.begin_nested():
            tx.execute(insert(key_canary).values(id=1, pepper_id=pepper.id, song=pepper.hash("canary")))
    if not hmac.compare_digest(_stored_canary(tx) or b"", pepper.hash("canary")):
        raise Misconfigured(
            "The pepper file is not the one that the keys in this database were made with; "
            "restore that file, or name it with MIXUS_PEPPER_FILE."
        )


def _stored_canary(tx: Transaction) -> bytes | None:
    song: bytes | None = tx.execute(select(key_canary.c.song)).scalar()
    return song


def _load(path: Path) -> Pepper:
    with path.open("rb") as file:
        # A system without owners and groups has its own way of keeping a file private.
        if os.name == "posix" and stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
            raise Misconfigured(f"Others may read the pepper file {path}; run `chmod 600 {path}`.")
        secret = file.read().strip()
    if len(secret) < SHORTEST_SECRET:
        raise Misconfigured(
            f"The pepper file {path} is shorter than {SHORTEST_SECRET} characters; restore it from a backup."
        )
    return Pepper(secret)


def _create(path: Path) -> None:
    """Written and flushed under another name, then linked: whoever sees the file sees all of it.

    Linking refuses to replace, so of several first starts at once all use the pepper of one.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32) + "\n")
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            path.hardlink_to(draft)
    finally:
        draft.unlink()
