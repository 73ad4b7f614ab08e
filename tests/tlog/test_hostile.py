"""Every folder under hostile/: what ends in _fail is refused in the words of its README, the controls are read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from reperform.evidence.errors import ReperformError
from reperform.evidence.keys import SignatureRefusedError
from reperform.evidence.tlog.checkpoint import parse_checkpoint
from reperform.evidence.tlog.note import Note, NoteKey
from reperform.evidence.tlog.proof import Proof
from reperform.evidence.tlog.request import Request
from reperform.evidence.tlog.tiles import decode_bundle, encode_bundle, parse_path
from reperform.evidence.tlog.tree import check_consistency, check_inclusion, leaf_hash, root
from reperform.tests.tlog.hostile.generate import ENTRIES, FOLDER, LOG, ORIGIN, TREE, files

FOLDERS = sorted(path for path in FOLDER.iterdir() if path.name.endswith(("_fail", "_pass")))
LOG_KEY = NoteKey.ed25519(ORIGIN, LOG.public)


def _note(data: bytes) -> bytes:
    note = Note.parse(data)
    signature = note.signature_by(LOG_KEY)
    if signature is None:
        raise SignatureRefusedError("not signed by the log")
    LOG_KEY.verify(signature, note.text)
    return note.to_bytes()


def _proof(data: bytes) -> bytes:
    proof = Proof.parse(data)
    checkpoint = parse_checkpoint(proof.checkpoint.text)
    check_inclusion(leaf_hash(ENTRIES[6]), proof.index, checkpoint.size, proof.hashes, checkpoint.root.value)
    return str(proof).encode()


def _request(data: bytes) -> bytes:
    request = Request.parse(data)
    new = parse_checkpoint(request.note.text)
    old = root(request.old_size, TREE.read)
    check_consistency(request.old_size, old, new.size, new.root.value, request.proof)
    return request.to_bytes()


# Each reads bytes strictly, and writes what it read.
READERS: dict[str, Callable[[bytes], bytes]] = {
    "bundle": lambda data: encode_bundle(decode_bundle(data)),
    "checkpoint": lambda data: parse_checkpoint(data.decode()).text().encode(),
    "note": _note,
    "path": lambda data: parse_path(data.decode()).path.encode(),
    "proof": _proof,
    "request": _request,
    "vkey": lambda data: str(NoteKey.parse(data.decode())).encode(),
}


def _only_file(folder: Path) -> Path:
    (file,) = (path for path in folder.iterdir() if path.name != "README.md")
    return file


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_a_hostile_text_is_refused_in_the_words_of_its_readme_and_the_control_is_read(folder: Path) -> None:
    file = _only_file(folder)
    data, read = file.read_bytes(), READERS[file.name]
    if folder.name.endswith("_pass"):
        assert read(data) == data
        return
    first, _, why = (folder / "README.md").read_text().partition("\n\n")
    assert first.startswith("Refused:")
    assert why.strip()
    with pytest.raises(ReperformError, match=first.removeprefix("Refused:").strip()):
        read(data)


def test_there_is_a_control_and_an_attack_on_everything_that_is_read() -> None:
    for ending in ("_pass", "_fail"):
        assert {_only_file(folder).name for folder in FOLDERS if folder.name.endswith(ending)} == READERS.keys()


def test_the_generator_still_writes_the_committed_files() -> None:
    for path, data in files().items():
        assert (FOLDER / path).read_bytes() == data, path


@pytest.mark.parametrize("name", READERS)
def test_whatever_byte_is_altered_a_reader_refuses_or_writes_the_same_bytes(name: str) -> None:
    data = (FOLDER / f"{name}_pass" / name).read_bytes()
    for at in range(len(data)):
        for mask in (1, 0x20, 0x80):
            altered = data[:at] + bytes([data[at] ^ mask]) + data[at + 1 :]
            try:
                assert READERS[name](altered) == altered
            except (ReperformError, UnicodeDecodeError):
                continue


@pytest.mark.parametrize("name", READERS)
def test_a_text_is_refused_wherever_it_breaks_off_or_something_follows(name: str) -> None:
    data = (FOLDER / f"{name}_pass" / name).read_bytes()
    for altered in [data[:at] for at in range(len(data))] + [data + more for more in (b"\n", b" ", b"\x00", b"x")]:
        try:
            assert READERS[name](altered) == altered
        except ReperformError:
            continue
        assert name in ("bundle", "note", "path", "proof", "request"), altered  # a part of it, which is whole
