"""Comparing what a log shows to different people: what is one history is believed, what is not becomes a proof."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

import pytest
from reperform.consensus.log.prover import Prover
from reperform.consensus.log.remote import RemoteError
from reperform.consensus.log.storage import Reader
from reperform.evidence.dsse import Envelope
from reperform.evidence.keyfile import KeyRing
from reperform.evidence.tlog.checkpoint import parse_checkpoint
from reperform.evidence.tlog.fork import prove_fork
from reperform.evidence.tlog.note import Note
from reperform.evidence.tlog.request import Request
from reperform.replayer.database import Database
from reperform.replayer.epochs import Epochs
from reperform.replayer.witness.judgement import Outcome
from reperform.replayer.witness.memory import Memory
from reperform.replayer.witness.vigil import Vigil
from reperform.replayer.witness.watch import Nowhere, Watch
from reperform.tests.witness.operators import View
from reperform.tests.witness.scene import ORIGIN, Scene
from reperform.tests.world import PANEL, START

SHOWN = f"{hashlib.sha256(ORIGIN.encode()).hexdigest()}/checkpoint"
LONG = "a" * 300  # more than one tile


@dataclass
class Peer:
    """What another witness shows."""

    shows: Mapping[str, bytes]

    @classmethod
    def of(cls, note: Note) -> Peer:
        return cls({SHOWN: note.to_bytes()})

    def read(self, path: str, limit: int) -> bytes | None:
        data = self.shows.get(path)
        if data is not None and len(data) > limit:
            raise RemoteError("too long")
        return data


class Absent:
    """A witness that is down."""

    def read(self, path: str, limit: int) -> bytes | None:  # noqa: ARG002
        raise RemoteError("does not answer")


def cosign(scene: Scene, view: View) -> None:
    """Have the scene's witness cosign what it is shown."""
    witness, tree = scene.witness(), view.checkpoint
    known = Memory(Database(scene.folder())).cosigned(ORIGIN)
    old = 0 if known is None else known.checkpoint.size
    proof = Prover(view.storage).consistency(old, tree.size) if old else ()
    assert witness.add(Request(old, proof, view.note).to_bytes(), START).outcome is Outcome.COSIGNED


def look(scene: Scene, tiles: Reader, *peers: Reader) -> Memory:
    """One round of the scene's watch; what it remembers then."""
    memory = Memory(Database(scene.folder()))
    Watch(memory, tiles, peers).look(scene.epochs, START)
    return memory


def proved(scene: Scene, memory: Memory) -> tuple[int, int]:
    """The sizes of the two trees, checked from the bytes of the proof."""
    data = memory.fork(ORIGIN)
    assert data is not None
    forked = prove_fork(data, scene.world.roots)
    return forked.small.size, forked.large.size


def test_sizes_of_one_history_are_placed_whoever_shows_them(any_scene: Scene) -> None:
    early = View.of(any_scene, "log", LONG)
    cosign(any_scene, early)
    middle = early.grown("bcd")
    late = middle.grown(LONG)
    for peers in ([], [Peer.of(early.note)], [Peer.of(late.note), Peer.of(middle.note), Absent(), Peer({})]):
        memory = look(any_scene, late.storage, *peers)
        assert (memory.fork(ORIGIN), memory.suspects(ORIGIN)) == (None, [])


def test_two_histories_of_one_size_are_a_fork_even_without_tiles(any_scene: Scene) -> None:
    one, other = View.of(any_scene, "one", LONG + "b"), View.of(any_scene, "other", LONG + "c")
    cosign(any_scene, one)
    assert proved(any_scene, look(any_scene, Nowhere(), Peer.of(other.note))) == (301, 301)
    refused = any_scene.witness().add(b"old 301\n\n" + one.note.to_bytes(), START)
    assert refused.outcome is Outcome.REFUSED


@pytest.mark.parametrize(("mine", "theirs"), [(LONG + "bcdef", LONG + "x"), ("abcdefg", "abXd"), ("bcdefgh", "a")])
def test_another_beginning_than_a_smaller_checkpoint_is_a_fork_by_one_view_alone(
    mine: str, theirs: str, any_scene: Scene
) -> None:
    one, other = View.of(any_scene, "one", mine), View.of(any_scene, "other", theirs)
    cosign(any_scene, one)
    memory = look(any_scene, one.storage, Peer.of(other.note))
    assert proved(any_scene, memory) == (len(theirs), len(mine))


def test_a_larger_checkpoint_of_another_history_is_suspect_until_this_one_has_grown(scene: Scene) -> None:
    one, other = View.of(scene, "one", "abc"), View.of(scene, "other", "abXdefg")
    cosign(scene, one)
    memory = look(scene, one.storage, Peer.of(other.note))
    assert memory.fork(ORIGIN) is None
    assert [parse_checkpoint(note.text) for note in memory.suspects(ORIGIN)] == [other.checkpoint]
    look(scene, one.storage)  # the other witness is gone; what it showed is not forgotten
    grown = one.grown("defgh")
    cosign(scene, grown)
    assert proved(scene, look(scene, grown.storage)) == (7, 8)


