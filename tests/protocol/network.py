"""A docket in memory behind a network that loses, delays, reorders and repeats, for long simulations.

Everybody reads through a link of their own: documents come at different times, in another order at every read;
a post may be lost, or kept although it was said to be lost. A docket that is dishonest hides what it likes from
whom it likes. The docket itself is stricter than a real one: it fails the test if a slot grows beyond what the
parties have reason to say, because who posts at every step would fill any docket.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random

from reperform.consensus.docket import Changes, DocketError, Slot
from reperform.evidence.digest import Digest
from reperform.evidence.documents import from_bytes, to_bytes
from reperform.evidence.dsse import Envelope
from reperform.replayer.notebook import Notebook, Page


@dataclass(frozen=True)
class Posted:
    """A document, and when it was posted."""

    filing: Digest
    slot: Slot
    envelope: Envelope
    time: int


@dataclass
class Hub:
    """The place where everything is."""

    clock: Callable[[], int]
    limit: int
    lossy: bool = True  # whether what may be lost is lost now
    posted: list[Posted] = field(default_factory=list)
    _known: set[tuple[Digest, Slot, bytes]] = field(default_factory=set)
    _sizes: Counter[Slot] = field(default_factory=Counter)

    def post(self, filing: Digest, said: Mapping[Slot, Envelope]) -> None:
        """Add documents; posting them again changes nothing."""
        for slot, envelope in said.items():
            key = (filing, slot, to_bytes(envelope))
            if key not in self._known:
                self._known.add(key)
                self._sizes[slot] += 1
                self.posted.append(Posted(filing, slot, envelope, self.clock()))
            assert self._sizes[slot] <= self.limit, f"{self._sizes[slot]} documents in the slot {slot}"


@dataclass
class Link:
    """One party's `Docket`: the hub, as this party sees it."""

    hub: Hub
    random: Random
    lag: int = 0  # milliseconds until a document is here, at most
    loss: float = 0.0  # how often a request fails
    shows: Callable[[Posted], bool] = lambda _: True
    latest: Mapping[Slot, tuple[Envelope, ...]] | None = None  # what was read last
    _due: list[int | None] = field(default_factory=list)  # when each document is here; None: never

    def visible(self) -> list[Posted]:
        """What is here by now."""
        for posted in self.hub.posted[len(self._due) :]:
            self._due.append(posted.time + self.random.randint(0, self.lag) if self.shows(posted) else None)
        now = self.hub.clock()
        return [p for p, due in zip(self.hub.posted, self._due, strict=True) if due is not None and due <= now]

    def changes(self, after: int) -> Changes:
        """Every filing, if there is anything new."""
        self._fail()
        here = self.visible()
        return Changes(len(here), tuple(dict.fromkeys(p.filing for p in here)) if len(here) > after else ())

    def post(self, filing: Digest, said: Mapping[Slot, Envelope]) -> None:
        """Add documents, if they are not lost on the way; who is told that they were cannot tell whether it is so."""
        self._fail()
        self.hub.post(filing, said)
        self._fail()

    def read(self, filing: Digest) -> Mapping[Slot, tuple[Envelope, ...]]:
        """The documents, in any order."""
        self._fail()
        found: dict[Slot, list[Envelope]] = defaultdict(list)
        for posted in self.visible():
            if posted.filing == filing:
                found[posted.slot].append(posted.envelope)
        for envelopes in found.values():
            self.random.shuffle(envelopes)
        self.latest = {slot: tuple(found[slot]) for slot in Slot}
        return self.latest

    def _fail(self) -> None:
        if self.loss and self.hub.lossy and self.random.random() < self.loss:
            raise DocketError("the network lost it")


class Memory(Notebook):
    """A notebook that survives its node, and nothing else."""

    def __init__(self) -> None:
        self.pages: dict[Digest, bytes] = {}

    def read(self, case: Digest) -> Page | None:
        """The page of a case."""
        return from_bytes(Page, self.pages[case]) if case in self.pages else None

    def write(self, page: Page) -> None:
        """Keep a page."""
        self.pages[page.case] = to_bytes(page)
