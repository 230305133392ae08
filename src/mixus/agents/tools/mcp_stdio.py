"""An MCP server as a child process: its lines are bounded, and it never outlives us."""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Final

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.client.stdio import get_default_environment
from mcp.shared.message import SessionMessage
from mcp_types import jsonrpc_message_adapter

from mixus.agents.tools.mcp_settings import Local

MOST_BYTES: Final = 4 * 1024 * 1024
# Between the end of its input and SIGTERM, and from there to SIGKILL.
GRACE_SECONDS: Final = 1.0

Incoming = MemoryObjectSendStream[SessionMessage | Exception]
Outgoing = MemoryObjectReceiveStream[SessionMessage]
# The ends that the session reads from and writes to.
Streams = tuple[MemoryObjectReceiveStream[SessionMessage | Exception], MemoryObjectSendStream[SessionMessage]]


@asynccontextmanager
async def child(local: Local) -> AsyncGenerator[Streams]:
    """Start it and speak to it; the library's own way to do so holds a line of any length in memory.

    Raises OSError or ValueError where it cannot be started. Its standard error is dropped: it could
    quote the secrets that it was given, and ours goes to the log.
    """
    process = await asyncio.create_subprocess_exec(
        local.command,
        *local.args,
        env={**get_default_environment(), **local.env},
        cwd=local.cwd,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        limit=MOST_BYTES,
        start_new_session=True,
    )
    try:
        async with _spoken_to(process) as streams:
            yield streams
    finally:
        await _end(process)


@asynccontextmanager
async def _spoken_to(process: asyncio.subprocess.Process) -> AsyncGenerator[Streams]:
    came_in, incoming = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    outgoing, going_out = anyio.create_memory_object_stream[SessionMessage](0)
    async with incoming, outgoing, anyio.create_task_group() as group:
        group.start_soon(_read, process, came_in, group.cancel_scope)
        group.start_soon(_write, process, going_out, group.cancel_scope)
        try:
            yield incoming, outgoing
        finally:
            group.cancel_scope.cancel()


async def _read(process: asyncio.subprocess.Process, came_in: Incoming, session: anyio.CancelScope) -> None:
    """To the end of its output, or to the first line that is too long; either ends the session."""
    assert process.stdout is not None  # noqa: S101 - it was started with a pipe
    async with came_in:
        with suppress(ValueError, OSError, anyio.BrokenResourceError):
            while line := await process.stdout.readline():
                message = _message(line)
                if message is not None:
                    await came_in.send(message)
    session.cancel()


def _message(line: bytes) -> SessionMessage | None:
    """None for what is no message: programs print to their output what belongs elsewhere."""
    try:
        return SessionMessage(jsonrpc_message_adapter.validate_json(line, by_name=False))
    except ValueError:
        return None


async def _write(
    process: asyncio.subprocess.Process, going_out: Outgoing, session: anyio.CancelScope
) -> None:
    assert process.stdin is not None  # noqa: S101 - it was started with a pipe
    async with going_out:
        try:
            async for outgoing in going_out:
                text = outgoing.message.model_dump_json(by_alias=True, exclude_unset=True)
                process.stdin.write(f"{text}\n".encode())
                await process.stdin.drain()
        except OSError:
            # Nobody reads any more, so nobody will answer what is waited for.
            session.cancel()


async def _end(process: asyncio.subprocess.Process) -> None:
    """As the protocol asks: close its input, wait, then end it, with everything that it started."""
    try:
        with anyio.CancelScope(shield=True):
            if process.stdin is not None:
                process.stdin.close()
            if not await _is_over(process):
                _signal(process, signal.SIGTERM)
                await _is_over(process)
    finally:
        _signal(process, signal.SIGKILL)
    with anyio.CancelScope(shield=True):
        await _is_over(process)
        await _drain(process)


async def _is_over(process: asyncio.subprocess.Process) -> bool:
    """Whether it has ended. The wait is bounded: a grandchild may hold its pipes open."""
    with anyio.move_on_after(GRACE_SECONDS):
        await process.wait()
    return process.returncode is not None


async def _drain(process: asyncio.subprocess.Process) -> None:
    """What it had still to say is dropped: only at its end does the pipe close."""
    assert process.stdout is not None  # noqa: S101 - it was started with a pipe
    with anyio.move_on_after(GRACE_SECONDS), suppress(OSError):
        while await process.stdout.read(MOST_BYTES):
            pass


def _signal(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    """Its whole group: a wrapper that has ended may have left the server itself behind."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
