"""Sampling without replacement, the same on every machine: in each stratum, the entries with the smallest tickets.

    ticket(entry) = SHA-256( "reperform/audit-ticket/v1" ‖ 0x00 ‖ seed ‖ entry as 8 bytes, big-endian )

Tickets are as good as random and independent, so every set of n entries is equally likely, and the first of a larger
sample are those of a smaller one. A population is read once, in any order, and need not be counted before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappush, heappushpop

from ..digest import Digest, Domain, digest
from ..encoding import MalformedError
from .strata import MAX_STRATA


def ticket(seed: Digest, entry: int) -> bytes:
    """The ticket of an entry of the log (from 0); 32 bytes, compared as such."""
    return digest(Domain.AUDIT_TICKET, seed.value + entry.to_bytes(8, "big")).value


@dataclass(frozen=True, slots=True)
class Stratum:
    """A part of the population: its name, how many decisions it has, and the entries that were drawn, ascending."""

    name: str
    population: int
    sample: tuple[int, ...]


@dataclass(slots=True)
class _Pile:
    population: int = 0
    smallest: list[tuple[int, int]] = field(default_factory=list)  # (-ticket, entry), a heap: the largest ticket first


class Sampler:
    """Reads a population, an entry at a time. Its memory grows with the sample, not with the population."""

    def __init__(self, seed: Digest, most: int) -> None:
        """`most` is the largest sample that a stratum can ask for."""
        self._seed = seed
        self._most = most
        self._piles: dict[str, _Pile] = {}

    def take(self, entry: int, stratum: str) -> int | None:
        """The next decision of the population; which one it puts out of the sample. Raises MalformedError for too many
        strata.
        """
        pile = self._piles.get(stratum)
        if pile is None:
            if len(self._piles) == MAX_STRATA:
                raise MalformedError(f"the population has more than {MAX_STRATA} strata", advice="plan without them")
            pile = self._piles[stratum] = _Pile()
        pile.population += 1
        item = (-int.from_bytes(ticket(self._seed, entry), "big"), entry)
        if len(pile.smallest) < self._most:
            heappush(pile.smallest, item)
            return None
        return heappushpop(pile.smallest, item)[1]

    def drawn(self, size: Callable[[int], int]) -> tuple[Stratum, ...]:
        """The strata by name; `size` says how many of a population are drawn. Raises ValueError if over `most`."""
        return tuple(
            Stratum(name, pile.population, self._sample(pile, size(pile.population)))
            for name, pile in sorted(self._piles.items())
        )

    def _sample(self, pile: _Pile, size: int) -> tuple[int, ...]:
        if not 0 <= size <= len(pile.smallest):
            raise ValueError(f"a sample of {size} out of {pile.population}, and {len(pile.smallest)} were kept")
        return tuple(sorted(entry for _, entry in sorted(pile.smallest, reverse=True)[:size]))
