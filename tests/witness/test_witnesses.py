"""The log's side: it asks real witnesses over HTTP, and some that only say that they are."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack

import pytest
from reperform.consensus.log.remote import RemoteError
from reperform.consensus.log.witnesses import Gathered, Witnesses
from reperform.evidence.keyfile import KeyRing
from reperform.evidence.roster import Suite
from reperform.evidence.tlog.cosignature import cosign
from reperform.evidence.tlog.note import Note
from reperform.evidence.tlog.request import Request
from reperform.evidence.witnessed import open_checkpoint
from reperform.replayer.witness.judgement import Outcome
from reperform.tests.witness.running import pretending, running
from reperform.tests.witness.scene import Scene, Tree
from reperform.tests.world import PANEL, START

HONEST, FORK = Tree.of("abcdefghij"), Tree.of("abcdXfghij")
GOOD, ALSO_GOOD, BAD = PANEL


def witnesses(scene: Scene, *addresses: str, patience: float = 20) -> Witnesses:
    return Witnesses(addresses, lambda: scene.rosters, patience=patience)


def ask(scene: Scene, asked: Witnesses, size: int, tree: Tree = HONEST) -> Gathered:
    return asked.cosign(scene.sign(tree.checkpoint(size)), tree.proof)


def relied_on(scene: Scene, gathered: Gathered, size: int, tree: Tree = HONEST) -> Sequence[str]:
    """The organisations behind a checkpoint, by whoever is shown it."""
    note = scene.sign(tree.checkpoint(size))
    return open_checkpoint(Note(note.text, (*note.signatures, *gathered.signatures)), scene.rosters).organisations


def test_a_log_that_grows_is_cosigned_by_enough_organisations_each_time(any_scene: Scene) -> None:
    with running(any_scene, GOOD) as one, running(any_scene, ALSO_GOOD) as other:
        asked = witnesses(any_scene, one, other)
        for size in (1, 4, 4, 9):
            gathered = ask(any_scene, asked, size)
            assert gathered.enough
            assert relied_on(any_scene, gathered, size) == (GOOD, ALSO_GOOD)
            assert gathered.refusals == {}


def test_who_was_asked_by_another_process_before_is_asked_again_with_a_proof(scene: Scene) -> None:
    proofs: list[tuple[int, int]] = []

    def prove(old: int, new: int) -> Sequence[bytes]:
        proofs.append((old, new))
        return HONEST.proof(old, new)

    with running(scene, GOOD) as one, running(scene, ALSO_GOOD) as other:
        assert ask(scene, witnesses(scene, one, other), 5).enough
        assert witnesses(scene, one, other).cosign(scene.sign(HONEST.checkpoint(9)), prove).enough
    assert proofs == [(5, 9), (5, 9)]


def dead(_: bytes) -> None:
    return None


def angry(_: bytes) -> tuple[int, str, bytes]:
    return 403, "text/plain", b"not \x1b[2J signed\nby anybody"


def endless(_: bytes) -> tuple[int, str, bytes]:
    return 200, "text/plain", b"a" * 10**6


def garbage(_: bytes) -> tuple[int, str, bytes]:
    return 200, "text/plain", b"<html>"


def nothing(_: bytes) -> tuple[int, str, bytes]:
    return 200, "text/plain", b""


def never_content(body: bytes) -> tuple[int, str, bytes]:
    return 409, "text/x.tlog.size", b"%d\n" % (Request.parse(body).old_size + 1)


def knows_more(_: bytes) -> tuple[int, str, bytes]:
    return 409, "text/x.tlog.size", b"11\n"


def in_other_digits(_: bytes) -> tuple[int, str, bytes]:
    return 409, "text/x.tlog.size", "٣\n".encode()


def with_a_leading_zero(_: bytes) -> tuple[int, str, bytes]:
    return 409, "text/x.tlog.size", b"03\n"


def of_another_type(_: bytes) -> tuple[int, str, bytes]:
    return 409, "text/plain", b"3\n"


def by_a_stranger(_: bytes) -> tuple[int, str, bytes]:
    signature = cosign(HONEST.checkpoint(9), "Finance%20Authority", KeyRing.generate().signing, START // 1000)
    return 200, "text/plain", str(signature).encode()


WRONG = [
    (dead, "does not answer"),
    (angry, "it answers 403: not [2J signedby anybody"),
    (endless, "answers with more than"),
    (garbage, "no signature|canonical"),
    (nothing, "signature"),
    (never_content, "another size of the log every time"),
    (knows_more, "it knows 11 entries of the log already"),
    (in_other_digits, "it answers 409"),
    (with_a_leading_zero, "it answers 409"),
    (of_another_type, "it answers 409"),
    (by_a_stranger, "no key that is on the roster"),
]


@pytest.mark.parametrize(("answer", "cause"), WRONG, ids=[answer.__name__ for answer, _ in WRONG])
def test_a_wrong_answer_is_named_and_holds_up_nobody(
    answer: Callable[[bytes], tuple[int, str, bytes] | None], cause: str, scene: Scene
) -> None:
    with pretending(answer) as bad, running(scene, GOOD) as good:
        gathered = ask(scene, witnesses(scene, bad, good), 9)
    assert not gathered.enough  # two organisations are asked for, so that every answer was waited for
    assert [each.name for each in gathered.signatures] == ["Audit%20House"]
    assert list(gathered.refusals) == [bad]
    (told,) = gathered.refusals.values()
    assert any(part in told for part in cause.split("|")), told


def test_a_cosignature_of_another_checkpoint_is_named_and_left_out(any_scene: Scene) -> None:
    def earlier(_: bytes) -> tuple[int, str, bytes]:
        ring = any_scene.world.rings[BAD]
        lines = [cosign(HONEST.checkpoint(8), "Finance%20Authority", key, START // 1000) for key in ring.signers]
        return 200, "text/plain", "".join(map(str, lines)).encode()

    with pretending(earlier) as bad, running(any_scene, GOOD) as one, running(any_scene, ALSO_GOOD) as other:
        asked = ask(any_scene, witnesses(any_scene, bad, one), 9)
        assert not asked.enough
        assert "does not verify" in asked.refusals[bad]
        gathered = ask(any_scene, witnesses(any_scene, bad, one, other), 9)
    assert gathered.enough
    assert relied_on(any_scene, gathered, 9) == (GOOD, ALSO_GOOD)


def test_half_of_the_keys_that_the_suite_asks_for_is_no_witness(tmp_path_factory: pytest.TempPathFactory) -> None:
    scene = Scene.of(tmp_path_factory.mktemp("scene"), Suite.ED25519_ML_DSA_44)

    def half(_: bytes) -> tuple[int, str, bytes]:
        key = scene.world.rings[BAD].signing
        return 200, "text/plain", str(cosign(HONEST.checkpoint(9), "Finance%20Authority", key, START // 1000)).encode()

    with pretending(half) as bad, running(scene, GOOD) as one:
        assert not ask(scene, witnesses(scene, bad, one), 9).enough


def test_one_organisation_at_two_addresses_is_one(scene: Scene) -> None:
    with running(scene, GOOD) as one:
        gathered = ask(scene, witnesses(scene, one, one.replace("127.0.0.1", "localhost")), 9)
    assert not gathered.enough
    assert len({each.key_id for each in gathered.signatures}) == len(gathered.signatures) == 1


def test_who_does_not_answer_is_not_waited_for_once_enough_have_cosigned(scene: Scene) -> None:
    """It is asked no second time before it has answered the first."""
    asked_for: list[bytes] = []

    def slow(body: bytes) -> None:
        asked_for.append(body)
        threading.Event().wait(3600)

    with ExitStack() as stack:
        one, other = (stack.enter_context(running(scene, name)) for name in (GOOD, ALSO_GOOD))
        bad = stack.enter_context(pretending(slow))
        asked = witnesses(scene, bad, one, other, patience=3600)
        for size in (3, 5, 9):
            gathered = ask(scene, asked, size)
            assert gathered.enough
            assert relied_on(scene, gathered, size) == (GOOD, ALSO_GOOD)
        assert len(asked_for) <= 1
        patient = ask(scene, witnesses(scene, bad, one, patience=0.5), 9)
        assert not patient.enough
        assert patient.refusals == {}


def test_proofs_are_asked_for_by_one_thread_at_a_time_and_never_too_late(scene: Scene) -> None:
    over, together, most, late = threading.Event(), 0, 0, []

    def prove(old: int, new: int) -> Sequence[bytes]:
        nonlocal together, most
        together, most = together + 1, max(most, together + 1)
        if over.is_set():
            late.append(old)
        threading.Event().wait(0.02)
        together -= 1
        return HONEST.proof(old, new)

    def hesitant(_: bytes) -> tuple[int, str, bytes]:
        over.wait()
        return 409, "text/x.tlog.size", b"3\n"

    with ExitStack() as stack:
        good = [stack.enter_context(running(scene, name)) for name in PANEL]
        assert len(ask(scene, witnesses(scene, *good), 5).signatures) >= 2
        asked = witnesses(scene, stack.enter_context(pretending(hesitant)), *good)
        assert asked.cosign(scene.sign(HONEST.checkpoint(9)), prove).enough
        over.set()
        threading.Event().wait(0.2)
    assert most == 1
    assert late == []


def test_a_fork_is_cosigned_by_nobody_who_saw_the_other_side(scene: Scene) -> None:
    with running(scene, GOOD) as one, running(scene, ALSO_GOOD) as other:
        asked = witnesses(scene, one, other)
        assert ask(scene, asked, 7).enough
        gathered = ask(scene, asked, 9, FORK)
    assert (gathered.signatures, gathered.enough) == ((), False)
    assert all("it answers 422" in cause for cause in gathered.refusals.values())
    assert len(gathered.refusals) == 2


def test_a_witness_that_was_revoked_is_none(scene: Scene) -> None:
    assert scene.witness(GOOD).add(scene.request(HONEST, 0, 5).to_bytes(), START).outcome is Outcome.COSIGNED
    before = scene.rosters[-1]
    left = tuple(each for each in before.organisations if each.name != GOOD)
    with running(scene, GOOD) as one, running(scene, ALSO_GOOD) as other:
        scene.next_epoch(organisations=left)
        gathered = ask(scene, witnesses(scene, one, other), 9)
    assert not gathered.enough
    assert gathered.refusals == {one: "it answers 404: this log is not known here"}


@pytest.mark.parametrize("address", ["ftp://w", "w", "https://user@w", "https://w?x"])
def test_an_address_that_is_none_is_refused(address: str, scene: Scene) -> None:
    with pytest.raises(RemoteError, match="a witness's address is https://HOST"):
        witnesses(scene, address)
