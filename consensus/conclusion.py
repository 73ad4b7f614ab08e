"""The end of a case: the quorum's signatures joined, and everything packed for a stranger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..evidence.attestation import PAYLOAD_TYPE, check_quorum, statement, summary
from ..evidence.ballot import ballot_id
from ..evidence.digest import Digest
from ..evidence.dsse import Envelope, Signature
from ..evidence.errors import ReperformError
from ..evidence.keys import PublicKey, SignatureRefusedError
from ..evidence.manifest import Manifest
from ..evidence.pack import Disclosure, Pack
from ..evidence.roster import Roster
from ..evidence.tally import Tally
from .proceeding import Proceeding


class NoQuorumError(ReperformError):
    """There is no attestation that a quorum signed, yet or any more."""


@dataclass(frozen=True, slots=True)
class Conclusion:
    """A verdict with a quorum's signatures under it, as attestation and as summary."""

    tally: Tally
    attestation: Envelope
    summary: Envelope


def conclude(proceeding: Proceeding) -> Conclusion:
    """Join the panel's signatures over the verdict of the votes so far. Raises NoQuorumError.

    Only keys that signed both statements stand under either: a node may have posted one and not yet the other.
    """
    matter, result = proceeding.matter(), proceeding.tally()
    expected = statement(matter, result), summary(matter, result)
    attestations = _signed(proceeding.attestations, expected[0], matter.roster)
    summaries = _signed(proceeding.summaries, expected[1], matter.roster)
    both = attestations.keys() & summaries.keys()
    return Conclusion(
        result,
        _joined(expected[0], [attestations[key] for key in both], matter.roster),
        _joined(expected[1], [summaries[key] for key in both], matter.roster),
    )


def _signed(envelopes: Sequence[Envelope], payload: bytes, roster: Roster) -> dict[Digest, Signature]:
    """The panel's good signatures over exactly this statement."""
    panel = {key.key_id: key for node in roster.panel() for key in roster.keys_of(node)}
    good = [e for e in envelopes if (e.payload_type, e.payload) == (PAYLOAD_TYPE, payload) and _valid(e, panel)]
    return {signature.key_id: signature for envelope in good for signature in envelope.signatures}


def _joined(payload: bytes, signatures: Sequence[Signature], roster: Roster) -> Envelope:
    if not signatures:
        raise NoQuorumError("no panel member has signed the verdict of the votes at hand")
    joined = Envelope(PAYLOAD_TYPE, payload, tuple(sorted(signatures, key=lambda s: s.key_id)))
    try:
        check_quorum(joined, payload, roster)
    except SignatureRefusedError as error:
        raise NoQuorumError(error.cause, advice="wait for more members of the panel") from error
    return joined


def _valid(envelope: Envelope, panel: dict[Digest, PublicKey]) -> bool:
    try:
        envelope.check(panel)
    except SignatureRefusedError:
        return False  # somebody posted it; it takes nothing from those who signed properly
    return True


def pack(
    proceeding: Proceeding,
    conclusion: Conclusion,
    *,
    rosters: Sequence[Envelope],
    manifest: Manifest,
    disclosure: Disclosure | None,
) -> Pack:
    """The evidence pack of a concluded case. It holds the votes that count, and the ballots on the closed list."""
    matter = proceeding.matter()
    counted = {line.vote for line in conclusion.tally.counted}
    return Pack(
        rosters=tuple(rosters),
        receipt=proceeding.receipt.envelope,
        manifest=manifest,
        case=matter.case.envelope,
        ballot_list=_ballot_list(proceeding),
        ballots=tuple(s.envelope for s in proceeding.ballots if ballot_id(s.envelope) in matter.ballots.ballots),
        votes=tuple(signed.envelope for signed in proceeding.votes if signed.document in counted),
        attestation=conclusion.attestation,
        summary=conclusion.summary,
        disclosure=disclosure,
    )


def _ballot_list(proceeding: Proceeding) -> Envelope:
    if proceeding.ballot_list is None:
        raise NoQuorumError("the ballots of this case are not closed")
    return proceeding.ballot_list.envelope
