"""Write the hostile texts: `python -m reperform.tests.tlog.hostile.generate`. One folder for each attack.

The name of the file in a folder says what reads it. The first line of the README has the words with which it is
refused; a new attack is a new folder, with or without an entry here.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from reperform.evidence.digest import Digest
from reperform.evidence.keys import SigningKey
from reperform.evidence.tlog.checkpoint import Checkpoint
from reperform.evidence.tlog.cosignature import cosign
from reperform.evidence.tlog.note import Note, NoteKey, sign_note
from reperform.evidence.tlog.proof import Proof
from reperform.evidence.tlog.request import Request
from reperform.evidence.tlog.tiles import encode_bundle
from reperform.evidence.tlog.tree import consistency_proof, inclusion_proof, leaf_hash, root
from reperform.tests.tlog.naive import Tree

FOLDER: Final = Path(__file__).parent
ORIGIN: Final = "log.example/decisions"
ENTRIES: Final = [b"entry %d" % i for i in range(11)]
TREE: Final = Tree(ENTRIES)
LOG: Final = SigningKey(Ed25519PrivateKey.from_private_bytes(b"L" * 32))
WITNESS: Final = SigningKey(Ed25519PrivateKey.from_private_bytes(b"W" * 32))
CHECKPOINT: Final = Checkpoint(ORIGIN, 11, Digest(root(11, TREE.read)))
NOTE: Final = Note(CHECKPOINT.text(), (sign_note(CHECKPOINT.text(), ORIGIN, LOG), cosign(CHECKPOINT, "w", WITNESS, 1)))
PROOF: Final = str(Proof(6, inclusion_proof(6, 11, TREE.read), NOTE, b"extra"))
REQUEST: Final = Request(6, consistency_proof(6, 11, TREE.read), NOTE).to_bytes().decode()
VKEY: Final = str(NoteKey.ed25519(ORIGIN, LOG.public))
TEXT: Final = CHECKPOINT.text()
LINES: Final = NOTE.to_bytes().decode().splitlines(keepends=True)
SIGNATURE, COSIGNATURE = LINES[-2:]
HASH: Final = base64.b64encode(leaf_hash(b"")).decode()
ROOT: Final = TEXT.splitlines()[2]
# (name, content, words of the refusal, why it must fail); the name begins with what reads the content
Attack = tuple[str, str | bytes, str, str]


def _genuine() -> Iterator[tuple[str, str | bytes]]:
    yield "checkpoint", TEXT
    yield "note", NOTE.to_bytes()
    yield "proof", PROOF
    yield "request", REQUEST
    yield "vkey", VKEY
    yield "path", "tile/0/x001/x234/067.p/255"
    yield "bundle", encode_bundle(ENTRIES)


def _checkpoints() -> Iterator[Attack]:
    one, text = "a line each", "no client that reads it strictly would agree on its bytes"
    yield "checkpoint_size_with_zero_in_front", TEXT.replace("\n11\n", "\n011\n"), one, text
    yield "checkpoint_size_with_a_sign", TEXT.replace("\n11\n", "\n+11\n"), one, text
    yield "checkpoint_size_with_other_digits", TEXT.replace("\n11\n", "\n١١\n"), one, text
    yield "checkpoint_size_too_large", TEXT.replace("\n11\n", f"\n{2**63}\n"), "has 0 to", "2^63 - 1"
    yield "checkpoint_of_nothing", TEXT.replace("\n11\n", "\n0\n"), "without entries", "another root"
    yield "checkpoint_without_origin", TEXT.replace(ORIGIN, ""), one, "nobody's log"
    yield "checkpoint_with_carriage_returns", TEXT.replace("\n", "\r\n"), one, text
    yield "checkpoint_origin_with_a_tab", TEXT.replace("log.", "log\t"), "one line", "a control character"
    yield "checkpoint_with_an_extension", TEXT + "extension\n", one, "lines that ML-DSA-44 does not sign"
    yield "checkpoint_cut_off", TEXT[:-1], one, "the last line does not end"
    other = ROOT[:-2] + chr(ord(ROOT[-2]) + 1) + "="
    yield "checkpoint_root_with_bits_left_over", TEXT.replace(ROOT, other), "canonical", "two texts of one root"
    short = base64.b64encode(leaf_hash(b"")[:31]).decode()
    yield "checkpoint_root_too_short", TEXT.replace(ROOT, short), one, "31 bytes are no hash"


def _notes() -> Iterator[Attack]:
    plain, space = NOTE.to_bytes().decode(), f"\u2014 {ORIGIN} "
    cannot = "cannot be the name|is no signature"
    yield "note_without_signature", TEXT, "no signatures", "anybody's words"
    yield "note_cut_off", plain[:-1], "no signatures", "the last signature does not end"
    yield "note_without_a_blank_line", TEXT + SIGNATURE, "no signatures", "text and signatures run together"
    yield "note_with_two_blank_lines", plain + "\n", "no signatures", "what is under the last one is nothing"
    yield "note_with_carriage_returns", plain.replace("\n", "\r\n"), "no signatures", "a line ends with U+000A alone"
    yield "note_not_utf8", plain.encode().replace(b"log.", b"log\xff"), "UTF-8", "two readers see two texts"
    yield "note_with_a_control_character", plain.replace("log.", "log\x1b", 1), "control", "it writes on a terminal"
    yield "note_signed_with_a_hyphen", plain.replace("\u2014", "-"), "is no signature", "not an em dash"
    yield "note_key_name_with_a_plus", plain.replace(space, "\u2014 a+b "), cannot, "it would read as part of a key"
    yield "note_key_name_with_a_space", plain.replace(space, "\u2014 a\u00a0b "), cannot, "U+00A0 is a space too"
    escape = plain.replace(space, "\u2014 a\x1bb ")
    yield "note_key_name_with_a_control_character", escape, "cannot be the name", "it writes on a terminal"
    yield "note_key_name_empty", plain.replace(space, "\u2014  "), cannot, "nobody signed"
    yield "note_signature_too_short", f"{TEXT}\n{space}AAAAAA==\n", "too short", "a key's id, and nothing after it"
    yield "note_signature_not_base64", f"{TEXT}\n{space}AAAA_AAA\n", "is no signature", "base64url is another"
    tail = SIGNATURE[:-3] + chr(ord(SIGNATURE[-3]) + 1) + "=\n"
    yield "note_signature_with_bits_left_over", plain.replace(SIGNATURE, tail), "canonical", "two texts, one signature"
    yield "note_of_another_key", plain.replace(SIGNATURE, ""), "not signed by the log", "a witness is not the log"
    yield "note_of_another_text", plain.replace("\n11\n", "\n12\n"), "does not verify", "the log signed another size"
    taken = f"\u2014 {ORIGIN} {COSIGNATURE.split()[2]}\n"
    yield "note_cosigned_in_the_logs_name", f"{TEXT}\n{taken}", "not signed by the log", "the key's id is another's"
    yield "note_signed_twice", f"{TEXT}\n{SIGNATURE}{SIGNATURE}", "signed twice", "one key has one say"
    yield "note_of_many_signatures", f"{TEXT}\n" + COSIGNATURE * 65, "more than 64", "work without an end"
    yield "note_of_many_bytes", "a" * (256 * 1024) + f"\n\n{SIGNATURE}", "bytes", "memory without an end"
    yield "vkey_of_another_id", VKEY.replace(VKEY.split("+")[1], "00000000"), "NAME", "the id is not this key's"
    yield (
        "vkey_of_capital_digits",
        VKEY.replace(VKEY.split("+")[1], VKEY.split("+")[1].upper()),
        "NAME",
        "an id has eight digits, in lower case",
    )
    yield "vkey_line_after_it", VKEY + "\n", "base64|NAME", "it is one line, without its end"
    yield "vkey_cut_off", VKEY[:-4], "expected 32", "three bytes of the key are missing"
    yield "vkey_of_an_unknown_type", "a+00000000+AgAA", "not known", "type 0x02"
    low = base64.b64encode(bytes([1, 1, *[0] * 31])).decode()
    yield "vkey_of_low_order", f"a+00000000+{low}", "order", "it signs all"


def _proofs() -> Iterator[Attack]:
    what, lines = "not a proof", "one text for one proof"
    yield "proof_of_another_version", PROOF.replace("@v1", "@v2"), what, "its lines may mean something else"
    yield "proof_index_with_zero_in_front", PROOF.replace("index 6", "index 06"), what, lines
    yield "proof_index_negative", PROOF.replace("index 6", "index -6"), what, "entries are counted from 0"
    yield "proof_without_index", PROOF.replace("index 6\n", ""), what, "of no entry"
    yield "proof_of_another_index", PROOF.replace("index 6", "index 7"), "not proved", "entry 6 stands elsewhere"
    yield "proof_index_outside", PROOF.replace("index 6", "index 11"), "there is no entry", "the tree has 11"
    yield (
        "proof_index_too_large",
        PROOF.replace("index 6", f"index {2**63}"),
        "there is no entry",
        "2^63 - 1 is the last",
    )
    yield "proof_with_a_hash_more", PROOF.replace("index 6\n", f"index 6\n{HASH}\n"), "proof|proved", "no tree of 11"
    cut = "".join(line for i, line in enumerate(PROOF.splitlines(keepends=True)) if i != 3)
    yield "proof_with_a_hash_less", cut, "not proved", "no tree of 11 has it"
    many = PROOF.replace("index 6\n", "index 6\n" + f"{HASH}\n" * 64)
    yield "proof_of_many_hashes", many, "at most 63", "no tree is so high"
    yield "proof_with_empty_extra", PROOF.replace("extra ZXh0cmE=", "extra "), what, "it is left out"
    broken = PROOF.replace("extra ZXh0cmE=", "extra ZXh0c")
    yield "proof_with_broken_extra", broken, "extra line that is not in base64", "five digits are no bytes"
    yield "proof_not_utf8", PROOF.encode().replace(b"extra ", b"extra\xff"), "UTF-8", "it is text"
    yield "proof_with_spaces", PROOF.replace("extra ", "extra  "), what, lines
    yield "proof_with_carriage_returns", PROOF.replace("\n", "\r\n"), what, lines
    yield "proof_without_checkpoint", PROOF.partition("\n\n")[0] + "\n\n", "no signatures", "of no tree"


def _requests() -> Iterator[Attack]:
    what = "not a request"
    yield "request_old_with_zero_in_front", REQUEST.replace("old 6", "old 06"), what, "not decimal"
    yield "request_without_old", REQUEST.replace("old 6\n", ""), what, "from where?"
    yield "request_not_utf8", REQUEST.encode().replace(b"old 6", b"old\xff6"), "UTF-8", "it is text"
    yield "request_new", REQUEST.replace("old 6", "new 6"), what, "another request"
    many = REQUEST.replace("old 6\n", "old 6\n" + f"{HASH}\n" * 61)
    yield "request_of_64_hashes", many, "at most 63", "c2sp.org/tlog-witness takes 63"
    yield "request_hash_too_short", REQUEST.replace("old 6\n", "old 6\nAAAA\n"), what, "no hash"
    yield "request_without_blank_line", REQUEST.replace("\n\n", "\n", 1), what, "where does the proof end?"
    yield "request_with_a_hash_more", REQUEST.replace("old 6\n", f"old 6\n{HASH}\n"), "proof|proved", "proves nothing"


def _tiles() -> Iterator[Attack]:
    what = "no path"
    for name, path in (
        ("level_with_zero_in_front", "tile/00/000"),
        ("level_too_high", "tile/64/000"),
        ("level_alone", "tile/8"),
        ("index_of_one_digit", "tile/0/1"),
        ("index_of_other_digits", "tile/0/\u0660\u0660\u0661"),
        ("index_too_short", "tile/0/67"),
        ("index_without_x", "tile/0/001/067"),
        ("last_part_with_x", "tile/0/x067"),
        ("zeros_in_front", "tile/0/x000/067"),
        ("width_zero", "tile/0/000.p/0"),
        ("width_full", "tile/0/000.p/256"),
        ("width_too_large", "tile/0/000.p/257"),
        ("width_with_zero_in_front", "tile/0/000.p/07"),
        ("upwards", "tile/0/../entries/000"),
        ("upwards_encoded", "tile/0/%2e%2e/000"),
        ("slash_encoded", "tile/0/x001%2f067"),
        ("slash_in_front", "/tile/0/000"),
        ("line_after_it", "tile/0/000\n"),
        ("behind_the_last", "tile/0/x036/x028/x797/x018/x963/968"),
        ("endless", "tile/0/" + "x001/" * 2000 + "001"),
    ):
        yield f"path_{name}", path, what, "it names no tile of any log, or in another way than the one"
    bundle = encode_bundle(ENTRIES)
    yield "bundle_empty", b"", "0 entries", "no tree needs it"
    yield "bundle_cut_off", bundle[:-1], "breaks off", "the last entry is not whole"
    yield "bundle_half_a_length", bundle + b"\x00", "breaks off", "a length has two bytes"
    yield "bundle_of_257", b"\x00\x00" * 257, "257 entries", "a full one has 256"


def files() -> dict[str, bytes]:
    """Every file, by its path under this folder."""
    written: dict[str, str | bytes] = {}
    for reader, content in _genuine():
        written[f"{reader}_pass/{reader}"] = content
        written[f"{reader}_pass/README.md"] = "The control: what the attacks were made from.\n"
    for attacks in (_checkpoints(), _notes(), _proofs(), _requests(), _tiles()):
        for name, content, words, why in attacks:
            written[f"{name}_fail/{name.partition('_')[0]}"] = content
            written[f"{name}_fail/README.md"] = f"Refused: {words}\n\n{why[0].upper()}{why[1:]}.\n"
    return {path: content.encode() if isinstance(content, str) else content for path, content in written.items()}


if __name__ == "__main__":
    for name, data in files().items():
        (FOLDER / name).parent.mkdir(exist_ok=True)
        (FOLDER / name).write_bytes(data)
