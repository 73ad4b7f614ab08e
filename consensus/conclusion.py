"""The end of a case: the quorum's signatures joined, and everything packed for a stranger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..evidence.attestation import PAYLOAD_TYPE, check_quorum, statement, summary
from ..evidence.digest import Digest
from ..evidence.dsse import Envelope, Signature
from ..evidence.errors import ReperformError
from ..evidence.keys import SignatureRefusedError
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
    """Join the panel's signatures over the verdict of the listed votes. Raises NoQuorumError."""
    if proceeding.vote_list is None:
        raise NoQuorumError("the votes of this case are not closed", advice="wait for the docket to close them")
    return _signed(proceeding, proceeding.tally())


def _signed(proceeding: Proceeding, result: Tally) -> Conclusion:
    """The signatures of those who signed both statements, with all their keys; others may have begun to."""
    roster, matter = proceeding.roster, proceeding.matter()
    expected = statement(matter, result), summary(matter, result)
    attestations = _signatures(proceeding.attestations, expected[0], roster)
    summaries = _signatures(proceeding.summaries, expected[1], roster)
    signed = attestations.keys() & summaries.keys()
    complete = [keys for node in proceeding.panel if (keys := {k.key_id for k in roster.keys_of(node)}) <= signed]
    signers = sorted(key for keys in complete for key in keys)
    return Conclusion(
        result,
        _joined(expected[0], [attestations[key] for key in signers], roster),
        _joined(expected[1], [summaries[key] for key in signers], roster),
    )


def _signatures(posted: Sequence[Envelope], payload: bytes, roster: Roster) -> dict[Digest, Signature]:
    """The panel's good signatures over exactly this statement, by key."""
    panel = roster.panel_keys()
    found: dict[Digest, Signature] = {}
    for envelope in posted:
        if (envelope.payload_type, envelope.payload) != (PAYLOAD_TYPE, payload):
            continue
        try:
            envelope.check(panel)
        except SignatureRefusedError:
            continue  # somebody posted it; it takes nothing from those who signed properly
        found |= {signature.key_id: signature for signature in envelope.signatures}
    return found


def _joined(payload: bytes, signatures: Sequence[Signature], roster: Roster) -> Envelope:
    if not signatures:
        raise NoQuorumError("no panel member has signed the verdict of the votes at hand")
    joined = Envelope(PAYLOAD_TYPE, payload, tuple(signatures))
    try:
        check_quorum(joined, payload, roster)
    except SignatureRefusedError as error:
        raise NoQuorumError(error.cause, advice="wait for more members of the panel") from error
    return joined


def pack(
    proceeding: Proceeding,
    conclusion: Conclusion,
    *,
    rosters: Sequence[Envelope],
    manifest: Manifest,
    disclosure: Disclosure | None,
) -> Pack:
    """The evidence pack of a concluded case: all ballots and all votes on its lists, whatever they say."""
    matter = proceeding.matter()
    if proceeding.ballot_list is None or proceeding.vote_list is None:
        raise NoQuorumError("the votes of this case are not closed", advice="wait for the docket to close them")
    return Pack(
        rosters=tuple(rosters),
        receipt=proceeding.receipt.envelope,
        manifest=manifest,
        case=matter.case.envelope,
        ballot_list=proceeding.ballot_list.envelope,
        ballots=tuple(signed.envelope for signed in proceeding.listed_ballots()),
        vote_list=proceeding.vote_list.envelope,
        votes=tuple(signed.envelope for signed in proceeding.listed_votes()),
        attestation=conclusion.attestation,
        summary=conclusion.summary,
        disclosure=disclosure,
    )
