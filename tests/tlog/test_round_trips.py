"""What is written reads back as itself, whatever it says; what is read would be written as the same bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from reperform.evidence.digest import Digest
from reperform.evidence.encoding import MalformedError
from reperform.evidence.errors import ReperformError
from reperform.evidence.keys import SigningKey
from reperform.evidence.tlog.checkpoint import Checkpoint, parse_checkpoint
from reperform.evidence.tlog.note import MAX_BYTES, KeyType, Note, NoteKey, NoteSignature
from reperform.evidence.tlog.proof import MAX_EXTRA, Proof
from reperform.evidence.tlog.request import Request
from reperform.evidence.tlog.tiles import LEVELS, TILE, Bundle, Tile, decode_bundle, encode_bundle, parse_path
from reperform.evidence.tlog.tree import EMPTY_ROOT, MAX_SIZE

CLASSICAL = [SigningKey(Ed25519PrivateKey.from_private_bytes(bytes([i] * 32))).public for i in range(3)]
POST_QUANTUM = SigningKey(MLDSA44PrivateKey.from_seed_bytes(bytes(32))).public

LETTERS = st.characters(codec="utf-8", exclude_categories=["Cc"]) | st.sampled_from("\x7f\x85\u2028\u2014+ ")
LINES = st.text(LETTERS, min_size=1, max_size=30)
TEXTS = st.lists(st.text(LETTERS, max_size=20), min_size=1, max_size=5).map(lambda lines: "\n".join(lines) + "\n")
NAMES = LINES.map(lambda text: "".join(c for c in text if not c.isspace() and c != "+")).filter(bool)
HASHES = st.binary(min_size=32, max_size=32)
SIZES = st.integers(1, MAX_SIZE) | st.integers(1, 300)
CHECKPOINTS = st.builds(Checkpoint, LINES, SIZES, HASHES.map(Digest)) | LINES.map(
    lambda origin: Checkpoint(origin, 0, Digest(EMPTY_ROOT))
)
SIGNATURES = st.builds(NoteSignature, NAMES, st.binary(min_size=4, max_size=4), st.binary(min_size=1, max_size=80))
SIGNED = st.lists(SIGNATURES, min_size=1, max_size=4).map(tuple)
NOTES = st.builds(Note, TEXTS | CHECKPOINTS.map(Checkpoint.text), SIGNED)
PROOFS = st.lists(HASHES, max_size=63).map(tuple)
INDICES = st.integers(0, MAX_SIZE // TILE) | st.integers(0, 3000)
WIDTHS = st.integers(1, TILE)
VALUES: dict[str, tuple[st.SearchStrategy[Any], Callable[[Any], bytes], Callable[[bytes], Any]]] = {
    "bundle": (st.lists(st.binary(max_size=300), min_size=1, max_size=8).map(tuple), encode_bundle, decode_bundle),
    "checkpoint": (CHECKPOINTS, lambda it: it.text().encode(), lambda data: parse_checkpoint(data.decode())),
    "note": (NOTES, Note.to_bytes, Note.parse),
    "path": (
        st.builds(Tile, st.integers(0, LEVELS - 1), INDICES, WIDTHS) | st.builds(Bundle, INDICES, WIDTHS),
        lambda it: it.path.encode(),
        lambda data: parse_path(data.decode()),
    ),
    "proof": (
        st.builds(Proof, st.integers(0, MAX_SIZE), PROOFS, NOTES, st.none() | st.binary(min_size=1, max_size=80)),
        lambda it: str(it).encode(),
        Proof.parse,
    ),
    "request": (st.builds(Request, st.integers(0, MAX_SIZE), PROOFS, NOTES), Request.to_bytes, Request.parse),
    "vkey": (
        st.builds(NoteKey, NAMES, st.sampled_from([KeyType.ED25519, KeyType.COSIGNATURE]), st.sampled_from(CLASSICAL))
        | NAMES.map(lambda name: NoteKey(name, KeyType.COSIGNATURE_ML_DSA_44, POST_QUANTUM)),
        lambda it: str(it).encode(),
        lambda data: NoteKey.parse(data.decode()),
    ),
}


@pytest.mark.parametrize("kind", VALUES)
@given(data=st.data())
def test_what_is_written_reads_back_as_itself(kind: str, data: st.DataObject) -> None:
    values, write, read = VALUES[kind]
    value = data.draw(values)
    assert read(write(value)) == value


@pytest.mark.parametrize("kind", VALUES)
@given(data=st.data())
def test_one_byte_more_less_or_other_is_refused_or_is_another_value(kind: str, data: st.DataObject) -> None:
    values, write, read = VALUES[kind]
    value = data.draw(values)
    written = write(value)
    at = data.draw(st.integers(0, len(written) - 1))
    byte = data.draw(st.sampled_from(list(b"\n\r \t\x00\x1f\x7f\xc2\xff=+/0A")) | st.integers(0, 255))
    end = data.draw(st.sampled_from([at, at + 1]))
    middle = data.draw(st.sampled_from([b"", bytes([byte])]))
    _same_bytes_or_refused(written[:at] + middle + written[end:], value, written, write, read)


@pytest.mark.parametrize("kind", VALUES)
@given(data=st.binary(max_size=200))
def test_random_bytes_are_refused_or_written_the_same(kind: str, data: bytes) -> None:
    _, write, read = VALUES[kind]
    _same_bytes_or_refused(data, None, b"", write, read)


def _same_bytes_or_refused(
    data: bytes, value: object, written: bytes, write: Callable[[Any], bytes], read: Callable[[bytes], Any]
) -> None:
    try:
        again = read(data)
    except (ReperformError, UnicodeDecodeError):  # who reads a text from bytes has decoded it
        return
    assert write(again) == data
    assert (again == value) == (data == written)


def test_the_text_of_a_note_may_have_empty_lines_and_lines_like_signatures() -> None:
    signature = NoteSignature("w", b"\x01\x02\x03\x04", b"\x05")
    for text in ("\n", "\n\n", "a\n\n", "\na\n", "a\n\nb\n", f"a\n{signature}", f"{signature}", f"a\n\n{signature}"):
        assert Note.parse(Note(text, (signature,)).to_bytes()).text == text


def test_half_of_a_surrogate_pair_stands_in_no_name_and_no_origin() -> None:
    """As a command line or a path has it that was not UTF-8."""
    key = str(NoteKey.ed25519("log", CLASSICAL[0]))
    text = Checkpoint("log", 1, Digest(bytes(32))).text()
    for half in ("\ud800", "\udcff", "\udfff"):
        with pytest.raises(MalformedError):
            NoteKey.parse(key.replace("log", f"log{half}"))
        with pytest.raises(MalformedError):
            parse_checkpoint(text.replace("log", f"log{half}"))


def test_an_origin_is_never_empty() -> None:
    with pytest.raises(MalformedError, match="one line of text"):
        Checkpoint("", 1, Digest(bytes(32)))


def test_a_note_ends_its_last_line_and_is_signed() -> None:
    signature = NoteSignature("w", b"\x01\x02\x03\x04", b"\x05")
    for text, signatures in (("", (signature,)), ("text", (signature,)), ("text\nmore", (signature,)), ("text\n", ())):
        with pytest.raises(MalformedError, match="lines of text, and a signature"):
            Note(text, signatures)


def test_the_last_tile_of_the_largest_log_has_a_path() -> None:
    assert parse_path("tile/0/x036/x028/x797/x018/x963/967") == Tile(0, MAX_SIZE // TILE)


def test_a_proof_may_have_the_largest_note_and_the_largest_extra_at_once() -> None:
    signature = NoteSignature("w", b"\x01\x02\x03\x04", b"\x05")
    beside = len(Note("\n", (signature,)).to_bytes())
    proof = Proof(0, (), Note("a" * (MAX_BYTES - beside) + "\n", (signature,)), bytes(MAX_EXTRA))
    assert Proof.parse(str(proof).encode()) == proof
