"""A receipt's place in the log: whose signatures it takes, and what follows from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
from reperform.evidence.digest import Digest
from reperform.evidence.documents import to_bytes
from reperform.evidence.dsse import Envelope
from reperform.evidence.encoding import MalformedError
from reperform.evidence.errors import ReperformError
from reperform.evidence.inclusion import Place, open_inclusion
from reperform.evidence.keys import SignatureRefusedError
from reperform.evidence.receipt import open_receipt
from reperform.evidence.roster import Revocation, Roster, RosterRefusedError, Suite
from reperform.evidence.tally import Verdict
from reperform.evidence.tlog.cosignature import cosign
from reperform.evidence.tlog.note import Note
from reperform.evidence.tlog.proof import Proof
from reperform.evidence.tlog.tree import ProofRefusedError
from reperform.evidence.verify import VerificationError, verify
from reperform.evidence.witnessed import NotWitnessedError
from reperform.tests.evidence.ledger import ORIGIN, Ledger
from reperform.tests.evidence.scene import BANK, DOCKET, START, Scene, refuted, ring, upheld

SCENE = Scene(witnesses=2, panel={"Audit House": 1, "Consumer Union": 2, "Finance Authority": 1})
AUDIT, UNION_1, UNION_2, AUTHORITY = SCENE.voters
RECEIPT = Envelope.sign(SCENE.receipt(), SCENE.signers(BANK))
ENTRY = 3  # behind those of the ledger
SECOND = START // 1000 + 1


def place(inclusion: str, *rosters: Roster, receipt: Envelope = RECEIPT) -> Place:
    return open_inclusion(inclusion, open_receipt(receipt, SCENE.roster), [SCENE.roster, *rosters])


def later(*revoked: Revocation, **changes: object) -> Roster:
    """Epoch 2, in which nodes whose keys are revoked are no more."""
    names = {each.node for each in revoked}
    organisations = [
        replace(each, nodes=tuple(node for node in each.nodes if node.node_id not in names))
        for each in SCENE.roster.organisations
    ]
    left = tuple(each for each in organisations if each.nodes)
    epoch = replace(SCENE.roster, epoch=2, previous=SCENE.roster.roster_id, organisations=left, revoked=revoked)
    return replace(epoch, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("suite", Suite)
def test_a_receipt_stands_where_a_witnessed_checkpoint_says(suite: Suite) -> None:
    scene = Scene(witnesses=3, suite=suite)
    receipt = Envelope.sign(scene.receipt(), scene.signers(BANK))
    found = open_inclusion(scene.inclusion(receipt), open_receipt(receipt, scene.roster), [scene.roster])
    assert found.index == ENTRY
    assert found.witnessed.checkpoint.size == ENTRY + 2
    assert found.witnessed.organisations == tuple(sorted(scene.panel))
    assert found.witnessed.time == SECOND * 1000


def test_organisations_witness_and_not_nodes() -> None:
    with pytest.raises(NotWitnessedError, match="cosigned by 1 organisations of epoch 1; it needs 2"):
        place(SCENE.inclusion(RECEIPT, [UNION_1, UNION_2]))
    assert place(SCENE.inclusion(RECEIPT, [UNION_1, AUDIT])).witnessed.organisations == (AUDIT, "Consumer Union")


@pytest.mark.parametrize("stranger", [BANK, DOCKET, "nobody"])
def test_only_replayers_witness(stranger: str) -> None:
    with pytest.raises(NotWitnessedError, match="cosigned by 1 organisations"):
        place(SCENE.inclusion(RECEIPT, [AUDIT, stranger]))


def test_the_time_is_when_enough_had_seen_it() -> None:
    def note(ledger: Ledger) -> Note:
        times = {AUDIT: SECOND + 9, UNION_1: SECOND + 7, UNION_2: SECOND + 5, AUTHORITY: SECOND}
        signed = ledger.note((), SECOND)
        more = [cosign(ledger.checkpoint(), SCENE.member(n).cosigner, ring(n).signing, at) for n, at in times.items()]
        return Note(signed.text, (*signed.signatures, *more))

    grown = SCENE.ledger.with_entries(RECEIPT)
    assert place(grown.prove(ENTRY, note(grown))).witnessed.time == (SECOND + 5) * 1000


def test_without_witnesses_there_is_only_the_word_of_the_log() -> None:
    scene = Scene(witnesses=0)
    receipt = Envelope.sign(scene.receipt(), scene.signers(BANK))
    grown = scene.ledger.with_entries(receipt)
    found = open_inclusion(
        grown.prove(ENTRY, grown.note((), SECOND)), open_receipt(receipt, scene.roster), [scene.roster]
    )
    assert (found.index, found.witnessed.organisations, found.witnessed.time) == (ENTRY, (), None)


def _other_receipt() -> str:
    return SCENE.inclusion(Envelope.sign(SCENE.receipt(sequence=8), SCENE.signers(BANK)))


def _other_entry() -> str:
    good = Proof.parse(SCENE.inclusion(RECEIPT).encode())
    return str(replace(good, index=ENTRY - 1))


def _other_log() -> str:
    ledger = Ledger.of(ring("another log"), post_quantum=False).with_entries(RECEIPT)
    return ledger.prove(ENTRY, ledger.note([(SCENE.member(n), SCENE.signers(n)) for n in SCENE.voters], SECOND))


def _unsigned() -> str:
    good = Proof.parse(SCENE.inclusion(RECEIPT).encode())
    rest = tuple(signature for signature in good.checkpoint.signatures if signature.name != ORIGIN)
    return str(replace(good, checkpoint=Note(good.checkpoint.text, rest)))


def _forged() -> str:
    """The log's name and key id over another's signature."""
    good = Proof.parse(SCENE.inclusion(RECEIPT).encode())
    first, *rest = good.checkpoint.signatures
    forged = replace(first, value=ring("a stranger").signing.sign(good.checkpoint.text.encode()))
    return str(replace(good, checkpoint=Note(good.checkpoint.text, (forged, *rest))))


def _moved_signature() -> str:
    """The cosignature of another checkpoint of the same log."""
    good = Proof.parse(SCENE.inclusion(RECEIPT).encode())
    old = cosign(SCENE.ledger.checkpoint(), SCENE.member(AUDIT).cosigner, ring(AUDIT).signing, SECOND)
    rest = tuple(old if each.name == old.name else each for each in good.checkpoint.signatures)
    return str(replace(good, checkpoint=Note(good.checkpoint.text, rest)))


@pytest.mark.parametrize(
    ("forge", "error", "message"),
    [
        (_other_receipt, ProofRefusedError, "not proved that this is entry 3"),
        (_other_entry, ProofRefusedError, "not proved that this is entry 2"),
        (_other_log, NotWitnessedError, "not signed by log"),
        (_unsigned, NotWitnessedError, "not signed by log"),
        (_forged, SignatureRefusedError, "does not verify"),
        (_moved_signature, SignatureRefusedError, "does not verify"),
        (lambda: "", MalformedError, "not a proof of inclusion"),
        (lambda: SCENE.inclusion(RECEIPT) + "\n", MalformedError, "a note"),
    ],
)
def test_a_proof_that_proves_something_else_is_refused(
    forge: Callable[[], str], error: type[ReperformError], message: str
) -> None:
    with pytest.raises(error, match=message):
        place(forge())


def test_a_roster_without_a_log_takes_no_proof() -> None:
    scene = Scene()
    receipt = Envelope.sign(scene.receipt(), scene.signers(BANK))
    with pytest.raises(RosterRefusedError, match="names no log"):
        open_inclusion(scene.inclusion(receipt), open_receipt(receipt, scene.roster), [scene.roster])


def test_under_two_algorithms_a_witness_signs_with_both() -> None:
    scene = Scene(witnesses=2, suite=Suite.ED25519_ML_DSA_44)
    receipt = Envelope.sign(scene.receipt(), scene.signers(BANK))
    ledger = scene.ledger.with_entries(receipt)
    one = [(scene.member(node), scene.signers(node)[:1]) for node in scene.voters]
    with pytest.raises(NotWitnessedError, match="cosigned by 0 organisations"):
        open_inclusion(
            ledger.prove(ENTRY, ledger.note(one, SECOND)), open_receipt(receipt, scene.roster), [scene.roster]
        )


@pytest.mark.parametrize("milliseconds", [SCENE.roster.valid_from - 1000, SCENE.roster.valid_until + 1000])
def test_keys_cosign_while_their_epoch_is_in_force(milliseconds: int) -> None:
    with pytest.raises(NotWitnessedError, match="cosigned by 0 organisations"):
        place(SCENE.inclusion(RECEIPT, seconds=milliseconds // 1000))


def test_the_log_and_its_witnesses_go_on_with_other_keys() -> None:
    keys = ring("new log")
    ledger = Ledger.of(keys, post_quantum=False).with_entries(RECEIPT)
    proof = ledger.prove(ENTRY, ledger.note([(SCENE.member(n), SCENE.signers(n)) for n in SCENE.voters], SECOND))
    with pytest.raises(NotWitnessedError, match="not signed by log"):
        place(proof)
    assert place(proof, later(log=ledger.on_roster())).index == ENTRY


@pytest.mark.parametrize(("effective", "counts"), [(ENTRY + 1, False), (ENTRY + 2, True)])
def test_a_revoked_key_witnesses_no_entry_from_its_revocation_on(effective: int, counts: bool) -> None:
    proof, epoch = SCENE.inclusion(RECEIPT, [AUDIT, AUTHORITY]), later(Revocation(SCENE.node_id(AUDIT), effective))
    if counts:  # the checkpoint has ENTRY + 2 entries
        assert place(proof, epoch).index == ENTRY
    else:
        with pytest.raises(NotWitnessedError, match="cosigned by 1 organisations"):
            place(proof, epoch)


@pytest.mark.parametrize(
    ("checkpoint", "message"),
    [
        (None, "names no checkpoint of the log"),
        (replace(SCENE.ledger.checkpoint(), origin="another.example"), "names no checkpoint of the log"),
        (replace(SCENE.ledger.checkpoint(), size=ENTRY + 1, root=Digest(bytes(32))), "names a checkpoint of 4 entries"),
    ],
)
def test_a_receipt_stands_behind_the_checkpoint_that_it_names(checkpoint: object, message: str) -> None:
    receipt = Envelope.sign(SCENE.receipt(checkpoint=checkpoint), SCENE.signers(BANK))
    with pytest.raises(MalformedError, match=message):
        place(SCENE.inclusion(receipt), receipt=receipt)


def test_what_speaks_for_the_operator_needs_the_log_and_what_speaks_against_it_does_not() -> None:
    roots = SCENE.roots
    logged, hidden = upheld(witnesses=2), Scene(witnesses=2).story(prove=lambda _: None)
    assert verify(to_bytes(logged.pack()), roots).verdict is Verdict.UPHELD
    found = verify(to_bytes(hidden.pack()), roots)
    assert (found.verdict, found.place, found.tally.answer) == (Verdict.INCONCLUSIVE, None, None)
    against = Scene(witnesses=2, output=refuted().scene.output).story(prove=lambda _: None)
    assert verify(to_bytes(against.pack()), roots).verdict is Verdict.REFUTED


def test_a_pack_says_where_its_receipt_stands() -> None:
    found = verify(to_bytes(upheld(witnesses=2).pack()), SCENE.roots)
    assert found.place is not None
    assert found.place.index == ENTRY


@pytest.mark.parametrize(
    "prove", [lambda _: SCENE.inclusion(RECEIPT), partial(Scene(witnesses=2).inclusion, by=["Audit House"])]
)
def test_a_pack_whose_proof_does_not_hold_is_refused_at_that_step(prove: Callable[[Envelope], str]) -> None:
    scene = Scene(witnesses=2, output=refuted().scene.output)
    with pytest.raises(VerificationError, match="step 6, the log"):
        verify(to_bytes(scene.story(prove=prove).pack()), scene.roots)


@pytest.mark.parametrize(("effective", "counts"), [(ENTRY, False), (ENTRY + 2, True)])
def test_a_revoked_key_voted_on_what_stands_before_its_revocation(effective: int, counts: bool) -> None:
    scene = Scene(witnesses=2, quorum=2)
    story = scene.story(prove=partial(scene.inclusion, by=["Consumer Union", "Finance Authority"]))
    gone = Revocation(scene.node_id("Audit House"), effective)
    kept = tuple(each for each in scene.roster.organisations if each.name != "Audit House")
    second = replace(
        scene.roster, epoch=2, previous=scene.roster.roster_id, organisations=kept, revoked=(gone,), quorum=2
    )
    pack = story.pack(rosters=(*story.rosters, Envelope.sign(second, scene.root_keys[:2])))
    if counts:
        assert verify(to_bytes(pack), scene.roots).verdict is Verdict.UPHELD
    else:
        with pytest.raises(VerificationError, match=r"step 9, .* revoked from entry 3"):
            verify(to_bytes(pack), scene.roots)
