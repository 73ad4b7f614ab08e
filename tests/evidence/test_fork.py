"""Proofs that a log has two histories: what proves it, and what only looks like it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reperform.evidence.documents import from_bytes, to_bytes
from reperform.evidence.dsse import Envelope
from reperform.evidence.encoding import MalformedError
from reperform.evidence.errors import ReperformError
from reperform.evidence.keys import SignatureRefusedError
from reperform.evidence.tlog.fork import Fork, NoForkError, prove_fork
from reperform.evidence.tlog.note import Note
from reperform.evidence.tlog.tree import ProofRefusedError, consistency_proof, root
from reperform.evidence.witnessed import NotWitnessedError
from reperform.tests.evidence.ledger import Ledger
from reperform.tests.evidence.scene import START, Scene, ring

SCENE = Scene(witnesses=2)
ROSTERS = (Envelope.sign(SCENE.roster, SCENE.root_keys[:2]),)
ENTRIES = [f"entry {number}".encode() for number in range(40)]


def ledger(*entries: bytes, keys: str = "log") -> Ledger:
    return replace(Ledger.of(ring(keys), post_quantum=False), entries=entries)


def note(of: Ledger) -> Note:
    return of.note((), START // 1000)


def fork(small: Ledger, large: Ledger) -> Fork:
    """What a witness makes of two trees."""
    old, new = len(small.entries), len(large.entries)
    if old == new:
        return Fork.of(note(small), note(large), ROSTERS)
    proof = consistency_proof(old, new, large.read)
    return Fork.of(note(small), note(large), ROSTERS, root(old, large.read), proof)


@given(old=st.integers(1, 40), new=st.integers(1, 40), at=st.integers(0, 39))
def test_two_histories_are_proved_and_one_is_not(old: int, new: int, at: int) -> None:
    old, new = sorted((old, new))
    small, large = ledger(*ENTRIES[:old]), ledger(*ENTRIES[:new])
    with pytest.raises(NoForkError, match="one history"):
        prove_fork(to_bytes(fork(small, large)), SCENE.roots)
    rewritten = replace(small, entries=(*ENTRIES[: at % old], b"another", *ENTRIES[at % old + 1 : old]))
    proved = prove_fork(to_bytes(fork(rewritten, large)), SCENE.roots)
    assert (proved.small, proved.large) == (rewritten.checkpoint(), large.checkpoint())


SMALL, LARGE = ledger(*ENTRIES[:5]), ledger(b"another", *ENTRIES[1:9])
GOOD = fork(SMALL, LARGE)


def test_the_control_is_a_fork() -> None:
    assert prove_fork(to_bytes(GOOD), SCENE.roots).large.size == 9
    assert from_bytes(Fork, to_bytes(GOOD)) == GOOD


@pytest.mark.parametrize(
    ("forged", "error", "message"),
    [
        (replace(GOOD, proof=GOOD.proof[:-1]), ProofRefusedError, "too short"),
        (replace(GOOD, beginning=SMALL.checkpoint().root), ProofRefusedError, "not proved"),
        (replace(GOOD, beginning=None, proof=()), MalformedError, "how the larger tree begins"),
        (replace(GOOD, small=GOOD.large, large=GOOD.small), ProofRefusedError, "does not extend"),
        (
            replace(GOOD, small=note(ledger(*ENTRIES[:5], keys="a stranger")).to_bytes()),
            NotWitnessedError,
            "not signed",
        ),
        (replace(GOOD, small=GOOD.small.replace(b"\n5\n", b"\n4\n")), SignatureRefusedError, "does not verify"),
        (replace(GOOD, rosters=()), ReperformError, "there is no roster"),
        (
            replace(GOOD, rosters=(Envelope.sign(Scene().roster, SCENE.root_keys[:2]),)),
            ReperformError,
            "names no log",
        ),
        (replace(GOOD, rosters=(Envelope.sign(SCENE.roster, SCENE.root_keys[:1]),)), SignatureRefusedError, "1 of 2"),
    ],
)
def test_what_does_not_prove_a_fork_is_refused(forged: Fork, error: type[ReperformError], message: str) -> None:
    with pytest.raises(error, match=message):
        prove_fork(to_bytes(forged), SCENE.roots)
