"""What the log costs: durable appends, proofs, verification, fsck, and that no cost grows with the log beyond log n.

    python bench/log.py [--json] [--entries N …] [--folder FOLDER] [--fill]

`appends_per_second` is of receipts in batches of 8,192, each batch on disk when it is acknowledged: staged, committed
and applied, every file and folder synced. They have the size of a real one (`receipt_bytes`), and are random, as what
they have inside is. `fsck_per_second` derives that log again; `size_per_entry` is all of its files, in bytes.

`decades` are logs of N entries that take turns: a batch of 1,000 receipts, and a proof of an entry at random, from
tiles on disk, by a reader that remembers a few hundred of them; `proof_us` is that of the largest, and `verify_us` the
stranger's part: leaf, path and the checkpoint's signature. These logs are filled with entries of 16 bytes, which cost
as many hashes as others; with --folder they are kept, and gone on with, and with --fill nothing is measured.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Final

from reperform.bench.machine import machine
from reperform.consensus.log.committed import STAGED
from reperform.consensus.log.folder import FolderStorage
from reperform.consensus.log.fsck import Fsck
from reperform.consensus.log.prover import Prover
from reperform.consensus.log.publisher import sign_checkpoint
from reperform.consensus.log.sequencer import Sequencer, create, sequencing
from reperform.consensus.log.storage import MAX_SWAPPED, Storage
from reperform.evidence.documents import to_bytes
from reperform.evidence.keyfile import KeyRing
from reperform.evidence.keys import SigningKey, _verify_once
from reperform.evidence.tlog.checkpoint import Checkpoint, parse_checkpoint
from reperform.evidence.tlog.note import Note, NoteKey
from reperform.evidence.tlog.tree import check_inclusion, leaf_hash
from reperform.tests.world import World

Row = dict[str, float]

ORIGIN: Final = "log.example/bench"
DECADES: Final = (10**4, 10**5, 10**6, 10**7)
RECEIPTS: Final = 20 * 2**13
BATCH: Final = 2**13
SMALL_BATCH: Final = 1000
ROUNDS: Final = 9
PROOFS: Final = 2000
FILLING: Final = 2**17  # entries in one call


def receipt_bytes() -> int:
    """The size of a receipt as an entry of the log."""
    with tempfile.TemporaryDirectory() as scratch:
        return len(to_bytes(World(Path(scratch)).decision().receipt))


def headline(folder: Path, keys: KeyRing, size: int) -> dict[str, float]:
    """Receipts by the batch into an empty log, and that log once more."""
    storage = FolderStorage(folder)
    create(storage, ORIGIN, keys.signing)
    with sequencing(storage, ORIGIN, keys.signing) as sequencer:
        times = []
        for _ in range(RECEIPTS // BATCH):
            entries = [os.urandom(size) for _ in range(BATCH)]
            times.append(_seconds(partial(sequencer.append, entries)))
        committed = sequencer.checkpoint
    fsck = Fsck(storage, committed)
    seconds = _seconds(lambda: sum(1 for _ in fsck.entries()))
    if fsck.damages:
        raise RuntimeError(fsck.damages[0])
    stored = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return {
        "receipt_bytes": size,
        "appends_per_second": round(RECEIPTS / sum(times)),
        "batch_ms": round(1000 * statistics.median(times), 1),
        "fsck_per_second": round(RECEIPTS / seconds),
        "size_per_entry": round(stored / RECEIPTS, 1),
    }


def fill(sequencer: Sequencer, entries: int) -> None:
    """Short entries until there are so many."""
    size = sequencer.checkpoint.size
    while size < entries:
        many = min(FILLING, entries - size)
        sequencer.append([number.to_bytes(16, "big") for number in range(size, size + many)])
        size += many
        print(f"\r{size} entries", end="", file=sys.stderr)
    print(file=sys.stderr)


def in_turn(logs: Sequence[tuple[Sequencer, Storage]], key: NoteKey, signing: SigningKey, size: int) -> list[Row]:
    """A batch of receipts, and proofs, in logs that are filled; they take turns."""
    begun = [sequencer.checkpoint.size for sequencer, _ in logs]
    times: list[tuple[list[float], list[float], list[float]]] = [([], [], []) for _ in logs]
    for _ in range(ROUNDS):
        for (sequencer, _), (appends, _, _) in zip(logs, times, strict=True):
            batch = [os.urandom(size) for _ in range(SMALL_BATCH)]
            appends.append(_seconds(partial(sequencer.append, batch)))
    provers = [Prover(storage) for _, storage in logs]
    notes = [sign_checkpoint(sequencer.checkpoint, [signing], 0).to_bytes() for sequencer, _ in logs]
    for _ in range(PROOFS):
        for (sequencer, _), prover, note, (_, proofs, checks) in zip(logs, provers, notes, times, strict=True):
            until = sequencer.checkpoint.size
            index = random.randrange(until)  # noqa: S311  # any will do
            started = time.perf_counter()
            proof = prover.inclusion(index, until)
            proofs.append(time.perf_counter() - started)
            entry = next(prover.entries(index, until))
            _verify_once.cache_clear()  # a signature that verified is remembered
            checks.append(_seconds(partial(verify, entry, index, proof, note, key)))
    return [
        {
            "entries": entries,
            "batch_ms": round(1000 * statistics.median(appends), 2),
            "proof_us": round(1e6 * statistics.median(proofs), 1),
            "proof_us_p99": round(1e6 * sorted(proofs)[PROOFS * 99 // 100], 1),
            "verify_us": round(1e6 * statistics.median(checks), 1),
        }
        for entries, (appends, proofs, checks) in zip(begun, times, strict=True)
    ]


def verify(entry: bytes, index: int, proof: tuple[bytes, ...], note: bytes, key: NoteKey) -> None:
    """What a stranger does with a proof, whose checkpoint they have not seen before."""
    read = Note.parse(note)
    signature = read.signature_by(key)
    if signature is None:
        raise RuntimeError("not signed")
    key.verify(signature, read.text)
    checkpoint: Checkpoint = parse_checkpoint(read.text)
    check_inclusion(leaf_hash(entry), index, checkpoint.size, proof, checkpoint.root.value)


def run(folder: Path, decades: Sequence[int], *, filling: bool) -> dict[str, Any]:
    """The bench; the logs of the decades are in `folder`."""
    size, path = receipt_bytes(), folder / "log.key"
    if not path.exists():
        KeyRing.generate().write(path)
    keys = KeyRing.read(path)
    with ExitStack() as stack:
        logs = []
        for entries in sorted(decades):
            storage = FolderStorage(folder / f"log-{entries}")
            if storage.read(STAGED, MAX_SWAPPED) is None:
                create(storage, ORIGIN, keys.signing)
            logs.append((stack.enter_context(sequencing(storage, ORIGIN, keys.signing)), storage))
            fill(logs[-1][0], entries)
        if filling:
            return {"entries": [sequencer.checkpoint.size for sequencer, _ in logs]}
        rows = in_turn(logs, NoteKey.ed25519(ORIGIN, keys.signing.public), keys.signing, size)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        body: dict[str, Any] = headline(Path(scratch) / "log", keys, size)
    largest = {name: rows[-1][name] for name in ("proof_us", "verify_us")}
    return {**body, **largest, "decades": rows, "machine": machine()}


def _seconds(call: Callable[[], object]) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--entries", type=int, nargs="+", default=DECADES, help="sizes of the log")
    parser.add_argument("--folder", type=Path, help="where the log is kept; a temporary folder unless told otherwise")
    parser.add_argument("--fill", action="store_true", help="fill the log, and measure nothing")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        body = run(folder, options.entries, filling=options.fill)
    if options.json:
        print(json.dumps(body))
        return
    for name, value in body.items():
        for line in value if isinstance(value, list) else [value]:
            print(f"{name:20} {line}")


if __name__ == "__main__":
    main()
