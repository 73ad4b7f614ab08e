"""Notes, cosignatures and what carries them: written and read again the same; each signature says one thing only."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import replace
from typing import Final

import pytest
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from reperform.evidence.digest import Digest
from reperform.evidence.encoding import MalformedError
from reperform.evidence.keys import SignatureRefusedError, SigningKey
from reperform.evidence.tlog.checkpoint import Checkpoint, parse_checkpoint
from reperform.evidence.tlog.cosignature import MAX_TIME, check_cosignature, cosign, cosigner_key
from reperform.evidence.tlog.note import KeyType, Note, NoteKey, NoteSignature, check_name, sign_note
from reperform.evidence.tlog.proof import MAX_EXTRA, Proof
from reperform.evidence.tlog.request import Request
from reperform.evidence.tlog.tree import EMPTY_ROOT, MAX_SIZE
from reperform.tests.tlog.hostile.generate import CHECKPOINT, LOG, NOTE, ORIGIN, WITNESS

POST_QUANTUM: Final = SigningKey(MLDSA44PrivateKey.from_seed_bytes(b"Q" * 32))
KEYS: Final = [WITNESS, POST_QUANTUM]
SECONDS: Final = 1_790_000_000

hashes = st.binary(min_size=32, max_size=32)
names = st.text(
    st.characters(codec="utf-8", exclude_categories=["Z", "Cc"], exclude_characters="+"), min_size=1
).filter(lambda name: not any(character.isspace() for character in name))
lines = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]))
signatures = st.builds(NoteSignature, names, st.binary(min_size=4, max_size=4), st.binary(min_size=1, max_size=80))
notes = st.builds(
    lambda text, signed: Note("\n".join(text) + "\n", tuple(signed)),
    st.lists(lines, min_size=1, max_size=5),
    st.lists(signatures, min_size=1, max_size=16),
)
checkpoints = st.builds(
    lambda origin, size, root: Checkpoint(origin, size, Digest(root if size else EMPTY_ROOT)),
    lines.filter(bool),
    st.integers(0, MAX_SIZE),
    hashes,
)
proofs = st.lists(hashes, max_size=63).map(tuple)


@given(notes)
def test_a_note_is_read_as_it_was_written(note: Note) -> None:
    assert Note.parse(note.to_bytes()) == note


@given(checkpoints)
def test_a_checkpoint_is_read_as_it_was_written(checkpoint: Checkpoint) -> None:
    assert parse_checkpoint(checkpoint.text()) == checkpoint


@given(st.integers(0, MAX_SIZE), proofs, notes, st.none() | st.binary(min_size=1, max_size=99))
def test_a_proof_is_read_as_it_was_written(
    index: int, found: tuple[bytes, ...], note: Note, extra: bytes | None
) -> None:
    proof = Proof(index, found, note, extra)
    assert Proof.parse(str(proof).encode()) == proof


@given(st.integers(0, MAX_SIZE), proofs, notes)
def test_a_request_is_read_as_it_was_written(old: int, found: tuple[bytes, ...], note: Note) -> None:
    request = Request(old, found, note)
    assert Request.parse(request.to_bytes()) == request


def test_what_is_read_is_of_bounded_size() -> None:
    """Before its base64 is read: a large text is refused for its size, whatever is in it."""
    proof = Proof(0, (), NOTE, bytes(MAX_EXTRA))
    assert Proof.parse(str(proof).encode()) == proof
    with pytest.raises(MalformedError, match=f"more than {MAX_EXTRA} bytes besides"):
        Proof.parse(str(replace(proof, extra=bytes(MAX_EXTRA + 1))).encode())
    with pytest.raises(MalformedError, match="too large"):
        Proof.parse(b"x" * 1_000_000)
    with pytest.raises(MalformedError, match="a request of more than"):
        Request.parse(b"x" * 1_000_000)
    with pytest.raises(MalformedError, match="a note of more than"):
        Note.parse(b"x" * 1_000_000)


@given(st.binary(max_size=300))
def test_bytes_of_no_note_are_refused_or_read_as_they_are(data: bytes) -> None:
    for cls in (Note, Request):
        try:
            assert cls.parse(data).to_bytes() == data
        except MalformedError:
            continue


def test_sixteen_signatures_of_the_largest_kind_are_taken() -> None:
    one = cosign(CHECKPOINT, "w", POST_QUANTUM, SECONDS)
    signed = tuple(replace(one, name=f"witness-{i}") for i in range(16))
    assert Note.parse(Note(CHECKPOINT.text(), signed).to_bytes()).signatures == signed


@pytest.mark.parametrize(
    "name", ["", "a b", "a+b", "a\tb", "a\nb", "\u00a0", "\u2028", "\u3000", "a\x85", "\x00", "a\x1c"], ids=repr
)
def test_what_has_a_space_a_plus_or_a_control_character_is_no_key_name(name: str) -> None:
    with pytest.raises(MalformedError):
        check_name(name)
    with pytest.raises(MalformedError):
        NoteKey.ed25519(name, LOG.public)


@pytest.mark.parametrize("kind", KeyType)
def test_a_key_id_is_what_the_specification_says_and_a_verifier_key_is_read_as_written(kind: KeyType) -> None:
    public = POST_QUANTUM.public if kind is KeyType.COSIGNATURE_ML_DSA_44 else LOG.public
    key = NoteKey(ORIGIN, kind, public)
    assert key.key_id == hashlib.sha256(ORIGIN.encode() + b"\n" + bytes([kind]) + public.value).digest()[:4]
    assert NoteKey.parse(str(key)) == key


def test_a_key_signs_only_as_its_algorithm_can() -> None:
    for kind, public in ((KeyType.ED25519, POST_QUANTUM.public), (KeyType.COSIGNATURE_ML_DSA_44, LOG.public)):
        with pytest.raises(MalformedError, match="does not sign"):
            NoteKey(ORIGIN, kind, public)


def test_an_ed25519_cosignature_is_over_the_text_that_the_specification_shows() -> None:
    signature = cosign(CHECKPOINT, "w", WITNESS, SECONDS)
    message = f"cosignature/v1\ntime {SECONDS}\n{CHECKPOINT.text()}".encode()
    assert signature.value[:8] == SECONDS.to_bytes(8, "big")
    WITNESS.public.verify(signature.value[8:], message)
    assert signature.key_id == hashlib.sha256(b"w\n\x04" + WITNESS.public.value).digest()[:4]


def test_an_ml_dsa_44_cosignature_is_over_the_structure_that_the_specification_shows() -> None:
    signature = cosign(CHECKPOINT, "w", POST_QUANTUM, SECONDS)
    names = b"\x01w" + struct.pack(">Q", SECONDS) + bytes([len(ORIGIN)]) + ORIGIN.encode()
    message = b"subtree/v1\n\x00" + names + struct.pack(">QQ", 0, CHECKPOINT.size) + CHECKPOINT.root.value
    POST_QUANTUM.public.verify(signature.value[8:], message)
    assert len(signature.value) == 8 + 2420
    assert signature.key_id == hashlib.sha256(b"w\n\x06" + POST_QUANTUM.public.value).digest()[:4]


@pytest.mark.parametrize("key", KEYS, ids=lambda key: str(key.public.algorithm))
def test_a_cosignature_says_when_and_is_of_nothing_else(key: SigningKey) -> None:
    signature = cosign(CHECKPOINT, "w", key, SECONDS)
    assert check_cosignature(signature, CHECKPOINT, "w", key.public) == SECONDS
    later = replace(signature, value=(SECONDS + 1).to_bytes(8, "big") + signature.value[8:])
    others = [
        (later, CHECKPOINT, "w", key.public),
        (signature, replace(CHECKPOINT, size=12), "w", key.public),
        (signature, replace(CHECKPOINT, origin="log.example/other"), "w", key.public),
        (signature, replace(CHECKPOINT, root=Digest(bytes(32))), "w", key.public),
        (signature, CHECKPOINT, "w", SigningKey.generate(key.public.algorithm).public),
        (replace(signature, value=signature.value[:-1]), CHECKPOINT, "w", key.public),
        (replace(signature, value=signature.value + b"\x00"), CHECKPOINT, "w", key.public),
    ]
    for arguments in others:
        with pytest.raises(SignatureRefusedError):
            check_cosignature(*arguments)


def test_only_ml_dsa_44_signs_the_cosigners_name_too() -> None:
    check_cosignature(cosign(CHECKPOINT, "w", WITNESS, 1), CHECKPOINT, "v", WITNESS.public)
    with pytest.raises(SignatureRefusedError):
        check_cosignature(cosign(CHECKPOINT, "w", POST_QUANTUM, 1), CHECKPOINT, "v", POST_QUANTUM.public)


@pytest.mark.parametrize("key", KEYS, ids=lambda key: str(key.public.algorithm))
def test_a_cosignature_without_a_time_or_of_one_out_of_range_is_refused(key: SigningKey) -> None:
    for seconds in (0, -1, MAX_TIME + 1):
        with pytest.raises(MalformedError):
            cosign(CHECKPOINT, "w", key, seconds)
    good = cosign(CHECKPOINT, "w", key, MAX_TIME)
    assert check_cosignature(good, CHECKPOINT, "w", key.public) == MAX_TIME
    for value in (bytes(8) + good.value[8:], b"\x80" + good.value[1:], good.value[:8], b""):
        with pytest.raises(MalformedError):
            check_cosignature(replace(good, value=value), CHECKPOINT, "w", key.public)


def test_names_that_do_not_fit_into_a_cosignature_of_ml_dsa_44_are_refused() -> None:
    long = replace(CHECKPOINT, origin="o" * 256)
    for checkpoint, name in ((CHECKPOINT, "w" * 256), (long, "w")):
        with pytest.raises(MalformedError, match="1 to 255"):
            cosign(checkpoint, name, POST_QUANTUM, 1)
    cosign(replace(CHECKPOINT, origin="o" * 255), "w" * 255, POST_QUANTUM, 1)


def test_a_signature_of_the_text_is_none_of_a_cosigner_and_the_reverse() -> None:
    plain, cosigned = sign_note(CHECKPOINT.text(), "w", WITNESS), cosign(CHECKPOINT, "w", WITNESS, SECONDS)
    assert plain.key_id != cosigned.key_id
    note = Note(CHECKPOINT.text(), (plain, cosigned))
    assert note.signature_by(NoteKey.ed25519("w", WITNESS.public)) == plain
    assert note.signature_by(cosigner_key("w", WITNESS.public)) == cosigned
    with pytest.raises(SignatureRefusedError):
        NoteKey.ed25519("w", WITNESS.public).verify(cosigned, note.text)
    with pytest.raises(SignatureRefusedError):
        cosigner_key("w", WITNESS.public).verify(plain, note.text)


def test_signatures_of_unknown_keys_are_left_alone_even_under_a_known_name_or_id() -> None:
    key = NoteKey.ed25519(ORIGIN, LOG.public)
    strangers = (
        NoteSignature(ORIGIN, b"\x00" * 4, b"under the name"),
        NoteSignature("stranger", key.key_id, b"under the id"),
    )
    note = Note(NOTE.text, (*strangers, *NOTE.signatures))
    signature = note.signature_by(key)
    assert signature == NOTE.signatures[0]
    assert Note(NOTE.text, strangers).signature_by(key) is None
