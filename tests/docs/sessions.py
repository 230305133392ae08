"""Runs the examples of a page, in order, against one real server, and compares what they print.

A comment before a block says what it is: `<!-- serve -->` is the server, `<!-- run -->` is run once,
`<!-- ask again -->` until its answer fits, and `<!-- output -->` is what the block before it prints (of the
server, its first lines). In an output `…` stands for anything, and times are not compared. An id is another
one each time, and means the same thing on the whole page.
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
KINDS: Final = "serve|run|ask again|output"
BLOCK: Final = re.compile(rf"<!-- ({KINDS}) -->\n```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
VARYING: Final = {
    "moment": r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d[\d:.]*(?:Z|\+00:00)?",
    "clock": r"\b\d\d:\d\d:\d\d[\d.]*",
    "milliseconds": r'(?<=Ms": )\d+',
    "duration": r"\b[\d.]+ m?s\b",
    "id": r"\b(?:exe|chk|act|key|usr|req)_[0-9A-Za-z]{22}\b",
}
TOKEN: Final = re.compile("|".join(f"(?P<{kind}>{pattern})" for kind, pattern in VARYING.items()))
# Goes on where the block before it stopped: what was exported is there again.
SCRIPT: Final = "exec 2>&1; touch exports; . ./exports; {\n%s\n}; code=$?; export -p > exports; exit $code"


@dataclass(frozen=True)
class Step:
    kind: str
    language: str
    text: str
    output: str = "…"


def steps(page: str) -> list[Step]:
    found: list[Step] = []
    for kind, language, text in BLOCK.findall(page):
        if kind == "output":
            found[-1] = replace(found[-1], output=text)
        else:
            found.append(Step(kind, language, text))
    return found


@dataclass
class Session:
    folder: Path
    environment: Mapping[str, str]
    address: str = ADDRESS
    ids: dict[str, str] = field(default_factory=dict)

    def run(self, step: Step) -> str:
        text = step.text.replace(ADDRESS, self.address)
        for documented, real in self.ids.items():
            text = text.replace(documented, real)
        script = text if step.language == "shell" else f"python - <<'END'\n{text}END"
        done = subprocess.run(
            ["/bin/bash", "-c", SCRIPT % script],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.stdout.replace(self.address, ADDRESS)

    @contextmanager
    def serving(self, step: Step) -> Iterator[str]:
        """What the server says first. It takes a free port; the page shows the usual one."""
        command = ["/bin/bash", "-c", f"exec {step.text.strip()} --port 0"]
        with subprocess.Popen(
            command, cwd=self.folder, env=self.environment, stdout=subprocess.PIPE, text=True
        ) as server:
            try:
                assert server.stdout is not None
                assert select.select([server.stdout], [], [], 60)[0], "the server says nothing"
                said = "".join(server.stdout.readline() for _ in step.output.splitlines())
                self.address = said[said.index("http://") :].split()[0]
                yield said.replace(self.address, ADDRESS)
            finally:
                server.terminate()

    def forget(self) -> None:
        """What was exported: a shell has it in its memory, and here it stood in a file."""
        (self.folder / "exports").unlink()

    def fits(self, documented: str, real: str) -> bool:
        """Whether it is what the page shows; learns which real id each of its ids stands for."""
        found = re.fullmatch(self._pattern(tidy(documented)), tidy(real), re.DOTALL)
        self.ids |= found.groupdict() if found else {}
        return found is not None

    def _pattern(self, documented: str) -> str:
        """Atomic, so that no `…` is tried again: an output that does not fit is refused at once."""
        named = set[str]()
        first, *others = (self._piece(piece, named) for piece in re.split(r"\s*…\s*", documented))
        between = "".join(f"(?>.*?{piece})" for piece in others[:-1])
        return first + between + "".join(f".*{piece}" for piece in others[-1:])

    def _piece(self, documented: str, named: set[str]) -> str:
        parts, place = [], 0
        for token in TOKEN.finditer(documented):
            kind = token.lastgroup or ""
            meaning = self._id(token[0], named) if kind == "id" else VARYING[kind]
            parts += [re.escape(documented[place : token.start()]), meaning]
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
