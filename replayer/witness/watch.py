"""Comparing what a log has signed to different people: its witnesses, whoever submitted something, and this node.

Every two checkpoints of a log must be two sizes of one tree, which the log's own tiles show. Where they show that a
larger signed tree does not begin with a smaller signed one, the signatures and those hashes are a proof (`fork/v1`).
Where they show neither, a checkpoint stays suspect, and is looked at again: hiding tiles gains time, and no more.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from itertools import pairwise

from ...consensus.log.prover import Prover
from ...consensus.log.publisher import CHECKPOINT
from ...consensus.log.storage import Reader
from ...evidence.documents import to_bytes
from ...evidence.dsse import Envelope, Signed
from ...evidence.encoding import MalformedError
from ...evidence.errors import ReperformError
from ...evidence.roster import Roster
from ...evidence.tlog.checkpoint import parse_checkpoint
from ...evidence.tlog.fork import Fork
from ...evidence.tlog.note import MAX_BYTES, Note
from ...evidence.tlog.request import origin_hash
from ...evidence.tlog.tree import check_consistency, root
from ...evidence.witnessed import by_newest
from .judgement import signed_by_log
from .memory import Memory

log = logging.getLogger(__name__)


class Nowhere:
    """Where no log is served: then only checkpoints of one size can be compared."""

    def read(self, path: str, limit: int) -> bytes | None:  # noqa: ARG002
        """Nothing."""
        return None


class Watch:
    """One log, as this node and others saw it. One object serves one thread."""

    def __init__(self, memory: Memory, tiles: Reader, peers: Sequence[Reader]) -> None:
        """`tiles` is where the log is served; `peers` are the monitoring prefixes of other witnesses."""
        self._memory = memory
        self._tiles = tiles
        self._peers = peers

    def look(self, epochs: Sequence[Signed[Roster]], now: int) -> None:
        """One round, at `now` (milliseconds since 1970). Raises DatabaseError."""
        rosters = [each.document for each in epochs]
        origin = next((roster.log.origin for roster in reversed(rosters) if roster.log is not None), None)
        if origin is None or self._memory.fork(origin) is not None:
            return
        seen: dict[tuple[int, bytes], Note] = {}
        for note in self._gathered(origin, rosters):
            checkpoint = parse_checkpoint(note.text)
            seen.setdefault((checkpoint.size, checkpoint.root.value), note)
        placed = set(seen)
        for (one, small), (other, large) in pairwise(sorted(seen.items())):
            try:
                fork = compare(small, large, self._tiles, [each.envelope for each in epochs])
            except ReperformError as error:
                log.warning("checkpoints of %d and %d entries of %s: %s", one[0], other[0], origin, error)
                placed -= {one, other}
                continue
            if fork is not None:
                self._memory.forked(origin, to_bytes(fork), now)
                log.error("log %s has forked: its trees of %d and of %d entries are not one", origin, one[0], other[0])
                return
        own = self._memory.cosigned(origin)
        for name, note in seen.items():
            checkpoint = parse_checkpoint(note.text)
            if name in placed or (own is not None and own.checkpoint == checkpoint):
                self._memory.clear(checkpoint)
            else:
                self._memory.suspect(note)

    def _gathered(self, origin: str, rosters: Sequence[Roster]) -> Iterator[Note]:
        """What is known here, and what others show; each with the log's signatures alone."""
        cosigned = self._memory.cosigned(origin)
        shown = self._memory.suspects(origin)
        if cosigned is not None:
            shown.insert(0, cosigned.note)
        theirs = f"{origin_hash(origin)}/{CHECKPOINT}"
        places = [(self._tiles, CHECKPOINT), *((peer, theirs) for peer in self._peers)]
        for reader, path in places:
            try:
                data = reader.read(path, MAX_BYTES)
                shown += [] if data is None else [Note.parse(data)]
            except ReperformError as error:
                log.warning("%s", error)
        for note in shown:
            try:
                yield _signed(note, origin, rosters)
            except ReperformError as error:
                log.warning("what is shown as a checkpoint of %s: %s", origin, error)


def compare(small: Note, large: Note, tiles: Reader, rosters: Sequence[Envelope]) -> Fork | None:
    """A fork, or None if the tiles show that the one tree begins with the other. Raises a ReperformError if they
    show neither. The notes are signed by one log of these rosters, the smaller tree first.
    """
    one, other = parse_checkpoint(small.text), parse_checkpoint(large.text)
    if one.size == other.size:
        return None if one.root == other.root else Fork.of(small, large, rosters)
    prover = Prover(tiles)
    proof = prover.consistency(one.size, other.size) if one.size else ()
    beginning = root(one.size, prover.read(other.size))
    check_consistency(one.size, beginning, other.size, other.root.value, proof)
    return None if beginning == one.root.value else Fork.of(small, large, rosters, beginning, proof)


def _signed(note: Note, origin: str, rosters: Sequence[Roster]) -> Note:
    """The note with the log's signatures alone, by the keys of the newest epoch that accepts it.

    What was signed under an old one binds the log as well. Raises a ReperformError.
    """
    if parse_checkpoint(note.text).origin != origin:
        raise MalformedError("it is of another log")
    return by_newest(rosters, lambda roster: signed_by_log(note, roster))