def test_what_the_log_itself_shows_is_compared_too(scene: Scene) -> None:
    one, other = View.of(scene, "one", "abcde"), View.of(scene, "other", "abXdefg")
    cosign(scene, one)
    assert proved(scene, look(scene, other.storage)) == (5, 7)


def test_what_was_submitted_with_a_bad_proof_is_looked_into(scene: Scene) -> None:
    one, other = View.of(scene, "one", "abcde"), View.of(scene, "other", "abXdefg")
    cosign(scene, one)
    assert scene.witness().add(b"old 5\n\n" + other.note.to_bytes(), START).outcome is Outcome.INCONSISTENT
    grown = one.grown("fghi")
    assert scene.witness().add(b"old 5\n\n" + grown.note.to_bytes(), START).outcome is Outcome.INCONSISTENT
    assert proved(scene, look(scene, grown.storage)) == (7, 9)


def test_a_bad_proof_of_a_good_checkpoint_is_forgotten_when_the_tiles_show_it(scene: Scene) -> None:
    one = View.of(scene, "one", "abcde")
    cosign(scene, one)
    grown = one.grown("fghi")
    assert scene.witness().add(b"old 5\n\n" + grown.note.to_bytes(), START).outcome is Outcome.INCONSISTENT
    assert len(Memory(Database(scene.folder())).suspects(ORIGIN)) == 1
    memory = look(scene, grown.storage)
    assert (memory.fork(ORIGIN), memory.suspects(ORIGIN)) == (None, [])


def test_no_honest_log_is_accused_whatever_others_show(scene: Scene) -> None:
    view = View.of(scene, "log", "abcde")
    cosign(scene, view)
    forged = scene.sign(View.of(scene, "other", "abXde").checkpoint, KeyRing.generate())
    unsigned = Peer({SHOWN: view.note.to_bytes().replace(b"\n5\n", b"\n4\n")})
    memory = look(scene, view.storage, Peer.of(forged), unsigned, Peer({SHOWN: b"<html>"}), Peer({SHOWN: bytes(10**6)}))
    assert (memory.fork(ORIGIN), memory.suspects(ORIGIN)) == (None, [])


def test_tiles_that_are_not_those_of_the_signed_trees_accuse_nobody(scene: Scene) -> None:
    view = View.of(scene, "log", "abcde")
    cosign(scene, view)
    grown = view.grown("fgh")
    cosign(scene, grown)
    other = View.of(scene, "other", "xxxxxxxx").storage.read("tile/0/000.p/8", 10**6)
    assert other is not None
    hostile = Peer({"tile/0/000.p/8": other})
    for reader in (hostile, Peer({}), Peer({"tile/0/000": bytes(8192), "tile/0/000.p/8": b"short"})):
        memory = look(scene, reader, Peer.of(view.note))
        assert memory.fork(ORIGIN) is None
        assert [parse_checkpoint(note.text).size for note in memory.suspects(ORIGIN)] == [5]
    assert look(scene, grown.storage).suspects(ORIGIN) == []


def test_a_checkpoint_under_an_earlier_key_of_the_log_binds_it_too(scene: Scene) -> None:
    one, other = View.of(scene, "one", "abcde"), View.of(scene, "other", "abXde")
    cosign(scene, one)
    log, new = scene.rosters[-1].log, KeyRing.generate()
    assert log is not None
    scene.next_epoch(log=replace(log, signing=new.signing.public))
    memory = look(scene, Nowhere(), Peer.of(scene.sign(other.checkpoint, new)))
    assert proved(scene, memory) == (5, 5)


def test_a_log_is_accused_once(scene: Scene) -> None:
    one, other = View.of(scene, "one", "abcde"), View.of(scene, "other", "abXde")
    cosign(scene, one)
    first = look(scene, Nowhere(), Peer.of(other.note)).fork(ORIGIN)
    third = View.of(scene, "third", "abcYe")
    assert look(scene, Nowhere(), Peer.of(third.note)).fork(ORIGIN) == first


def test_later_epochs_are_learnt_and_a_docket_that_lies_changes_nothing(scene: Scene) -> None:
    shown: list[Envelope] = [scene.epochs[0].envelope]
    vigil = Vigil(scene.folder(), scene.world.roots, lambda: shown, None, [])
    database = Database(scene.folder())
    vigil.learn(database)
    assert [each.document.epoch for each in vigil.epochs()] == [1]
    scene.next_epoch()
    shown.append(scene.epochs[1].envelope)
    vigil.learn(database)
    assert [each.document.epoch for each in vigil.epochs()] == [1, 2]
    for lie in ([], shown[:1], [Envelope.sign(scene.rosters[0], scene.log.signers)]):
        shown[:] = lie
        vigil.learn(database)
        assert [each.document.epoch for each in vigil.epochs()] == [1, 2]
    assert len(Epochs(database, scene.world.roots).known()) == 2


def test_other_organisations_are_not_compared_with_where_there_is_no_log(scene: Scene) -> None:
    scene.next_epoch()
    memory = Memory(Database(scene.folder(PANEL[1])))
    Watch(memory, Nowhere(), [Absent()]).look([], START)
    assert memory.origins() == []
