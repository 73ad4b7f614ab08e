"""The examination by the roster's panel: what became of the cases that the operator filed for what was drawn.

The operator files, and whoever reads the docket sees what came of it. It may file a decision more than once, after a
case that came to nothing; a verdict against it is not undone by that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ...evidence.audit.draw import Drawn
from ...evidence.audit.examined import Examined
from ...evidence.audit.exhibit import exhibit_id
from ...evidence.ballot import Reason
from ...evidence.case import Filing, Ground
from ...evidence.digest import Digest
from ...evidence.documents import to_bytes
from ...evidence.dsse import Envelope
from ...evidence.errors import ReperformError
from ...evidence.files import write_file
from ...evidence.manifest import Manifest
from ...evidence.roster import Roster
from ...evidence.tally import Tally, Verdict
from ..conclusion import Conclusion, NoQuorumError, conclude, pack
from ..docket import Docket, Slot
from ..proceeding import Phase, Proceeding, assemble, phase
from .ledger import Item, Ledger, Settled

AT_ONCE: Final = 64

# What each verdict is about an item; of several, the first of these counts.
FINDINGS: Final = {
    Verdict.REFUTED: Examined.MISMATCH,
    Verdict.CONTESTED: Examined.INDETERMINATE,
    Verdict.UPHELD: Examined.MATCH,
    Verdict.UNANSWERED: Examined.MISSING,
    Verdict.INCONCLUSIVE: Examined.INDETERMINATE,
}


@dataclass(frozen=True, slots=True)
class _Ended:
    proceeding: Proceeding
    conclusion: Conclusion | None  # None: the case is closed, and no quorum signed


@dataclass(frozen=True, slots=True)
class PanelExamination:
    """Reads verdicts from a docket. `manifests` are of the models at hand, for evidence packs."""

    ledger: Ledger
    drawn: Drawn
    folder: Path  # for evidence
    clock: Callable[[], int]
    rosters: Sequence[Envelope]
    epochs: Sequence[Roster]
    manifests: Mapping[Digest, Manifest]

    def run(self, docket: Docket) -> Iterator[int]:
        """Settle what can be settled now; how many items were, each time some are. Raises ReperformError."""
        if (now := self.clock()) < self.drawn.plan.answer_by:
            self.ledger.ask(now)
        filings, after = self._filings(docket), -1
        while items := self.ledger.open_items(after, AT_ONCE):
            after = items[-1].entry
            settled = [found for item in items if (found := self._settle(item, filings.get(item.receipt, []), docket))]
            self.ledger.settle(settled)
            yield len(settled)

    @staticmethod
    def _filings(docket: Docket) -> dict[bytes, list[Digest]]:
        """The filings for audits, by receipt. Whether they are valid is seen when they are read."""
        found: dict[bytes, list[Digest]] = {}
        seen, position = set[Digest](), 0
        while True:
            changes = docket.changes(position)
            for name in changes.filings:
                if name not in seen:
                    seen.add(name)
                    for receipt in _receipts(docket.read(name)):
                        found.setdefault(receipt, []).append(name)
            if changes.position == position:
                return found
            position = changes.position

    def _settle(self, item: Item, filings: Sequence[Digest], docket: Docket) -> Settled | None:
        ended, under_way = list[_Ended](), False
        for name in filings:
            try:
                proceeding = assemble(name, docket.read(name), self.epochs)
            except ReperformError:
                continue  # somebody posted it
            if to_bytes(proceeding.receipt.envelope) != item.receipt:
                continue
            try:
                ended.append(_Ended(proceeding, conclude(proceeding)))
            except NoQuorumError:
                if phase(proceeding, self.clock()) is Phase.CLOSED:
                    ended.append(_Ended(proceeding, None))
                else:
                    under_way = True
        if under_way:
            return None
        if not ended:
            if self.clock() < self.drawn.plan.answer_by:
                return None
            self.ledger.check_asked()
            return Settled(item.entry, Examined.MISSING, "no case was filed in time")
        return self._judged(item, ended)

    def _judged(self, item: Item, ended: Sequence[_Ended]) -> Settled:
        order = [*FINDINGS]
        concluded = [(each, each.conclusion) for each in ended if each.conclusion is not None]
        if not concluded:
            return Settled(item.entry, Examined.INDETERMINATE, "the panel reached no quorum")
        first, conclusion = min(concluded, key=lambda each: order.index(each[1].tally.verdict))
        verdict, finding = conclusion.tally.verdict, _finding(conclusion.tally, first.proceeding.roster.quorum)
        if finding is Examined.MATCH:
            return Settled(item.entry, finding)
        return Settled(item.entry, finding, f"the panel's verdict is {verdict}", self._kept(item, first, conclusion))

    def _kept(self, item: Item, ended: _Ended, conclusion: Conclusion) -> Digest | None:
        manifest = self.manifests.get(ended.proceeding.receipt.document.model)
        if manifest is None:
            return None
        packed = pack(ended.proceeding, conclusion, rosters=self.rosters, manifest=manifest, disclosure=None)
        data = to_bytes(packed)
        write_file(self.folder / f"{item.entry:012d}.pack", data, mode=0o600)
        return exhibit_id(data)


def _finding(tally: Tally, quorum: int) -> Examined:
    """What a verdict is about an item. In an audit only the operator can hand over what does not open the receipt."""
    by = {line.organisation for line in tally.counted if line.vote.reason in (Reason.OPENING, Reason.RELEASE)}
    return Examined.BROKEN if len(by) >= quorum else FINDINGS[tally.verdict]


def _receipts(posted: Mapping[Slot, Sequence[Envelope]]) -> list[bytes]:
    """The receipts that were posted with a filing for an audit."""
    try:
        if not any(each.parse(Filing).ground is Ground.AUDIT for each in posted.get(Slot.FILING, ())):
            return []
    except ReperformError:
        return []
    return [to_bytes(receipt) for receipt in posted.get(Slot.RECEIPT, ())]
