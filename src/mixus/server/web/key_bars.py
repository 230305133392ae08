"""The use of a key as bars: the path of an SVG, and the words that say the same."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from mixus.keys.overview import KeyUse
from mixus.server.web.showing import counted

HEIGHT: Final = 24
BAR: Final = 4
STEP: Final = 5
# A bar of which nobody sees that there is one would say that there was nothing.
LEAST: Final = 2


@dataclass(frozen=True)
class Bars:
    """What was refused stands on top of what was accepted; the view box is `width` by HEIGHT."""

    accepted: str
    refused: str
    width: int
    words: str
    # Where it stands below the bars.
    short: str

    @property
    def is_empty(self) -> bool:
        return not self.accepted and not self.refused


def bars_of(use: KeyUse, days_per_bar: int) -> Bars:
    accepted, refused = _added(use.accepted, days_per_bar), _added(use.refused, days_per_bar)
    totals = [first + second for first, second in zip(accepted, refused, strict=True)]
    most = max([1, *totals])
    tops = [_height(total, most) for total in totals]
    seams = [min(_height(count, most), top) for count, top in zip(accepted, tops, strict=True)]
    width = len(totals) * STEP - (STEP - BAR)
    return Bars(_path([0] * len(seams), seams), _path(seams, tops), width, _words(use), _short(use))


def _added(counts: Sequence[int], days_per_bar: int) -> list[int]:
    return [sum(counts[start : start + days_per_bar]) for start in range(0, len(counts), days_per_bar)]


def _height(count: int, most: int) -> int:
    return max(LEAST, round(count * HEIGHT / most)) if count else 0


def _path(feet: Sequence[int], tops: Sequence[int]) -> str:
    """One upright line for each bar; how thick it is, the style says."""
    return "".join(
        f"M{index * STEP + BAR // 2} {HEIGHT - foot}v{foot - top}"
        for index, (foot, top) in enumerate(zip(feet, tops, strict=True))
        if top > foot
    )


def _words(use: KeyUse) -> str:
    refused = sum(use.refused)
    text = f"{counted(sum(use.accepted), 'request')} in {counted(len(use.accepted), 'day')}"
    return f"{text}, {refused:,} more refused" if refused else text


def _short(use: KeyUse) -> str:
    refused = sum(use.refused)
    text = counted(sum(use.accepted), "request")
    return f"{text} · {refused:,} refused" if refused else text
