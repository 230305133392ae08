"""Servers that answer the same load in turns, so that each is compared with what the others did just then."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from benchmarks.load import ask
from benchmarks.numbers import p50, shares
from benchmarks.processes import Server

CONNECTIONS: Final = 32
WARM_UP_SECONDS: Final = 0.5
COLUMNS: Final = ("server", "requests/s", "share", "server CPU µs", "share by CPU", "load CPU µs")
Row = tuple[str, float, float, float, float, float]


@dataclass
class Contender:
    """`bare` is the yardstick on the same server software; a yardstick has none."""

    name: str
    server: Server
    requests: Sequence[bytes]
    bare: "Contender | None" = None
    # What makes each round start alike.
    prepare: Callable[[], None] = lambda: None
    per_second: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)
    load_us: list[float] = field(default_factory=list)

    @property
    def share(self) -> float:
        """Of the requests per second of its yardstick, round by round."""
        return times(self, self.bare or self)

    @property
    def share_by_cpu(self) -> float:
        """On asyncio the only one that tells: there something other than the processor holds both up."""
        return p50(shares((self.bare or self).cpu_us, self.cpu_us))

    @property
    def row(self) -> Row:
        measured = p50(self.per_second), self.share, p50(self.cpu_us), self.share_by_cpu, p50(self.load_us)
        return (self.name, *measured)

    def warm_up(self) -> None:
        ask(self.server.port, self.requests, CONNECTIONS, WARM_UP_SECONDS)

    def run(self, seconds: float) -> None:
        self.prepare()
        before = self.server.cpu_seconds()
        answers = ask(self.server.port, self.requests, CONNECTIONS, seconds)
        self.per_second.append(answers.per_second)
        self.cpu_us.append((self.server.cpu_seconds() - before) / answers.count * 1e6)
        self.load_us.append(answers.cpu_seconds / answers.count * 1e6)


def race(contenders: Sequence[Contender], rounds: int, seconds: float) -> None:
    for contender in contenders:
        contender.warm_up()
    for _ in range(rounds):
        for contender in contenders:
            contender.run(seconds)


def times(contender: Contender, other: Contender) -> float:
    """How many requests one answers while the other answers one, round by round."""
    return p50(shares(contender.per_second, other.per_second))
