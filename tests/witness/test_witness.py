"""A witness over its database: what it told anybody it never forgets, and never contradicts."""

from __future__ import annotations

import hashlib
import shutil
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from reperform.evidence.roster import Suite
from reperform.evidence.tlog.checkpoint import parse_checkpoint
from reperform.evidence.tlog.cosignature import check_cosignature
from reperform.evidence.tlog.note import Note, NoteSignature
from reperform.evidence.witnessed import open_checkpoint
from reperform.replayer.database import Database, DatabaseError
from reperform.replayer.witness.judgement import Outcome, judge
from reperform.replayer.witness.memory import MAX_SUSPECTS, Memory
from reperform.replayer.witness.witness import Answer, Witness
from reperform.tests.witness.scene import NAME, ORIGIN, Scene, Tree
from reperform.tests.world import PANEL, START

HONEST, FORK = Tree.of("abcdefghij"), Tree.of("abcdXfghij")
HASHED = hashlib.sha256(ORIGIN.encode()).hexdigest()


def submit(scene: Scene, witness: Witness, old: int, new: int, tree: Tree = HONEST, *, now: int = START) -> Answer:
    return witness.add(scene.request(tree, old, new).to_bytes(), now)


def cosignatures(answer: Answer, tree: Tree, size: int) -> tuple[NoteSignature, ...]:
    assert answer.outcome is Outcome.COSIGNED, answer
    return Note.parse(tree.checkpoint(size).text().encode() + b"\n" + answer.text.encode()).signatures


def times(scene: Scene, answer: Answer, size: int, tree: Tree = HONEST) -> list[int]:
    """The times (seconds) of the cosignatures in an answer, each verified."""
    roster = scene.rosters[-1]
    _, node = roster.member(scene.world.rings[NAME].signing.public.key_id)
    signatures = cosignatures(answer, tree, size)
    keys = zip(signatures, roster.keys_of(node), strict=True)
    return [check_cosignature(each, tree.checkpoint(size), node.cosigner, key) for each, key in keys]


def test_two_organisations_cosign_and_their_checkpoint_is_relied_on(any_scene: Scene) -> None:
    note = any_scene.sign(HONEST.checkpoint())
    for name in PANEL[:2]:
        answer = submit(any_scene, any_scene.witness(name), 0, 10)
        note = Note(note.text, (*note.signatures, *cosignatures(answer, HONEST, 10)))
    witnessed = open_checkpoint(note, any_scene.rosters)
    assert witnessed.checkpoint == HONEST.checkpoint()
    assert witnessed.organisations == PANEL[:2]
    assert witnessed.time == START // 1000 * 1000


def test_a_witness_that_begins_anew_remembers_what_it_cosigned(scene: Scene) -> None:
    assert submit(scene, scene.witness(), 0, 7).outcome is Outcome.COSIGNED
    assert submit(scene, scene.witness(), 0, 5) == Answer(Outcome.CONFLICT, "7")
    assert submit(scene, scene.witness(), 5, 9) == Answer(Outcome.CONFLICT, "7")
    assert submit(scene, scene.witness(), 7, 9, FORK).outcome is Outcome.INCONSISTENT
    assert submit(scene, scene.witness(), 7, 10).outcome is Outcome.COSIGNED


