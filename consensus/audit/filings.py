"""What was drawn, before the panel: the operator files a case for each item, and plays the filer in all of them.

A case is on disk, private, before it is filed: killed and started again, the operator goes on with the same words.
When a case is over nothing is owed in it, and its file is deleted: it has the opening.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ...evidence.audit.answers import NotHeld, receipt_in
from ...evidence.audit.draw import Drawn
from ...evidence.audit.plan import Examination
from ...evidence.digest import Digest
from ...evidence.documents import to_bytes
from ...evidence.files import make_folder, read_document, write_file
from ...evidence.keyfile import KeyRing
from ...evidence.receipt import DecisionFile, Receipt
from ...evidence.roster import Roster, RosterRefusedError, named_roster
from ...evidence.tlog.proof import Proof
from ..agenda import Agenda
from ..conclusion import NoQuorumError, conclude
from ..docket import Docket
from ..filer import FiledDecision, Filer
from ..log.prover import Prover
from ..proceeding import Phase, Proceeding, collect, phase
from .answers import Holdings, Item, held
from .record import NotAnsweredError, Record

log = logging.getLogger(__name__)

AT_ONCE: Final = 200  # cases that are open together, unless told otherwise
CLOSED: Final = "closed without a quorum"


@dataclass(frozen=True, slots=True)
class Venue:
    """Where cases are filed: a docket, and which of its roster's nodes keeps it, by name, if there are several."""

    docket: Docket
    name: str | None

    def node(self, roster: Roster) -> Digest:
        """The docket's node on this roster. Raises RosterRefusedError."""
        found = [node for node in roster.dockets() if self.name in (None, node.name)]
        if len(found) != 1:
            raise RosterRefusedError(
                f"epoch {roster.epoch} of roster {roster.name!r} has {len(found)} such dockets",
                advice="name the one that keeps this docket",
            )
        return found[0].node_id


@dataclass(frozen=True, slots=True)
class _Open:
    entry: int
    filer: Filer


class Filings:
    """The cases of one draw. Call `step` until there is nothing left to do."""

    def __init__(
        self,
        folder: Path,
        record: Record,
        drawn: Drawn,
        holdings: Holdings,
        venue: Venue,
        *,
        rosters: Sequence[Roster],
        clock: Callable[[], int],
    ) -> None:
        """Take up what was filed before. `folder` is for this operator alone. Raises ReperformError."""
        if drawn.plan.examination is not Examination.PANEL:
            raise NotAnsweredError(
                "the plan has the lead's own organisation examine, not the panel", advice="answer the lead (--out)"
            )
        make_folder(folder, mode=0o700)
        self._folder = folder
        self._record = record
        self._drawn = drawn
        self._holdings = holdings
        self._venue = venue
        self._rosters = rosters
        self._clock = clock
        self._rings = {keys.signing.public.key_id: keys for keys in holdings.rings}
        self._prover = Prover(holdings.reader)
        self._agenda = Agenda(venue.docket, rosters)
        self._open: dict[Digest, _Open] = {}
        self._ends: dict[Digest, int] = {}  # when an open case closes
        ended = record.ended(drawn.draw_id)
        left = [item for item in record.items(drawn.draw_id, -1) if item[0] not in ended]
        begun = [item for item in left if self._path(item[0]).exists()]
        self._waiting = deque(item for item in left if not self._path(item[0]).exists())
        for item in begun:
            self._take_up(self._file(item))

    def step(self, at_once: int = AT_ONCE) -> int:
        """File what may be filed, and do the filer's part in every open case; how many are not over or not filed yet.

        Raises DocketError, and ReperformError where an opening cannot be read now.
        """
        while len(self._open) < at_once and self._waiting:
            item = self._waiting.popleft()
            decision = held(item[1], self._holdings.find)
            if not isinstance(decision, NotHeld):  # what is not held is said to the lead
                self._write(item, decision)
                self._file(item)
        now = self._clock()
        for filing, cause in self._agenda.take_up(lambda proceeding: self._advance(proceeding, now), now):
            if filing in self._open:
                log.warning("filing %s: %s", filing.short(), cause)
        for filing in [name for name, ends in self._ends.items() if now > ends]:
            self._end(filing, self._outcome(collect(self._venue.docket, filing, self._rosters)) or CLOSED)
        return len(self._open) + len(self._waiting)

    @property
    def results(self) -> Mapping[int, str]:
        """How the cases ended that did, by entry."""
        return self._record.ended(self._drawn.draw_id)

    def _advance(self, proceeding: Proceeding, now: int) -> None:
        mine = self._open.get(proceeding.filing_id)
        if mine is None:
            return
        mine.filer.step(proceeding)
        self._note_end(proceeding)
        if phase(proceeding, now) is Phase.ATTESTING and (verdict := self._outcome(proceeding)) is not None:
            self._end(proceeding.filing_id, verdict)

    def _take_up(self, filing: Digest) -> None:
        """A case that was over while nobody was here is on no agenda."""
        self._note_end(collect(self._venue.docket, filing, self._rosters))

    def _note_end(self, proceeding: Proceeding) -> None:
        if proceeding.case is not None:
            self._ends[proceeding.filing_id] = proceeding.case.document.deadlines.attestation

    @staticmethod
    def _outcome(proceeding: Proceeding) -> str | None:
        """The verdict that a quorum has signed."""
        try:
            return str(conclude(proceeding).tally.verdict)
        except NoQuorumError:
            return None

    def _write(self, item: Item, decision: DecisionFile) -> None:
        """The case on disk, before anybody hears of it."""
        entry, receipt = item[0], receipt_in(item[1])
        roster = named_roster(self._rosters, receipt.roster)
        docket, keys = self._venue.node(roster), self._keys(receipt)
        filed = FiledDecision.in_audit(decision, keys, roster, docket, self._inclusion(entry))
        write_file(self._path(entry), to_bytes(filed), mode=0o600)

    def _file(self, item: Item) -> Digest:
        entry, keys = item[0], self._keys(receipt_in(item[1]))
        filed = read_document(self._path(entry), FiledDecision)
        self._record.filed(self._drawn.draw_id, entry, filed.filing_id, self._clock())
        filer = Filer(self._venue.docket, keys, filed)
        filer.file()
        self._open[filed.filing_id] = _Open(entry, filer)
        return filed.filing_id

    def _end(self, filing: Digest, how: str) -> None:
        self._ends.pop(filing, None)
        entry = self._open.pop(filing).entry
        self._record.end(self._drawn.draw_id, entry, how)
        self._path(entry).unlink(missing_ok=True)
        log.info("entry %d: %s", entry, how)

    def _keys(self, receipt: Receipt) -> KeyRing:
        keys = self._rings.get(receipt.executor)
        if keys is None:
            raise RosterRefusedError(
                f"the keys of executor {receipt.executor.short()}, which issued a receipt of the sample, are not here",
                advice="give its key file with --key too",
            )
        return keys

    def _inclusion(self, entry: int) -> str:
        """The proof that an item stands in the log, under the checkpoint at which the population was frozen."""
        note = Proof.parse(self._drawn.frozen.freeze.proof.encode()).checkpoint
        size = self._drawn.frozen.witnessed.checkpoint.size
        return str(Proof(entry, self._prover.inclusion(entry, size), note, None))

    def _path(self, entry: int) -> Path:
        return self._folder / f"{self._drawn.draw_id.short()}-{entry:012d}.filed"
