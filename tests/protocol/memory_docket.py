"""A docket in memory, for long simulations. It is stricter than a folder, and less obliging.

Documents come back in another order at every read. It fails the test if anything that was posted changes, and
if a slot grows beyond what the parties have reason to say: who posts at every step would fill any docket.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from random import Random

from reperform.consensus.docket import Slot
from reperform.evidence.digest import Digest
from reperform.evidence.documents import to_bytes
from reperform.evidence.dsse import Envelope


class MemoryDocket:
    """A `Docket` whose order is drawn from `random`, with at most `limit` documents in a slot."""

    def __init__(self, random: Random, limit: int) -> None:
        self._random = random
        self._limit = limit
        self._posted: dict[tuple[Digest, Slot], dict[bytes, Envelope]] = defaultdict(dict)
        self.size = 0

    def filings(self) -> Iterable[Digest]:
        """Everything that has a filing slot."""
        found = sorted({filing for filing, slot in self._posted if slot is Slot.FILING})
        self._random.shuffle(found)
        return found

    def post(self, filing: Digest, slot: Slot, envelope: Envelope) -> None:
        """Add a document."""
        place, data = self._posted[filing, slot], to_bytes(envelope)
        self.size += data not in place
        place.setdefault(data, envelope)
        assert len(place) <= self._limit, f"{len(place)} documents in the slot {slot}"

    def read(self, filing: Digest, slot: Slot) -> tuple[Envelope, ...]:
        """The documents, in any order."""
        found = list(self._posted[filing, slot].values()) if (filing, slot) in self._posted else []
        self._random.shuffle(found)
        return tuple(found)
