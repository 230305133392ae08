"""Runs the examples of a page, in order, against one real server, and compares what they print.

A comment on the line before a block says what it is: `<!-- serve -->` is the server, `<!-- run -->` is run once,
`<!-- ask again -->` until its answer fits, `<!-- output -->` is what the block before it prints (a serving one: its
first lines). In an output `…` stands for anything; times are not compared; an id is another one each time, and
stands for the same thing on the whole page.
"""

import re
import select
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

ADDRESS: Final = "http://127.0.0.1:8000"
BLOCK: Final = re.compile(
    r"<!-- (serve|run|ask again|output) -->\n```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL
)
VARYING: Final = {
    "anything": "…",
    "moment": r"\d{4}-\d\d-\d\d[T ][\d:.]+(?:Z|\+00:00)",
    "milliseconds": r'(?<=Ms": )\d+',
    "duration": r"\b[\d.]+ (?:milli)?seconds?\b",
    "id": r"\b(?:exe|chk|act|key|usr|req)_[0-9A-Za-z]{22}\b",
}
TOKEN: Final = re.compile("|".join(f"(?P<{kind}>{pattern})" for kind, pattern in VARYING.items()))
MEANING: Final = {"anything": ".*?"}
# Runs a block where the one before it stopped: what was exported is there again.
RUN: Final = "touch exports; . ./exports; {\n%s\n}; code=$?; export -p > exports; exit $code"


@dataclass(frozen=True)
class Step:
    kind: str
    language: str
    text: str
    output: str | None = None


@dataclass
class Session:
    folder: Path
    environment: Mapping[str, str]
    address: str = ADDRESS
    ids: dict[str, str] = field(default_factory=dict)

    def run(self, language: str, text: str) -> str:
        for documented, real in self.ids.items():
            text = text.replace(documented, real)
        text = text.replace(ADDRESS, self.address)
        script = text if language == "shell" else f"python - <<'END'\n{text}END"
        done = subprocess.run(
            ["bash", "-c", RUN % script],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
        return done.stdout.replace(self.address, ADDRESS)

    @contextmanager
    def serving(self, command: str, lines: int) -> Iterator[str]:
        """What the server says first. It takes a free port; the page shows the usual one."""
        with subprocess.Popen(
            ["bash", "-c", f"exec {command.strip()} --port 0"],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            text=True,
        ) as server:
            try:
                assert server.stdout is not None
                assert select.select([server.stdout], [], [], 60)[0], "the server says nothing"
                said = "".join(server.stdout.readline() for _ in range(lines))
                found = re.search(r"http://127\.0\.0\.1:\d+", said)
                assert found is not None, said
                self.address = found[0]
                yield said.replace(self.address, ADDRESS)
            finally:
                server.terminate()

    def fits(self, documented: str, real: str) -> bool:
        """Whether it is what the page shows; learns which real id each of its ids stands for."""
        found = re.fullmatch(self._pattern(tidy(documented)), tidy(real), re.DOTALL)
        if found is not None:
            self.ids |= found.groupdict()
        return found is not None

    def _pattern(self, documented: str) -> str:
        parts, place, named = [], 0, set[str]()
        for token in TOKEN.finditer(documented):
            parts.append(re.escape(documented[place : token.start()]))
            kind = token.lastgroup or ""
            parts.append(self._id(token[0], named) if kind == "id" else MEANING.get(kind, VARYING[kind]))
            place = token.end()
        return "".join([*parts, re.escape(documented[place:])])

    def _id(self, documented: str, named: set[str]) -> str:
        if documented in self.ids:
            return re.escape(self.ids[documented])
        if documented in named:
            return f"(?P={documented})"
        named.add(documented)
        return f"(?P<{documented}>{VARYING['id']})"


def tidy(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


def steps(page: str) -> list[Step]:
    """Each block that is to run, with the output that the page shows for it, if any."""
    found: list[Step] = []
    for block in BLOCK.finditer(page):
        kind, language, text = block.groups()
        if kind == "output":
            found[-1] = replace(found[-1], output=text)
        else:
            found.append(Step(kind, language, text))
    return found
