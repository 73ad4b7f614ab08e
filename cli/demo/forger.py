"""What a forger tries with a genuine pack. Each forgery is a pack that a reader must refuse."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ...evidence.attestation import PAYLOAD_TYPE
from ...evidence.ballot import Finding, Vote
from ...evidence.documents import to_bytes
from ...evidence.dsse import Envelope
from ...evidence.keyfile import KeyRing
from ...evidence.pack import Pack


def forgeries(upheld: Pack, refuted: Pack, bank: KeyRing) -> Iterator[tuple[str, bytes]]:
    """Forged packs by name. `bank` is the refuted operator's own key ring: it may sign what it likes."""
    data = bytearray(to_bytes(refuted))
    data[data.index(refuted.receipt.payload) + len(refuted.receipt.payload) - 1] ^= 1
    yield "one bit of the receipt altered", bytes(data)

    roster = upheld.rosters[0]
    unsigned = replace(roster, signatures=roster.signatures[:1])
    yield "a roster with a missing signature", to_bytes(replace(upheld, rosters=(unsigned,)))

    stuffed = replace(refuted, votes=(*refuted.votes, _own_vote(refuted, bank)))
    yield "a vote from the bank's own node", to_bytes(stuffed)

    kept = tuple(vote for vote in refuted.votes if vote.parse(Vote).finding is Finding.MATCH)
    yield "the votes against the bank left out", to_bytes(replace(refuted, votes=kept))

    verdict = refuted.attestation.payload.replace(b'"verdict":"REFUTED"', b'"verdict":"UPHELD"')
    rewritten = Envelope.sign_bytes(PAYLOAD_TYPE, verdict, bank.signers)
    yield "a verdict rewritten and signed by the bank", to_bytes(replace(refuted, attestation=rewritten))

    swapped = replace(refuted, receipt=upheld.receipt)
    yield "another decision's receipt", to_bytes(swapped)


def _own_vote(pack: Pack, bank: KeyRing) -> Envelope:
    """A MATCH, dressed as a panel member's vote in everything but its key."""
    genuine = pack.votes[0].parse(Vote)
    vote = replace(genuine, node=bank.signing.public.key_id, finding=Finding.MATCH, sealed_answer=b"")
    return Envelope.sign(vote, bank.signers)
