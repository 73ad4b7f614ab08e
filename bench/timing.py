"""How a bench takes time: medians, and what is compared takes turns.

A machine's speed drifts; whoever is measured second on it is not the slower one for that.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Final

ROUNDS: Final = 7

# A call shorter than this is made several times in a round; the clock and its own start would count otherwise.
_SHORTEST: Final = 5e-3

Call = Callable[[], object]


def seconds(call: Call, rounds: int = ROUNDS) -> float:
    """The median time of a call, after one that is not counted."""
    return in_turn([call], rounds)[0]


def in_turn(calls: Sequence[Call], rounds: int = ROUNDS, limit: float = float("inf")) -> list[float]:
    """The median times of calls that take turns, after one each that is not counted.

    No round is begun when they have taken `limit` seconds, save the first.
    """
    for call in calls:
        call()
    repeats = [max(1, int(_SHORTEST / max(_time(call, 1), 1e-9))) for call in calls]
    times: list[list[float]] = [[] for _ in calls]
    begun = time.perf_counter()
    for finished in range(rounds):
        if finished and time.perf_counter() - begun > limit:
            break
        for call, many, kept in zip(calls, repeats, times, strict=True):
            kept.append(_time(call, many))
    return [statistics.median(kept) for kept in times]


def _time(call: Call, repeats: int) -> float:
    begun = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - begun) / repeats
