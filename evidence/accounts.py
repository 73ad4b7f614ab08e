"""What a log says about those who issue receipts: every number accounted for, by anybody, from the entries alone.

An executor reserves its numbers before it runs a model. So a number that is missing below one that is there is a
decision, or a failure, that was left out; and a number that is there twice was given to two. Only what an executor
signed counts: an entry that it did not sign fills no gap.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache

from .digest import Digest
from .documents import from_bytes
from .dsse import Envelope, payload_type
from .errors import ReperformError
from .receipt import Abandonment, Receipt, open_abandonment, open_receipt
from .roster import Roster, named_roster
from .tlog.checkpoint import Checkpoint


class Irregularity(StrEnum):
    """What should not be in a log, or should be."""

    MISSING = "no entry has this number, and one has a later number"
    TWICE = "an earlier entry has this number"
    UNSIGNED = "it is no receipt by an executor of a roster that is at hand"
    NO_CHECKPOINT = "it names no checkpoint of this log"
    AHEAD = "it names a checkpoint of more entries than stand before it"
    ANOTHER_HISTORY = "it names a checkpoint that is not of this log's history"


@dataclass(frozen=True, slots=True)
class Finding:
    """One irregularity. `numbers` are an executor's, the first and the last; `entry` is where it shows."""

    kind: Irregularity
    entry: int
    executor: Digest | None = None
    numbers: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """What an executor of a known roster signed, if the entry is about a number; and what is irregular about it."""

    document: Receipt | Abandonment | None
    findings: tuple[Finding, ...]


@dataclass(slots=True)
class _Account:
    """One executor's numbers: those below `next` are taken, but for the gaps (first and last number, entry), sorted."""

    next: int = 0
    gaps: list[tuple[int, int, int]] = field(default_factory=list)

    def take(self, number: int, entry: int) -> bool:
        """Whether the number was free."""
        if number >= self.next:
            if number > self.next:
                self.gaps.append((self.next, number - 1, entry))
            self.next = number + 1
            return True
        at = bisect_right(self.gaps, number, key=lambda gap: gap[0]) - 1
        if at < 0 or number > self.gaps[at][1]:
            return False
        first, last, since = self.gaps[at]
        self.gaps[at : at + 1] = [
            gap for gap in ((first, number - 1, since), (number + 1, last, since)) if gap[0] <= gap[1]
        ]
        return True


class Accounts:
    """Reads a log's entries in order, from the first. Its memory grows with executors and gaps, not with entries."""

    def __init__(self, origin: str, rosters: Sequence[Roster], root_at: Callable[[int], bytes]) -> None:
        """`root_at` gives the root of so many first entries of this log."""
        self._origin = origin
        self._rosters = rosters
        self._root_at = lru_cache(1024)(root_at)  # many receipts name one checkpoint
        self._accounts: dict[Digest, _Account] = {}
        self.decisions = 0
        self.abandonments = 0

    def take(self, entry: int, data: bytes) -> Taken:
        """The next entry. Raises StorageError or the like if `root_at` does."""
        issued = self._issued(data)
        if issued is None:
            return Taken(None, ())
        try:
            document = self._opened(issued)
        except ReperformError:
            return Taken(None, (Finding(Irregularity.UNSIGNED, entry),))
        if isinstance(document, Receipt):
            self.decisions += 1
        else:
            self.abandonments += 1
        free = self._accounts.setdefault(document.executor, _Account()).take(document.sequence, entry)
        kinds = (None if free else Irregularity.TWICE, self._wrong(document.checkpoint, entry))
        number = (document.sequence, document.sequence)
        return Taken(document, tuple(Finding(kind, entry, document.executor, number) for kind in kinds if kind))

    def missing(self) -> Iterator[Finding]:
        """The gaps, when all entries were read. The newest may be about to be filled: entries come in batches."""
        for executor in sorted(self._accounts):
            for first, last, entry in self._accounts[executor].gaps:
                yield Finding(Irregularity.MISSING, entry, executor, (first, last))

    @staticmethod
    def _issued(data: bytes) -> Envelope | None:
        """None for what is about no number: a roster, an attestation, another kind of entry."""
        try:
            envelope = from_bytes(Envelope, data)
        except ReperformError:
            return None
        return envelope if envelope.payload_type in _ISSUED else None

    def _opened(self, envelope: Envelope) -> Receipt | Abandonment:
        if envelope.payload_type == payload_type(Receipt):
            roster = named_roster(self._rosters, envelope.parse(Receipt).roster)
            return open_receipt(envelope, roster).document
        roster = named_roster(self._rosters, envelope.parse(Abandonment).roster)
        return open_abandonment(envelope, roster).document

    def _wrong(self, seen: Checkpoint | None, entry: int) -> Irregularity | None:
        if seen is None or seen.origin != self._origin:
            return Irregularity.NO_CHECKPOINT
        if seen.size > entry:
            return Irregularity.AHEAD
        return None if self._root_at(seen.size) == seen.root.value else Irregularity.ANOTHER_HISTORY


_ISSUED = frozenset((payload_type(Receipt), payload_type(Abandonment)))