def test_the_same_checkpoint_gets_a_fresh_cosignature(any_scene: Scene) -> None:
    witness = any_scene.witness()
    first = submit(any_scene, witness, 0, 7)
    again = submit(any_scene, witness, 7, 7, now=START + 60_000)
    assert set(times(any_scene, first, 7)) == {START // 1000}
    assert set(times(any_scene, again, 7)) == {START // 1000 + 60}


def test_the_time_in_cosignatures_never_runs_backwards(any_scene: Scene) -> None:
    found = []
    for size, now in (
        (3, START + 9_000),
        (5, START - 500),
        (5, START + 8_999),
        (7, START + 9_000),
        (8, START + 11_999),
    ):
        witness = any_scene.witness()  # one that was started anew
        known = witness._memory.cosigned(ORIGIN)
        old = 0 if known is None else known.checkpoint.size
        found += times(any_scene, submit(any_scene, witness, old, size, now=now), size)
    second = START // 1000
    assert sorted(set(found)) == [second + 9, second + 11]
    assert found == sorted(found)


def test_what_is_shown_is_what_was_cosigned_last_with_the_logs_signature_and_the_witnesss(any_scene: Scene) -> None:
    witness = any_scene.witness()
    assert witness.shown(HASHED) is None
    submit(any_scene, witness, 0, 7)
    answer = submit(any_scene, witness, 7, 9)
    submit(any_scene, witness, 7, 9, FORK)
    note = any_scene.sign(HONEST.checkpoint(9))
    shown = witness.shown(HASHED)
    assert (
        shown == Note(note.text, (*note.signatures, *cosignatures(answer, HONEST, 9))).to_bytes()
        or (
            any_scene.rosters[0].suite is Suite.ED25519_ML_DSA_44  # which signs in another way every time
            and shown is not None
            and parse_checkpoint(Note.parse(shown).text) == HONEST.checkpoint(9)
            and Note.parse(shown).signatures[-2:] == cosignatures(answer, HONEST, 9)
        )
    )
    assert any_scene.witness().shown(HASHED) == shown
    assert witness.shown("0" * 64) is None


def test_a_request_that_is_none_is_malformed(scene: Scene) -> None:
    good, witness = scene.request(HONEST, 0, 7).to_bytes(), scene.witness()
    bad = [
        b"",
        b"old 0\n",
        good.replace(b"old 0", b"old 00"),
        good.replace(b"old 0", b"old -1"),
        good.replace(b"old 0", b"old  0"),
        good.replace(b"old 0", "old ٠".encode()),
        good.replace(b"old 0\n", b"old 0\r\n"),
        good.replace(b"old 0\n", b""),
        good.replace(b"\n7\n", b"\n07\n"),
        good.replace(b"old 0\n", b"old 0\n" + b"A" * 44 + b"\n"),
        good.replace(b"old 0\n", b"old 0\n" + (b"A" * 43 + b"=\n") * 64),
        good[:-1],
        good + b"\n",
        good.replace(b"decisions", b"deci\xffsions"),
        good.decode().encode("utf-16"),
        b"\x00" * 1000,
    ]
    for body in bad:
        assert witness.add(body, START).outcome is Outcome.MALFORMED, body
    assert witness.add(good, START).outcome is Outcome.COSIGNED


def test_the_log_of_an_expired_roster_is_not_known(scene: Scene) -> None:
    roster, witness = scene.rosters[-1], scene.witness()
    assert submit(scene, witness, 0, 7, now=roster.valid_until + 1).outcome is Outcome.UNKNOWN
    assert submit(scene, witness, 0, 7, now=roster.valid_until).outcome is Outcome.COSIGNED
    assert submit(scene, witness, 7, 9, now=roster.valid_until + 1).outcome is Outcome.UNKNOWN


def test_the_log_of_nobodys_roster_is_not_known(scene: Scene) -> None:
    other = HONEST.checkpoint(7, origin="log.example/other")
    request = replace(scene.request(HONEST, 0, 7), note=scene.sign(other))
    assert scene.witness().add(request.to_bytes(), START).outcome is Outcome.UNKNOWN


def test_two_roots_of_one_size_are_a_fork_and_the_end_of_cosigning(any_scene: Scene) -> None:
    witness = any_scene.witness()
    assert witness.fork(HASHED) is None
    submit(any_scene, witness, 0, 7)
    assert submit(any_scene, witness, 7, 7, FORK).outcome is Outcome.INCONSISTENT
    assert witness.fork(HASHED) is not None
    for again in (any_scene.witness(), witness):
        answer = submit(any_scene, again, 7, 9)
        assert answer.outcome is Outcome.REFUSED
        assert "proved to have forked" in answer.text
        assert again.shown(HASHED) is not None


def test_a_fork_is_seen_whatever_old_size_is_named(scene: Scene) -> None:
    witness = scene.witness()
    submit(scene, witness, 0, 7)
    assert submit(scene, witness, 0, 7, FORK) == Answer(Outcome.CONFLICT, "7")
    assert witness.fork(HASHED) is not None


def test_a_proof_that_fails_is_kept_as_a_suspicion_and_stops_nothing(scene: Scene) -> None:
    """Anybody can send a good checkpoint with a bad proof."""
    witness, memory = scene.witness(), Memory(Database(scene.folder()))
    submit(scene, witness, 0, 5)
    bad = replace(scene.request(HONEST, 5, 8), proof=())
    for _ in range(2):
        assert witness.add(bad.to_bytes(), START).outcome is Outcome.INCONSISTENT
    assert [parse_checkpoint(note.text) for note in memory.suspects(ORIGIN)] == [HONEST.checkpoint(8)]
    assert witness.fork(HASHED) is None
    assert submit(scene, witness, 5, 8).outcome is Outcome.COSIGNED
    assert memory.suspects(ORIGIN) == []


def test_a_suspicion_becomes_a_fork_when_the_log_signs_another_tree_of_that_size(scene: Scene) -> None:
    witness = scene.witness()
    submit(scene, witness, 0, 5)
    assert submit(scene, witness, 5, 8, FORK).outcome is Outcome.INCONSISTENT
    assert witness.fork(HASHED) is None
    assert submit(scene, witness, 5, 8).outcome is Outcome.INCONSISTENT
    assert witness.fork(HASHED) is not None


def test_suspicions_take_a_bounded_place(scene: Scene) -> None:
    witness, memory = scene.witness(), Memory(Database(scene.folder()))
    long = Tree.of("a" * 200)
    submit(scene, witness, 0, 150, long)
    for size in range(1, MAX_SUSPECTS + 20):
        submit(scene, witness, 0, size, long)
    assert len(memory.suspects(ORIGIN)) == MAX_SUSPECTS
    assert submit(scene, witness, 150, 160, long).outcome is Outcome.COSIGNED


def test_of_two_requests_at_once_one_is_judged_by_what_the_other_has_left(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The race of the specification: A asks for 5 entries and B for 8, and A's checks are over when B begins."""
    late: list[Answer] = []
    two = threading.Thread(target=lambda: late.append(submit(scene, scene.witness(), 0, 8)))

    def slow(*arguments: object) -> object:
        if threading.current_thread() is not two:
            two.start()
            two.join(0.5)
        return judge(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr("reperform.replayer.witness.witness.judge", slow)
    first = submit(scene, scene.witness(), 0, 5)
    two.join()
    assert first.outcome is Outcome.COSIGNED
    assert late == [Answer(Outcome.CONFLICT, "5")]
    assert scene.witness().shown(HASHED) is not None


def test_what_cannot_be_written_is_not_cosigned(scene: Scene) -> None:
    witness = scene.witness()
    submit(scene, witness, 0, 5)
    witness._database.rows("PRAGMA query_only = ON")
    with pytest.raises(DatabaseError):
        submit(scene, witness, 5, 8)
    witness._database.rows("PRAGMA query_only = OFF")
    assert submit(scene, witness, 0, 8) == Answer(Outcome.CONFLICT, "5")


def test_a_witness_put_back_from_a_copy_goes_on_with_an_honest_log(scene: Scene, tmp_path: Path) -> None:
    submit(scene, scene.witness(), 0, 3)
    copy = shutil.copytree(scene.folder(), tmp_path / "copy")
    submit(scene, scene.witness(), 3, 8)
    old = scene.witness(folder=copy)
    assert submit(scene, old, 8, 9) == Answer(Outcome.CONFLICT, "3")
    assert submit(scene, old, 3, 9).outcome is Outcome.COSIGNED


def test_a_witness_put_back_from_a_copy_can_be_shown_another_history_which_then_is_a_proof(
    scene: Scene, tmp_path: Path
) -> None:
    """What docs/run-a-witness.md warns of: it does not know what it has cosigned since."""
    submit(scene, scene.witness(), 0, 3)
    copy = shutil.copytree(scene.folder(), tmp_path / "copy")
    submit(scene, scene.witness(), 3, 8)
    assert submit(scene, scene.witness(folder=copy), 3, 8, FORK).outcome is Outcome.COSIGNED
    # Whoever is shown both holds the log's two signatures, and any witness that is, stops.
    other = scene.witness(PANEL[1])
    submit(scene, other, 0, 8)
    submit(scene, other, 8, 8, FORK)
    assert other.fork(HASHED) is not None
