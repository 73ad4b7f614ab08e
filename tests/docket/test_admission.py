"""Who may put what where. A stranger may put nothing anywhere, and learns nothing of what it wrote from the refusal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from reperform.consensus.admission import MAX_BYTES, Admission, NotAdmittedError
from reperform.consensus.docket import Slot
from reperform.evidence.attestation import sign_statement
from reperform.evidence.ballot import Ballot
from reperform.evidence.digest import Digest
from reperform.evidence.documents import from_bytes, to_bytes
from reperform.evidence.dsse import Envelope, Signature
from reperform.evidence.encoding import decode, encode
from reperform.evidence.keyfile import KeyRing
from reperform.tests.world import BANK, DOCKET, PANEL, World

MARKER = "Ms-Applicant-4211"


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, Digest]:
    """A world with a case that was played to its end."""
    world = World(tmp_path_factory.mktemp("played") / "world")
    _, filed, _ = world.run(world.decision(), world.nodes(), rounds=8)
    return world, filed.filing_id


def admission(world: World, docket: str = DOCKET) -> Admission:
    return Admission([world.roster], world.rings[docket].signing.public.key_id)


def again(envelope: Envelope, keys: KeyRing) -> Envelope:
    """The same words, signed by somebody else."""
    return Envelope.sign_bytes(envelope.payload_type, envelope.payload, keys.signers)


@pytest.mark.parametrize("slot", Slot)
def test_what_the_parties_posted_is_admitted(played: tuple[World, Digest], slot: Slot) -> None:
    world, filing = played
    posted = world.docket.read(filing)
    assert posted[slot]
    for envelope in posted[slot]:
        admission(world).check(filing, slot, envelope, posted)


@pytest.mark.parametrize("slot", Slot)
@pytest.mark.parametrize("who", ["a stranger", BANK, DOCKET, PANEL[0]])
def test_nobody_fills_anothers_slot(played: tuple[World, Digest], slot: Slot, who: str) -> None:
    world, filing = played
    posted = world.docket.read(filing)
    keys = world.rings.get(who) or KeyRing.generate()
    for envelope in posted[slot]:
        if keys.signing.public.key_id in {signature.key_id for signature in envelope.signatures}:
            continue
        if slot in (Slot.ATTESTATION, Slot.SUMMARY) and who in PANEL:
            continue  # the same statement by another member of the panel is its own
        with pytest.raises(NotAdmittedError):
            admission(world).check(filing, slot, again(envelope, keys), posted)


@pytest.mark.parametrize("slot", Slot)
def test_nothing_stands_in_another_slot_or_about_another_filing(played: tuple[World, Digest], slot: Slot) -> None:
    world, filing = played
    posted = world.docket.read(filing)
    other, _ = world.file(world.decision(income="2"))
    world.keeper.step(world.now)
    for envelope in posted[slot]:
        for wrong in set(Slot) - {slot, Slot.SUMMARY, Slot.ATTESTATION}:
            with pytest.raises(NotAdmittedError):
                admission(world).check(filing, wrong, envelope, posted)
        if slot in (Slot.ATTESTATION, Slot.SUMMARY):
            continue  # its author may say it anywhere, twice; it counts nowhere else
        with pytest.raises(NotAdmittedError):
            admission(world).check(other.filing_id, slot, envelope, world.docket.read(other.filing_id))


def test_a_case_comes_before_its_documents(played: tuple[World, Digest]) -> None:
    world, filing = played
    posted = world.docket.read(filing)
    before = {slot: posted[slot] for slot in (Slot.RECEIPT, Slot.FILING)}
    for slot in set(Slot) - {Slot.RECEIPT, Slot.FILING, Slot.CASE}:
        with pytest.raises(NotAdmittedError, match="there is no case on it yet"):
            admission(world).check(filing, slot, posted[slot][0], before)
    with pytest.raises(NotAdmittedError, match="has no valid receipt: it was not posted"):
        admission(world).check(filing, Slot.FILING, posted[Slot.FILING][0], {})
    with pytest.raises(NotAdmittedError, match="is not a valid filing: it was not posted"):
        admission(world).check(filing, Slot.BALLOT, posted[Slot.BALLOT][0], {})


def test_a_receipt_under_an_unknown_roster_is_not_admitted(played: tuple[World, Digest], tmp_path: Path) -> None:
    world, filing = played
    elsewhere = World(tmp_path / "elsewhere")
    with pytest.raises(NotAdmittedError, match="is not at hand"):
        admission(world).check(filing, Slot.RECEIPT, elsewhere.decision().receipt, {})


def test_what_was_filed_with_another_docket_has_no_place_here(played: tuple[World, Digest]) -> None:
    world, filing = played
    posted = world.docket.read(filing)
    with pytest.raises(NotAdmittedError, match="it was filed with another docket"):
        admission(world, PANEL[0]).check(filing, Slot.FILING, posted[Slot.FILING][0], posted)


def test_signatures_of_several_nodes_cannot_be_put_together(played: tuple[World, Digest]) -> None:
    world, filing = played
    posted = world.docket.read(filing)
    first = posted[Slot.ATTESTATION][0]
    signatures = [each for envelope in posted[Slot.ATTESTATION] for each in envelope.signatures]
    joined = Envelope(first.payload_type, first.payload, tuple(sorted(signatures, key=lambda s: s.key_id)))
    with pytest.raises(NotAdmittedError, match="each node signs alone, with all its keys"):
        admission(world).check(filing, Slot.ATTESTATION, joined, posted)


def test_a_document_is_no_larger_than_its_slot_allows(played: tuple[World, Digest]) -> None:
    world, filing = played
    large = sign_statement(bytes(MAX_BYTES[Slot.ATTESTATION]), world.rings[PANEL[0]].signers)
    with pytest.raises(NotAdmittedError, match=f"a attestation has at most {MAX_BYTES[Slot.ATTESTATION]} bytes"):
        admission(world).check(filing, Slot.ATTESTATION, large, world.docket.read(filing))


def _other_type(ballot: Envelope) -> Envelope:
    return Envelope(MARKER, ballot.payload, ballot.signatures)


def _other_kind(ballot: Envelope) -> Envelope:
    body = decode(ballot.payload)
    assert isinstance(body, dict)
    return Envelope(ballot.payload_type, encode({**body, "kind": MARKER}), ballot.signatures)


def _other_field(ballot: Envelope) -> Envelope:
    body = decode(ballot.payload)
    assert isinstance(body, dict)
    return Envelope(ballot.payload_type, encode({**body, MARKER: MARKER}), ballot.signatures)


def _other_signature(ballot: Envelope) -> Envelope:
    return Envelope(ballot.payload_type, ballot.payload, (Signature(ballot.signatures[0].key_id, MARKER.encode()),))


@pytest.mark.parametrize("change", [_other_type, _other_kind, _other_field, _other_signature])
def test_a_refusal_does_not_show_what_was_written(
    played: tuple[World, Digest], change: Callable[[Envelope], Envelope]
) -> None:
    world, filing = played
    posted = world.docket.read(filing)
    with pytest.raises(NotAdmittedError) as raised:
        admission(world).check(filing, Slot.BALLOT, change(posted[Slot.BALLOT][0]), posted)
    assert MARKER not in str(raised.value)
    assert from_bytes(Envelope, to_bytes(posted[Slot.BALLOT][0])).parse(Ballot)
