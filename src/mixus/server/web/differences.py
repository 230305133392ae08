"""What changes between two texts, by lines."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from io import StringIO
from typing import Final, Literal

AROUND: Final = 3
# Comparing takes the product of these; longer ones are shown whole, one after the other.
MOST_COMPARED: Final = 500
CARRIAGE_RETURN: Final = "⟨U+000D⟩"
UNCHANGED: Final = "Lines that stay as they are are left out, but for three around each change."
TOO_LONG: Final = "Too much changes to be compared line by line: here is all that goes, then all that comes."

Kind = Literal["plus", "minus", "same", "place"]


@dataclass(frozen=True)
class Line:
    kind: Kind
    text: str


@dataclass(frozen=True)
class Difference:
    lines: Sequence[Line]
    notes: Sequence[str] = ()


def difference(before: str, after: str) -> Difference:
    old, new = lines_of(before), lines_of(after)
    if old == new:
        return Difference([], ["Nothing changes: the file holds exactly this already."])
    start = _common(old, new)
    end = _common(old[start:][::-1], new[start:][::-1])
    first = max(start - AROUND, 0)
    last = max(end - AROUND, 0)
    old_part, new_part = old[first : len(old) - last], new[first : len(new) - last]
    if max(len(old_part), len(new_part)) > MOST_COMPARED:
        return Difference([*_each(old_part, "minus"), *_each(new_part, "plus")], [TOO_LONG, UNCHANGED])
    return Difference(list(_compared(old_part, new_part, first)), [UNCHANGED])


def all_of(text: str, kind: Kind) -> list[Line]:
    return _each(lines_of(text), kind)


def lines_of(text: str) -> list[str]:
    """Only a line feed ends a line; what stands before it shows, and so does a last line without one."""
    lines = [line.replace("\r", CARRIAGE_RETURN) for line in StringIO(text, newline="\n")]
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += " ⟨no line end⟩"
    return [line.removesuffix("\n") for line in lines]


def _compared(old: list[str], new: list[str], skipped: int) -> Iterator[Line]:
    for group in SequenceMatcher(None, old, new).get_grouped_opcodes(AROUND):
        yield Line("place", f"Line {skipped + group[0][3] + 1}")
        for tag, old_from, old_to, new_from, new_to in group:
            if tag == "equal":
                yield from _each(old[old_from:old_to], "same")
                continue
            yield from _each(old[old_from:old_to], "minus")
            yield from _each(new[new_from:new_to], "plus")


def _each(lines: Sequence[str], kind: Kind) -> list[Line]:
    return [Line(kind, line) for line in lines]


def _common(old: Sequence[str], new: Sequence[str]) -> int:
    """How many lines both begin with."""
    pairs = enumerate(zip(old, new, strict=False))
    return next((place for place, (one, other) in pairs if one != other), min(len(old), len(new)))
