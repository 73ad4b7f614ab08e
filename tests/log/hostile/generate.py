"""Writes the folders beside it: logs that were tampered with, and one that was not.

    python -m reperform.tests.log.hostile.generate

Keys and entries are fixed, so the files are always the same; a test compares. A folder has a README, whose first line
says what is found, and the files of a log.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from reperform.consensus.log.committed import STAGED, sign_committed
from reperform.consensus.log.edge import Edge
from reperform.consensus.log.publisher import CHECKPOINT, sign_checkpoint
from reperform.evidence.digest import Digest
from reperform.evidence.keys import SigningKey
from reperform.evidence.tlog.checkpoint import Checkpoint
from reperform.evidence.tlog.tiles import decode_bundle, encode_bundle

FOLDER: Final = Path(__file__).parent
ORIGIN: Final = "log.example/hostile"
KEY: Final = SigningKey(Ed25519PrivateKey.from_private_bytes(b"the key of a log that nobody uses"[:32]))
OTHER: Final = SigningKey(Ed25519PrivateKey.from_private_bytes(b"the key of somebody else than it."[:32]))
ENTRIES: Final = [b"entry %d" % number for number in range(260)]

Files = dict[str, bytes]


def tree(entries: Sequence[bytes]) -> tuple[Checkpoint, Files]:
    """The checkpoint and the tiles of these entries."""
    edge, full = Edge().grown(entries)
    return Checkpoint(ORIGIN, edge.size, Digest(edge.root)), {**full, **edge.partial()}


def genuine() -> Files:
    """A log of 260 entries whose published checkpoint has 250."""
    committed, files = tree(ENTRIES)
    shown, _ = tree(ENTRIES[:250])
    files[STAGED] = sign_committed(committed, KEY)
    files[CHECKPOINT] = sign_checkpoint(shown, [KEY], 1).to_bytes()
    return files


def _with(path: str, change: Callable[[bytes], bytes]) -> Files:
    files = genuine()
    files[path] = change(files[path])
    return files


def _without(path: str) -> Files:
    files = genuine()
    del files[path]
    return files


def _bundle(path: str, change: Callable[[list[bytes]], list[bytes]]) -> Files:
    return _with(path, lambda data: encode_bundle(change(list(decode_bundle(data)))))


def _flipped(at: int) -> Callable[[bytes], bytes]:
    return lambda data: data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def _rebuilt() -> Files:
    return {**genuine(), **tree([*ENTRIES[:7], b"another", *ENTRIES[8:]])[1]}


def _shown(checkpoint: Checkpoint) -> Files:
    return {**genuine(), CHECKPOINT: sign_checkpoint(checkpoint, [KEY], 1).to_bytes()}


def _committed(data: bytes) -> Files:
    return {**genuine(), STAGED: data}


TAMPERED: Final[dict[str, tuple[str, str, Callable[[], Files]]]] = {
    "bundle_cut": (
        "tile/entries/000 is no bundle of entries",
        "The end of a bundle is missing.",
        lambda: _with("tile/entries/000", lambda data: data[:-1]),
    ),
    "bundle_gone": (
        "the log has no tile/entries/000",
        "A bundle is missing; its tile, which would prove it, is there.",
        lambda: _without("tile/entries/000"),
    ),
    "checkpoint_ahead": (
        "a checkpoint of 300 entries is shown, and 260 are committed",
        "The log has signed and shown a checkpoint of entries that it does not have.",
        lambda: _shown(tree([b"entry %d" % number for number in range(300)])[0]),
    ),
    "checkpoint_of_another_history": (
        "the tree of its first 250 entries is not the one of the checkpoint that it shows",
        "The log's key has signed another tree for strangers than it keeps.",
        lambda: _shown(tree([*ENTRIES[:249], b"another"])[0]),
    ),
    "checkpoint_taken_for_committed": (
        "the log here is not log.example/hostile",
        "A published checkpoint is put where the committed tree stands, to roll the log back.",
        lambda: _committed(sign_checkpoint(tree(ENTRIES[:250])[0], [KEY], 1).to_bytes()),
    ),
    "committed_by_another_key": (
        "the log here is not log.example/hostile with a key that the roster names",
        "Who can write to the storage, and does not have the log's key, commits a tree.",
        lambda: _committed(sign_committed(tree(ENTRIES[:250])[0], OTHER)),
    ),
    "entry_altered": (
        "tile/0/000 is not what the entries say",
        "One bit of one entry.",
        lambda: _with("tile/entries/000", _flipped(5)),
    ),
    "entry_left_out": (
        "tile/entries/000 has 255 entries, not 256",
        "An entry is taken out of its bundle.",
        lambda: _bundle("tile/entries/000", lambda entries: entries[:8] + entries[9:]),
    ),
    "entry_slipped_in": (
        "tile/entries/001.p/4 has 5 entries, not 4",
        "An entry more than the tree has.",
        lambda: _bundle("tile/entries/001.p/4", lambda entries: [*entries, b"late"]),
    ),
    "entries_swapped": (
        "tile/0/000 is not what the entries say",
        "Two entries have changed places.",
        lambda: _bundle("tile/entries/000", lambda entries: [entries[1], entries[0], *entries[2:]]),
    ),
    "tile_altered": (
        "tile/0/001.p/4 is not what the entries say",
        "One bit of the last tile.",
        lambda: _with("tile/0/001.p/4", _flipped(31)),
    ),
    "tile_cut": (
        "tile/0/000 is not what the entries say",
        "A full tile of 255 hashes.",
        lambda: _with("tile/0/000", lambda data: data[:-32]),
    ),
    "tile_gone": (
        "there is no tile/1/000.p/1",
        "A tile of the upper level is missing.",
        lambda: _without("tile/1/000.p/1"),
    ),
    "tile_of_more": (
        "tile/0/001.p/4 is not what the entries say",
        "A partial tile with a hash more than its path says.",
        lambda: _with("tile/0/001.p/4", lambda data: data + data[:32]),
    ),
    "tree_rebuilt": (
        "the tree of its 260 entries is not the one of its checkpoint",
        "An entry is replaced, and every tile made anew to suit it.",
        _rebuilt,
    ),
    "upper_tile_altered": (
        "tile/1/000.p/1 is not what the entries say",
        "One bit of a tile of the upper level.",
        lambda: _with("tile/1/000.p/1", _flipped(0)),
    ),
}


def files() -> Files:
    """Every file by its path under this folder."""
    found: Files = {}
    for name, (finding, why, tamper) in TAMPERED.items():
        found[f"{name}_fail/README.md"] = f"Found: {finding}\n\n{why}\n".encode()
        found |= {f"{name}_fail/log/{path}": data for path, data in tamper().items()}
    found["genuine_pass/README.md"] = b"Nothing is wrong with this log: the control.\n"
    found |= {f"genuine_pass/log/{path}": data for path, data in genuine().items()}
    return found


if __name__ == "__main__":
    for path, data in files().items():
        (FOLDER / path).parent.mkdir(parents=True, exist_ok=True)
        (FOLDER / path).write_bytes(data)
