"""The load: keep-alive connections in a process of their own, far cheaper than what they ask.

`python -m benchmarks.load PORT CONNECTIONS SECONDS` reads requests without a body from standard input, which
the connections send in turn and from the start again. It prints how many answers came, how many were not 200
and how many connections were lost, as JSON.
"""

import asyncio
import itertools
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, cast

import uvloop

OK: Final = b"HTTP/1.1 200"
HEAD_END: Final = b"\r\n\r\n"
LENGTH: Final = b"\r\ncontent-length: "


@dataclass(frozen=True)
class Answers:
    count: int
    refused: int
    lost: int
    seconds: float
    # What the load itself cost.
    cpu_seconds: float

    @property
    def per_second(self) -> float:
        return self.count / self.seconds


def ask(port: int, requests: Sequence[bytes], connections: int, seconds: float) -> Answers:
    """Ask for that long; another process does it."""
    command = [sys.executable, "-m", "benchmarks.load", str(port), str(connections), str(seconds)]
    done = subprocess.run(command, input=b"".join(requests), stdout=subprocess.PIPE, check=True)
    answers = Answers(**json.loads(done.stdout))
    assert answers.count, "no answer came"
    assert not answers.refused, f"{answers.refused} of {answers.count} answers were not 200"
    assert not answers.lost, f"{answers.lost} connections were lost"
    return answers


def get(path: str, key: str | None = None, header: str = "Authorization: Bearer") -> bytes:
    sent = f"{header} {key}\r\n" if key else ""
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{sent}\r\n".encode()


@dataclass
class Tally:
    requests: Iterator[bytes]
    count: int = 0
    refused: int = 0
    lost: int = 0
    transports: list[asyncio.BaseTransport] = field(default_factory=list)


class Connection(asyncio.Protocol):
    """Sends the next request as soon as an answer is whole, which it learns from its length."""

    transport: asyncio.WriteTransport

    def __init__(self, tally: Tally) -> None:
        self.tally = tally
        self.waiting = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports can write, although they do not inherit from the class that says so.
        self.transport = cast("asyncio.WriteTransport", transport)
        self.tally.transports.append(transport)
        self.transport.write(next(self.tally.requests))

    def data_received(self, data: bytes) -> None:
        self.waiting = data = self.waiting + data if self.waiting else data
        head = data.find(HEAD_END)
        if head < 0:
            return
        # Not every server writes the names of headers in small letters.
        heading = data[: head + 2].lower()
        at = heading.index(LENGTH) + len(LENGTH)
        if len(data) < head + len(HEAD_END) + int(heading[at : heading.index(b"\r", at)]):
            return
        self.waiting = b""
        self.tally.count += 1
        self.tally.refused += not data.startswith(OK)
        self.transport.write(next(self.tally.requests))

    def connection_lost(self, _error: Exception | None) -> None:
        self.tally.lost += 1


async def run(tally: Tally, port: int, connections: int, seconds: float) -> Answers:
    loop = asyncio.get_running_loop()
    start, start_cpu = time.perf_counter(), time.process_time()
    for _ in range(connections):
        await loop.create_connection(lambda: Connection(tally), "127.0.0.1", port)
    await asyncio.sleep(seconds)
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - start_cpu
    answers = Answers(tally.count, tally.refused, tally.lost, seconds, cpu_seconds)
    for transport in tally.transports:
        transport.close()
    return answers


def main() -> None:
    port, connections, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    requests = [head + HEAD_END for head in sys.stdin.buffer.read().split(HEAD_END)[:-1]]
    tally = Tally(itertools.cycle(requests))
    print(json.dumps(uvloop.run(run(tally, port, connections, seconds)).__dict__))


if __name__ == "__main__":
    main()
