"""What many samples say, in few numbers."""

import math
from collections.abc import Sequence
from statistics import median


def p50(samples: Sequence[float]) -> float:
    return median(samples)


def p95(samples: Sequence[float]) -> float:
    """The nearest rank: a value that was measured, not one between two."""
    return sorted(samples)[math.ceil(0.95 * len(samples)) - 1]


def shares(samples: Sequence[float], reference: Sequence[float]) -> list[float]:
    """Round by round, because the neighbours of a shared machine come and go between rounds."""
    return [sample / other for sample, other in zip(samples, reference, strict=True)]
