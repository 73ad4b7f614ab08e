"""Which checkpoints a witness cosigns, decided by a pure function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reperform.evidence.keyfile import KeyRing
from reperform.evidence.roster import Revocation, Suite
from reperform.evidence.tlog.checkpoint import parse_checkpoint
from reperform.evidence.tlog.note import Note, NoteSignature
from reperform.evidence.tlog.request import Request
from reperform.replayer.witness.judgement import Cosigned, Judgement, Known, Outcome, Trust, judge, signed_by_log, trust
from reperform.tests.witness.scene import NAME, ORIGIN, Scene, Tree
from reperform.tests.world import BANK, START

HONEST, FORK = Tree.of("abcdefghij"), Tree.of("abcdXfghij")


def trusted(scene: Scene, name: str = NAME, now: int = START) -> Trust | None:
    return trust(scene.rosters, [scene.world.rings[name]], ORIGIN, now)


def judged(scene: Scene, request: Request, known: Known) -> Judgement:
    return judge(request, parse_checkpoint(request.note.text), known, trusted(scene))


def knows(scene: Scene, size: int, tree: Tree = HONEST) -> Known:
    """A witness that has cosigned this."""
    checkpoint = tree.checkpoint(size)
    return Known(Cosigned(checkpoint, START // 1000, scene.sign(checkpoint)))


def test_a_log_that_grows_is_cosigned_at_every_size_under_every_suite(any_scene: Scene) -> None:
    known = Known(None)
    for size in range(len(HONEST.entries) + 1):
        assert judged(any_scene, any_scene.request(HONEST, known.size, size), known) == Judgement(Outcome.COSIGNED)
        known = knows(any_scene, size)


def test_the_same_checkpoint_is_cosigned_again(scene: Scene) -> None:
    for size in (0, 1, 7):
        assert judged(scene, scene.request(HONEST, size, size), knows(scene, size)).outcome is Outcome.COSIGNED


def older(scene: Scene) -> Request:
    return scene.request(HONEST, 5, 3)


def older_by_one(scene: Scene) -> Request:
    return scene.request(HONEST, 5, 4)


def with_no_size_known(scene: Scene) -> Request:
    return scene.request(HONEST, 0, 8)


def from_an_older_size(scene: Scene) -> Request:
    return scene.request(HONEST, 3, 8)


def from_a_larger_size(scene: Scene) -> Request:
    return scene.request(HONEST, 6, 8)


def an_older_checkpoint_as_it_was_asked_for_then(scene: Scene) -> Request:
    return scene.request(HONEST, 3, 4)


def a_proof_of_another_tree(scene: Scene) -> Request:
    return replace(scene.request(HONEST, 5, 8), proof=FORK.proof(5, 8))


def no_proof(scene: Scene) -> Request:
    return replace(scene.request(HONEST, 5, 8), proof=())


def more_than_the_proof(scene: Scene) -> Request:
    honest = scene.request(HONEST, 5, 8)
    return replace(honest, proof=(*honest.proof, bytes(32)))


def another_history(scene: Scene) -> Request:
    return scene.request(FORK, 5, 8)


def a_proof_where_the_size_is_the_same(scene: Scene) -> Request:
    return replace(scene.request(HONEST, 5, 5), proof=(bytes(32),))


def another_root_of_the_same_size(scene: Scene) -> Request:
    return scene.request(FORK, 5, 5)


def signed_by_nobody_known(scene: Scene) -> Request:
    return replace(scene.request(HONEST, 5, 8), note=scene.sign(HONEST.checkpoint(8), KeyRing.generate()))


def signed_by_the_operator(scene: Scene) -> Request:
    return replace(scene.request(HONEST, 5, 8), note=scene.sign(HONEST.checkpoint(8), scene.world.rings[BANK]))


def with_a_signature_of_another_checkpoint(scene: Scene) -> Request:
    other = scene.sign(HONEST.checkpoint(7))
    return replace(scene.request(HONEST, 5, 8), note=Note(HONEST.checkpoint(8).text(), other.signatures))


def with_an_altered_signature(scene: Scene) -> Request:
    honest = scene.request(HONEST, 5, 8)
    (good,) = honest.note.signatures
    bad = NoteSignature(good.name, good.key_id, bytes([good.value[0] ^ 1]) + good.value[1:])
    return replace(honest, note=Note(honest.note.text, (bad,)))


@pytest.mark.parametrize(
    ("submitted", "outcome", "suspect"),
    [
        (older, Outcome.MALFORMED, False),
        (older_by_one, Outcome.MALFORMED, False),
        (with_no_size_known, Outcome.CONFLICT, False),
        (from_an_older_size, Outcome.CONFLICT, False),
        (from_a_larger_size, Outcome.CONFLICT, False),
        (an_older_checkpoint_as_it_was_asked_for_then, Outcome.CONFLICT, True),
        (a_proof_of_another_tree, Outcome.INCONSISTENT, True),
        (no_proof, Outcome.INCONSISTENT, True),
        (more_than_the_proof, Outcome.INCONSISTENT, True),
        (another_history, Outcome.INCONSISTENT, True),
        (a_proof_where_the_size_is_the_same, Outcome.INCONSISTENT, True),
        (another_root_of_the_same_size, Outcome.INCONSISTENT, True),
        (signed_by_nobody_known, Outcome.REFUSED, False),
        (signed_by_the_operator, Outcome.REFUSED, False),
        (with_a_signature_of_another_checkpoint, Outcome.REFUSED, False),
        (with_an_altered_signature, Outcome.REFUSED, False),
    ],
)
def test_what_does_not_extend_the_five_entries_that_are_known_is_not_cosigned(
    submitted: Callable[[Scene], Request], outcome: Outcome, suspect: bool, scene: Scene
) -> None:
    judgement = judged(scene, submitted(scene), knows(scene, 5))
    assert (judgement.outcome, judgement.suspect) == (outcome, suspect)
    if outcome is Outcome.CONFLICT:
        assert judgement.reason == "5"


def test_a_first_checkpoint_comes_without_a_proof(scene: Scene) -> None:
    first = scene.request(HONEST, 0, 8)
    assert judged(scene, first, Known(None)).outcome is Outcome.COSIGNED
    for proof in ((bytes(32),), HONEST.proof(5, 8)):
        assert judged(scene, replace(first, proof=proof), Known(None)).outcome is Outcome.INCONSISTENT


def test_a_log_that_signed_two_trees_of_one_size_is_cosigned_at_that_size_no_more(scene: Scene) -> None:
    rival = scene.sign(FORK.checkpoint(8))
    known = replace(knows(scene, 5), rivals=(rival,))
    assert judged(scene, scene.request(HONEST, 5, 8), known).outcome is Outcome.INCONSISTENT


def test_a_log_that_is_proved_to_have_forked_is_not_cosigned_any_more(scene: Scene) -> None:
    known = replace(knows(scene, 5), forked=True)
    judgement = judged(scene, scene.request(HONEST, 5, 8), known)
    assert judgement.outcome is Outcome.REFUSED
    assert "proved to have forked" in judgement.reason


def test_under_the_post_quantum_suite_both_keys_of_the_log_must_have_signed(tmp_path: Path) -> None:
    scene = Scene.of(tmp_path, Suite.ED25519_ML_DSA_44)
    both = scene.request(HONEST, 0, 8)
    assert judged(scene, both, Known(None)).outcome is Outcome.COSIGNED
    for signature in both.note.signatures:
        half = replace(both, note=Note(both.note.text, (signature,)))
        assert judged(scene, half, Known(None)).outcome is Outcome.REFUSED


def test_signatures_of_others_are_ignored_and_not_kept(scene: Scene) -> None:
    honest = scene.request(HONEST, 0, 8)
    strange = NoteSignature("somebody", b"1234", bytes(64))
    crowded = replace(honest, note=Note(honest.note.text, (strange, *honest.note.signatures)))
    assert judged(scene, crowded, Known(None)).outcome is Outcome.COSIGNED
    standing = trusted(scene)
    assert standing is not None
    assert signed_by_log(crowded.note, standing.roster) == honest.note


def test_nobody_is_trusted_outside_the_rosters_time(scene: Scene) -> None:
    roster = scene.rosters[-1]
    assert trusted(scene, now=roster.valid_from) is not None
    assert trusted(scene, now=roster.valid_until) is not None
    assert trusted(scene, now=roster.valid_from - 1) is None
    scene.next_epoch(valid_from=START + 500)  # cosignatures are in seconds
    later = [trusted(scene, now=START + each) for each in (499, 999, 1000)]
    assert [None if each is None else each.roster.epoch for each in later] == [1, 1, 2]
    assert trusted(scene, now=roster.valid_until + 1) is None


def test_only_a_replayers_node_that_is_on_the_newest_epoch_in_force_is_a_witness(scene: Scene) -> None:
    assert trusted(scene, BANK) is None
    assert trust(scene.rosters, [KeyRing.generate()], ORIGIN, START) is None
    assert trust(scene.rosters, [scene.world.rings[NAME]], "log.example/other", START) is None
    assert trust([], [scene.world.rings[NAME]], ORIGIN, START) is None
    before = scene.rosters[-1]
    without = tuple(each for each in before.organisations if each.name != NAME)
    scene.next_epoch(valid_from=START + 1000, organisations=without, quorum=2)
    assert trusted(scene) is not None
    assert trusted(scene, now=START + 1000) is None


def test_a_revoked_node_is_no_witness(scene: Scene) -> None:
    mine = scene.world.rings[NAME].signing.public.key_id
    without = tuple(each for each in scene.rosters[-1].organisations if each.name != NAME)
    scene.next_epoch(organisations=without, revoked=(Revocation(mine, 0),), valid_from=START + 10**6)
    assert trusted(scene) is None


def test_a_log_with_new_keys_signs_with_these(scene: Scene) -> None:
    new = KeyRing.generate()
    log = scene.rosters[-1].log
    assert log is not None
    scene.next_epoch(log=replace(log, signing=new.signing.public))
    request = scene.request(HONEST, 0, 8)
    assert judged(scene, request, Known(None)).outcome is Outcome.REFUSED
    renewed = replace(request, note=scene.sign(HONEST.checkpoint(8), new))
    assert judged(scene, renewed, Known(None)).outcome is Outcome.COSIGNED


def test_a_node_cosigns_with_every_key_that_the_suite_asks_for(any_scene: Scene) -> None:
    standing = trusted(any_scene)
    assert standing is not None
    ring = any_scene.world.rings[NAME]
    assert standing.signers == tuple(("Audit%20House", key) for key in ring.signers)


ENTRIES = st.sampled_from([b"a", b"b"])


@st.composite
def histories(draw: st.DrawFn) -> list[Tree]:
    """A log, and what it may show instead: each begins like an earlier one and goes on in its own way."""
    trees = [Tree(tuple(draw(st.lists(ENTRIES, min_size=1, max_size=12))))]
    for _ in range(draw(st.integers(0, 3))):
        entries = draw(st.sampled_from(trees)).entries
        kept = draw(st.integers(0, len(entries)))
        trees.append(Tree((*entries[:kept], *draw(st.lists(ENTRIES, min_size=1, max_size=6)))))
    return trees


@st.composite
def submissions(draw: st.DrawFn) -> list[tuple[Tree, int, int | None, Tree]]:
    """Tree and size of checkpoints; the old size, or None for the right one; and the tree that the proof is of."""
    trees = draw(histories())
    found = []
    for _ in range(draw(st.integers(1, 12))):
        tree = draw(st.sampled_from(trees))
        size = draw(st.integers(0, len(tree.entries)))
        old = draw(st.none() | st.integers(0, 18))
        found.append((tree, size, old, draw(st.just(tree) | st.sampled_from(trees))))
    return found


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """One scene for all examples: what is told of it never changes."""
    return Scene.of(tmp_path_factory.mktemp("shared"))


@settings(max_examples=100)
@given(submitted=submissions())
def test_no_history_of_a_log_has_a_witness_cosign_two_trees_that_are_not_one(
    submitted: list[tuple[Tree, int, int | None, Tree]], shared: Scene
) -> None:
    known, cosigned = Known(None), list[tuple[bytes, ...]]()
    for tree, size, named, proving in submitted:
        old = known.size if named is None else named
        proof = proving.proof(old, size) if 0 < old < size <= len(proving.entries) else ()
        request = Request(old, proof, shared.sign(tree.checkpoint(size)))
        judgement = judged(shared, request, known)
        extends = tree.entries[: known.size] == (cosigned[-1] if cosigned else ()) and size >= known.size
        honest = named is None and proving is tree and extends
        if honest:
            assert judgement.outcome is Outcome.COSIGNED  # and a log that only grew is never refused
        if judgement.outcome is Outcome.COSIGNED:
            cosigned.append(tree.entries[:size])
            known = knows(shared, size, tree)
    for earlier, later in pairwise(cosigned):
        assert later[: len(earlier)] == earlier
