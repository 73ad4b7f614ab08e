"""A docket in memory, for long simulations. It is stricter than a folder, and less obliging.

It tells each change once, a few at a time, and documents come back in another order at every read. It fails the
test if anything that was posted changes, and if a slot grows beyond what the parties have reason to say: who posts
at every step would fill any docket.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from random import Random

from reperform.consensus.docket import Changes, Slot
from reperform.evidence.digest import Digest
from reperform.evidence.documents import to_bytes
from reperform.evidence.dsse import Envelope


class MemoryDocket:
    """A `Docket` whose order is drawn from `random`, with at most `limit` documents in a slot."""

    def __init__(self, random: Random, limit: int) -> None:
        self._random = random
        self._limit = limit
        self._posted: dict[tuple[Digest, Slot], dict[bytes, Envelope]] = defaultdict(dict)
        self._history: list[Digest] = []  # the filing of every document, in the order of posting

    @property
    def size(self) -> int:
        """How many documents there are."""
        return len(self._history)

    def changes(self, after: int) -> Changes:
        """The next few changes."""
        position = min(after + self._random.randint(1, 8), len(self._history))
        return Changes(position, tuple(self._history[after:position]))

    def post(self, filing: Digest, slot: Slot, envelope: Envelope) -> None:
        """Add a document."""
        place, data = self._posted[filing, slot], to_bytes(envelope)
        if data not in place:
            self._history.append(filing)
        place.setdefault(data, envelope)
        assert len(place) <= self._limit, f"{len(place)} documents in the slot {slot}"

    def read(self, filing: Digest) -> Mapping[Slot, tuple[Envelope, ...]]:
        """The documents, in any order."""
        return {slot: self._shuffled(filing, slot) for slot in Slot}

    def _shuffled(self, filing: Digest, slot: Slot) -> tuple[Envelope, ...]:
        found = list(self._posted[filing, slot].values()) if (filing, slot) in self._posted else []
        self._random.shuffle(found)
        return tuple(found)
