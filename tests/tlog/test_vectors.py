"""The published vectors of the field. vectors/README.md says where they are from."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Any, Final

import pytest
from reperform.evidence.encoding import MalformedError
from reperform.evidence.keys import Algorithm, PublicKey, SignatureRefusedError
from reperform.evidence.tlog.checkpoint import Checkpoint, parse_checkpoint
from reperform.evidence.tlog.note import Note, NoteKey
from reperform.evidence.tlog.request import Request
from reperform.evidence.tlog.tree import (
    EMPTY_ROOT,
    MAX_SIZE,
    ProofRefusedError,
    check_consistency,
    check_inclusion,
    inclusion_proof,
    leaf_hash,
    root,
)
from reperform.tests.tlog.naive import Tree

FOLDER = Path(__file__).parent / "vectors"
MERKLE: Final[dict[str, Any]] = json.loads((FOLDER / "merkle.json").read_text())
NOTES: Final[dict[str, Any]] = json.loads((FOLDER / "notes.json").read_text())
# They expect that nothing is proved from an empty tree; c2sp.org/tlog-witness asks for it, with an empty proof.
FROM_THE_EMPTY_TREE: Final = "additional/size1-is-zero-and-size2-is-not-zero.json"


def _hashes(texts: list[str] | None) -> tuple[bytes, ...]:
    return tuple(base64.b64decode(text) for text in texts or ())


@pytest.mark.parametrize("name", MERKLE["inclusion"])
def test_a_published_proof_of_inclusion_is_judged_as_published(name: str) -> None:
    case = MERKLE["inclusion"][name]
    leaf, top = _hashes([case["leafHash"] or "", case["root"] or ""])
    arguments = (leaf, case["leafIdx"], case["treeSize"], _hashes(case["proof"]), top)
    if case["wantErr"]:
        with pytest.raises(ProofRefusedError):
            check_inclusion(*arguments)
    else:
        check_inclusion(*arguments)


@pytest.mark.parametrize("name", MERKLE["consistency"])
def test_a_published_proof_of_consistency_is_judged_as_published(name: str) -> None:
    case = MERKLE["consistency"][name]
    before, after = _hashes([case["root1"] or "", case["root2"] or ""])
    arguments = (case["size1"], before, case["size2"], after, _hashes(case["proof"]))
    if case["wantErr"] and name != FROM_THE_EMPTY_TREE:
        with pytest.raises(ProofRefusedError):
            check_consistency(*arguments)
    else:
        check_consistency(*arguments)


def test_the_tree_heads_of_certificate_transparency() -> None:
    entries = [bytes.fromhex(entry) for entry in MERKLE["heads"]["entries"]]
    roots = [root(size, Tree(entries).read).hex() for size in range(len(entries) + 1)]
    assert roots == MERKLE["heads"]["roots"]


def test_all_subtrees_and_proofs_of_130_entries_are_those_that_were_digested() -> None:
    tree, hashes, proofs = Tree([bytes([i]) for i in range(130)]), hashlib.sha256(), hashlib.sha256()
    for end in range(131):
        for start in range(end + 1):
            size = end - start
            if size and start % (1 << (size - 1).bit_length()):
                continue  # no subtree begins there

            def read(level: int, index: int, start: int = start) -> bytes:
                return tree.read(level, index + (start >> level))

            hashes.update(f"[{start}, {end}) {root(size, read).hex()}\n".encode())
            for index in range(size):
                proof = "".join(f" {each.hex()}" for each in inclusion_proof(index, size, read))
                proofs.update(f"{start + index} [{start}, {end}){proof}\n".encode())
    published = MERKLE["accumulated"]
    assert hashes.hexdigest() == published["subtree-hashes"]
    assert proofs.hexdigest() == published["subtree-inclusion-proofs"]


def test_the_example_of_the_signed_note_verifies_under_its_verifier_key() -> None:
    example = NOTES["signed-note"]
    key, note = NoteKey.parse(example["vkey"]), Note.parse(example["note"].encode())
    assert (str(key), note.to_bytes().decode()) == (example["vkey"], example["note"])
    signature = note.signature_by(key)
    assert signature is not None
    key.verify(signature, note.text)
    with pytest.raises(SignatureRefusedError):
        key.verify(signature, note.text + "more\n")


def test_a_checkpoint_of_the_go_checksum_database_verifies() -> None:
    key = NoteKey.parse(NOTES["sumdb"]["vkey"])
    request = Request.parse(NOTES["sumdb"]["requests"][0]["body"].encode())
    signature = request.note.signature_by(key)
    assert signature is not None
    key.verify(signature, request.note.text)
    checkpoint = parse_checkpoint(request.note.text)
    assert (checkpoint.origin, checkpoint.size) == ("go.sum database tree", 35225469)


def test_the_requests_to_a_witness_are_judged_as_published() -> None:
    """By signature and consistency alone, from the tree that was accepted before."""
    public = bytes.fromhex(NOTES["sigsum"]["key"])
    name = f"sigsum.org/v1/tree/{hashlib.sha256(public).hexdigest()}"
    key = NoteKey.ed25519(name, PublicKey(Algorithm.ED25519, public))
    latest, found, expected = None, [], []
    for published in NOTES["sigsum"]["requests"]:
        if published["body"].endswith("6gx=\n"):  # a bad signature by bits that base64 leaves over: strictly, no note
            with pytest.raises(MalformedError, match="canonical"):
                Request.parse(published["body"].encode())
            continue
        request = Request.parse(published["body"].encode())
        assert request.to_bytes().decode() == published["body"]
        status, checkpoint = _judge(request, key, latest)
        found.append(status)
        expected.append(published["status"])
        latest = checkpoint if status == 200 else latest
    assert found == expected
    assert {200, 403, 409, 422} <= set(found)


def _judge(request: Request, key: NoteKey, latest: Checkpoint | None) -> tuple[int, Checkpoint]:
    checkpoint, signature = parse_checkpoint(request.note.text), request.note.signature_by(key)
    try:
        if signature is None:
            return 403, checkpoint
        key.verify(signature, request.note.text)
    except SignatureRefusedError:
        return 403, checkpoint
    size, top = (latest.size, latest.root.value) if latest else (0, EMPTY_ROOT)
    if request.old_size != size:
        return 409, checkpoint
    try:
        check_consistency(size, top, checkpoint.size, checkpoint.root.value, request.proof)
    except ProofRefusedError:
        return 422, checkpoint
    return 200, checkpoint


@pytest.mark.parametrize("name", ["tlog-cosignature", "tlog-witness"])
def test_the_examples_of_the_specifications_read_and_are_written_the_same(name: str) -> None:
    text = NOTES[name].get("note") or NOTES[name]["body"]
    if "body" in NOTES[name]:
        request = Request.parse(text.encode())
        assert (request.to_bytes().decode(), request.old_size, len(request.proof)) == (text, 20852014, 4)
        note = request.note
    else:
        note = Note.parse(text.encode())
        assert note.to_bytes().decode() == text
    checkpoint = parse_checkpoint(note.text)
    assert (checkpoint.origin, checkpoint.size, len(note.signatures)) == ("example.com/behind-the-sofa", 20852163, 2)
    assert checkpoint.size < MAX_SIZE


def test_the_vectors_are_the_files_whose_digests_stand_beside_them() -> None:
    readme = (FOLDER / "README.md").read_text()
    written = dict(re.findall(r"^\| `(\S+\.json)` \| `([0-9a-f]{64})` \|$", readme, re.MULTILINE))
    assert written == {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in FOLDER.glob("*.json")}
    cases = [case["wantErr"] for kind in ("inclusion", "consistency") for case in MERKLE[kind].values()]
    assert f"{len(cases)} cases, {sum(cases)} of which must fail" in readme
    assert leaf_hash(b"").hex() == MERKLE["heads"]["roots"][1]
