"""Writers of a log that kill themselves in the middle of what they write.

    python -m reperform.tests.log.killed_writer KEYFILE

A line on stdin is a life: {"place", "number", "when", "entries"}. A process of its own is forked, takes up the log,
looks which of the entries are there already, appends the others in a few batches, and publishes after each. At its
`number`-th step (a sync, a rename, an unlink, a new folder; an object put or deleted) it kills itself:

    before   the step is not done: failed, and lost
    after    it is done, and nobody was told: failed, but persisted
    power    it is done, and all is gone that was not synced: the power failed

It prints what it knows as JSON, a line at a time: {"ack": [index, entry]} when an entry was acknowledged; {"signed":
message} for everything that the log's key signs; {"changed": path} if a tile changed; at last {"died": whether it was
killed}.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import stat
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any, Final

import obstore
from reperform.consensus.log.prover import Prover
from reperform.consensus.log.publisher import Publisher
from reperform.consensus.log.sequencer import sequencing
from reperform.evidence.keyfile import KeyRing
from reperform.evidence.keys import SigningKey
from reperform.evidence.tlog.tree import leaf_hash
from reperform.tests.log.conftest import ORIGIN, storage_at

# Batches that leave a bundle open, fill it, and open the next.
BATCHES: Final = (3, 250, 30)


def tell(**what: Any) -> None:
    """To the test; once told, it is told, even by who dies next."""
    os.write(1, json.dumps(what).encode() + b"\n")


class Death:
    """Counts steps, and ends this process at one of them."""

    def __init__(self, number: int, when: str) -> None:
        self._left, self._when = count(number - 1, -1), when
        # How to undo what a power failure would undo, by the folder whose sync makes it last.
        self._undo: list[tuple[Path, Callable[[], object]]] = []
        self._synced: set[int] = set()
        self._unlinked: tuple[Path, bytes] | None = None

    def hook(self, module: Any, name: str) -> None:
        """Make calls of this function steps."""
        genuine = getattr(module, name)

        def step(*arguments: Any, **named: Any) -> Any:
            last = next(self._left) == 0
            if last and self._when == "before":
                die()
            self._watch(name, arguments)
            try:
                return genuine(*arguments, **named)
            finally:
                if last:
                    if self._when == "power":
                        self._lose()
                    die()

        setattr(module, name, step)

    def _lose(self) -> None:
        """Undo what was not synced."""
        for _, undo in reversed(self._undo):
            undo()
        if self._unlinked is not None:
            _restore(*self._unlinked)

    def _watch(self, name: str, arguments: tuple[Any, ...]) -> None:
        """Remember how it was, for as long as it could be so again."""
        if name == "fsync":
            self._sync(arguments[0])
        elif name == "mkdir":
            made = Path(arguments[0])
            self._undo.append((made.parent, lambda: shutil.rmtree(made)))
        elif name == "replace":
            source, target = map(Path, arguments)
            before = target.read_bytes() if target.exists() else None
            if "tile" in target.parts and before not in (None, source.read_bytes()):
                tell(changed=str(target))
            self._undo.append((target.parent, lambda: _restore(target, before)))
            if source.stat().st_ino not in self._synced:
                self._undo.append((target, lambda: target.write_bytes(b"")))
        elif name == "unlink" and Path(arguments[0]).exists():
            # Of what was unlinked only the last comes back; or those who die while they tidy up would never be done.
            self._unlinked = Path(arguments[0]), Path(arguments[0]).read_bytes()

    def _sync(self, descriptor: int) -> None:
        there = os.fstat(descriptor)
        if not stat.S_ISDIR(there.st_mode):
            self._synced.add(there.st_ino)
            return
        folder = Path(f"/proc/self/fd/{descriptor}").readlink()
        self._undo = [(place, undo) for place, undo in self._undo if place != folder]


def _restore(path: Path, data: bytes | None) -> None:
    if data is None:
        path.unlink()
    else:
        path.write_bytes(data)


def die() -> None:
    """Without a word to anybody."""
    os.kill(os.getpid(), signal.SIGKILL)


def live(key: SigningKey, place: str, texts: list[str]) -> None:
    """What a writer does."""
    storage = storage_at(place)
    with sequencing(storage, ORIGIN, key) as sequencer:
        publisher = Publisher(storage, [key], lambda: 0)
        leaves = {leaf_hash(text.encode()): text for text in texts}
        found = Prover(storage).find(leaves.keys(), 0, sequencer.checkpoint.size)
        for leaf, index in found.items():
            tell(ack=[index, leaves[leaf]])
        new = [text for leaf, text in leaves.items() if leaf not in found]
        for many in BATCHES:
            batch, new = new[:many], new[many:]
            for index, text in zip(sequencer.append([text.encode() for text in batch]), batch, strict=True):
                tell(ack=[index, text])
            publisher.publish(sequencer.checkpoint)


def main() -> None:
    """Fork a writer a line."""
    key = KeyRing.read(Path(sys.argv[1])).signing
    sign = SigningKey.sign

    def signing(self: SigningKey, message: bytes) -> bytes:
        tell(signed=base64.b64encode(message).decode())
        return sign(self, message)

    SigningKey.sign = signing  # type: ignore[method-assign]
    for line in sys.stdin:
        life = json.loads(line)
        child = os.fork()
        if not child:
            death = Death(life["number"], life["when"])
            for name in ("fsync", "mkdir", "replace", "unlink"):
                death.hook(os, name)
            for name in ("put", "delete"):
                death.hook(obstore, name)
            live(key, life["place"], life["entries"])
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status) and os.WEXITSTATUS(status):
            raise SystemExit("the writer failed")
        tell(died=os.WIFSIGNALED(status))


if __name__ == "__main__":
    main()
