"""An audit as its lead conducts it, as far as it can be taken now. What was done before is taken up, never redone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from ...evidence.audit.draw import Drawn
from ...evidence.audit.labels import labels_of
from ...evidence.audit.report import Report, open_report
from ...evidence.documents import to_bytes
from ...evidence.dsse import Envelope, Signed
from ...evidence.keyfile import KeyRing
from ...evidence.roster import Roster
from ..log.storage import Reader
from .census import Progress
from .folder import AuditFolder
from .lead import Lead
from .ledger import Ledger
from .population import draw
from .reporting import make_report


class Announcing(Protocol):
    """Who enters an announcement in the operator's log."""

    def announce(self, announcement: Envelope) -> int:
        """Enter it, unless it is there; its index."""
        ...


@dataclass(frozen=True, slots=True)
class Conduct:
    """One audit: its folder, the lead's keys, every epoch of the roster, and the log."""

    folder: AuditFolder
    keys: KeyRing
    rosters: Sequence[Roster]
    reader: Reader
    clock: Callable[[], int]
    progress: Progress

    @property
    def lead(self) -> Lead:
        """Who signs."""
        return Lead(self.folder, self.keys, self.rosters, self.clock)

    def draw(self, beacon: bytes | None, desk: Announcing | None) -> Drawn:
        """Take the steps up to the draw. Raises NotYetError while somebody else must act first."""
        lead = self.lead
        if not self.folder.has("draw.audit"):
            announcement = lead.announce()
            if desk is not None and not self.folder.has("freeze.dsse"):
                desk.announce(announcement)
            lead.freeze(self.reader)
            lead.reveal()
        return lead.draw(beacon)

    def open(self, drawn: Drawn) -> Ledger:
        """The ledger; at first, the sample is drawn from the log."""
        path = self.folder.ledger
        if not path.exists():
            labels = labels_of(drawn, self.folder.labels())
            population = draw(self.reader, drawn, self.rosters, labels, self.progress)
            Ledger.create(
                path,
                drawn.draw_id,
                strata=population.strata,
                receipts=population.receipts,
                coverage=to_bytes(population.census.coverage()),
                started=self.clock(),
            )
        return Ledger(path, drawn.draw_id)

    def report(self, ledger: Ledger, drawn: Drawn) -> Signed[Report]:
        """The report, signed once. Raises NotYetError while an item is open."""
        if not self.folder.has("report.dsse"):
            report = make_report(ledger, drawn, self.clock())
            envelope = Envelope.sign(report, drawn.roster.signers(self.keys))
            open_report(envelope, drawn, ledger.strata())
            self.folder.write("report.dsse", envelope)
        return open_report(self.folder.report(), drawn)
