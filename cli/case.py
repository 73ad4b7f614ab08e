"""A case as its documents show it, to whoever reads them: for people and for machines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..consensus.awaited import Awaited, awaited
from ..consensus.conclusion import Conclusion, NoQuorumError, conclude
from ..consensus.docket import Docket
from ..consensus.filer import FiledDecision
from ..consensus.proceeding import Phase, Proceeding, assemble, phase
from ..evidence.digest import Digest
from ..evidence.documents import to_bytes
from ..evidence.dsse import Envelope
from ..evidence.encoding import MalformedError
from ..evidence.errors import ReperformError
from ..evidence.faults import Proof, faults
from ..evidence.files import FileError, read_document, write_file
from ..evidence.misbehaviour import Misbehaviour
from ..evidence.roster import Roster
from .output import moment

RECORD = "filed-decision.msgpack"  # in the folder of a dispute


def filing_of(case: str) -> Digest:
    """The filing that a person means: by its id, or by the folder of the dispute. Raises FileError."""
    record = Path(case) / RECORD
    if record.exists():
        return read_document(record, FiledDecision).filing_id
    try:
        return Digest.from_hex(case)
    except MalformedError as error:
        raise FileError(
            f"{case} is neither the folder of a dispute nor a filing's id",
            advice="give the folder that `dispute file --state` named, or 64 hexadecimal digits",
        ) from error


@dataclass(frozen=True)
class View:
    """One look at a case."""

    proceeding: Proceeding
    proofs: tuple[Proof, ...]
    conclusion: Conclusion | None
    now: int

    @classmethod
    def of(cls, docket: Docket, filing: Digest, rosters: Sequence[Roster], now: int) -> View:
        """Read and verify. Raises DocketError, and a ReperformError if it is no valid filing."""
        posted = docket.read(filing)
        if not any(posted.values()):
            raise FileError(f"nothing is posted about filing {filing.short()}", advice="check the docket and the id")
        proceeding = assemble(filing, posted, rosters)
        documents = [envelope for slot in posted.values() for envelope in slot]
        return cls(proceeding, faults(documents, rosters), _conclusion(proceeding), now)

    @property
    def phase(self) -> Phase:
        """Where the case stands."""
        return phase(self.proceeding, self.now)

    def body(self) -> dict[str, Any]:
        """For machines."""
        known, result = self.proceeding, self.conclusion
        return {
            "filing": str(known.filing_id),
            "case": None if known.case is None else str(known.case_id),
            "decision": known.receipt.document.decision.hex(),
            "epoch": known.roster.epoch,
            "phase": str(self.phase),
            "ballots": sorted(self._name(signed.document.node) for signed in known.ballots),
            "findings": [
                {
                    "node": self._name(signed.document.node),
                    "finding": str(signed.document.finding),
                    "reason": None if signed.document.reason is None else str(signed.document.reason),
                    "set_aside": self._set_aside(signed.envelope),
                }
                for signed in known.votes
            ],
            "awaited": [
                {"what": str(item.slot), "of": list(self._names(item)), "until": item.until}
                for item in awaited(known, self.now)
            ],
            "refused": [{"slot": str(item.slot), "cause": item.cause} for item in known.refused],
            "misbehaviour": [
                {"fault": str(proof.fault), "nodes": [self._name(node) for node in proof.nodes]}
                for proof in self.proofs
            ],
            "verdict": None if result is None else str(result.tally.verdict),
        }

    def lines(self) -> list[str]:
        """For people."""
        known, body = self.proceeding, self.body()
        opened = "" if known.case is None else f", case {known.case_id.short()} of {moment(known.case.document.opened)}"
        lines = [
            f"filing {known.filing_id.short()}: {body['phase']}{opened}",
            f"  decision   {body['decision']}, judged under epoch {body['epoch']} of roster {known.roster.name!r}",
        ]
        for node in body["ballots"]:
            if all(finding["node"] != node for finding in body["findings"]):
                lines.append(f"  ballot     {node}: committed")
        for item in body["findings"]:
            reason = "" if item["reason"] is None else f" ({item['reason']})"
            aside = "" if item["set_aside"] is None else f", set aside: {item['set_aside']}"
            lines.append(f"  finding    {item['node']}: {item['finding']}{reason}{aside}")
        for item in body["awaited"]:
            until = "" if item["until"] is None else f" until {moment(item['until'])}"
            lines.append(f"  awaited    {item['what']} of {', '.join(item['of'])}{until}")
        lines += [f"  refused    {item['slot']}: {item['cause']}" for item in body["refused"]]
        lines += [f"  PROVED     {item['fault']}, by {' or '.join(item['nodes'])}" for item in body["misbehaviour"]]
        if self.conclusion is not None:
            lines.append(f"  verdict    {body['verdict']}, signed by a quorum")
        elif self.phase is Phase.CLOSED:
            lines.append("  verdict    none: the case is closed and no quorum signed")
        return lines

    def export(self, folder: Path, rosters: Sequence[Envelope]) -> list[Path]:
        """Write one file for each proved fault, for `reperform verify`. What is there already is the same."""
        written: list[Path] = []
        for proof in self.proofs:
            data = to_bytes(Misbehaviour.of(proof, rosters))
            names = "-or-".join(node.short() for node in proof.nodes)
            count = sum(path.name.startswith(f"{proof.fault}-{names}") for path in written)
            path = folder / f"{proof.fault}-{names}{f'-{count + 1}' if count else ''}.evidence"
            write_file(path, data)
            written.append(path)
        return written

    def _name(self, node: Digest) -> str:
        try:
            organisation, member = self.proceeding.roster.member(node)
        except ReperformError:
            return node.short()  # of another epoch, in a document of another case
        return organisation.name if member.name == organisation.name else f"{organisation.name}: {member.name}"

    def _names(self, item: Awaited) -> tuple[str, ...]:
        return tuple(self._name(node) for node in item.nodes) or ("the filer",)

    def _set_aside(self, vote: Envelope) -> str | None:
        if self.proceeding.vote_list is None:
            return None
        mine = [line for line in self.proceeding.tally().lines if to_bytes(line.vote) == vote.payload]
        return None if not mine or mine[0].set_aside is None else str(mine[0].set_aside)


def _conclusion(proceeding: Proceeding) -> Conclusion | None:
    try:
        return conclude(proceeding)
    except NoQuorumError:
        return None
