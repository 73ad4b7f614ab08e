"""The Merkle tree of a trace: RFC 6962 §2.1, with the digests of evidence/digest.py.

    leaf = digest( trace/v1, 0x00 ‖ tensor's digest )        node = digest( trace/v1, 0x01 ‖ left ‖ right )

The left subtree is the largest full one that leaves something on the right. What needs leaves takes them once, in
order, and holds one hash for each level.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import reduce
from typing import Final

from ..digest import Digest, Domain, digest
from ..errors import ReperformError

EMPTY: Final = digest(Domain.TRACE, b"")

# The tensors' digests from a first leaf to before an end.
Read = Callable[[int, int], Iterable[Digest]]


class TreeRefusedError(ReperformError):
    """Hashes that do not lead to the root that they are shown for."""


def leaf_hash(leaf: Digest) -> Digest:
    """The hash of a tensor's digest."""
    return digest(Domain.TRACE, b"\x00" + leaf.value)


def node_hash(left: Digest, right: Digest) -> Digest:
    """The hash of two subtrees side by side."""
    return digest(Domain.TRACE, b"\x01" + left.value + right.value)


def split(size: int) -> int:
    """How many of `size` leaves stand in the left subtree. At least two are needed."""
    return 1 << (size - 1).bit_length() - 1


class Growing:
    """The root of a tree that grows leaf by leaf."""

    def __init__(self) -> None:
        self.size = 0
        self._full: list[Digest] = []  # subtrees from the left, larger ones first

    def add(self, leaf: Digest) -> None:
        """One more leaf."""
        found, level = leaf_hash(leaf), self.size
        while level & 1:
            found, level = node_hash(self._full.pop(), found), level >> 1
        self._full.append(found)
        self.size += 1

    def root(self) -> Digest:
        """Of what was added so far."""
        return joined(self._full)


def joined(subtrees: Sequence[Digest]) -> Digest:
    """The root over full subtrees that stand side by side, each smaller than the one before it."""
    return reduce(lambda right, left: node_hash(left, right), reversed(subtrees)) if subtrees else EMPTY


def root_of(leaves: Iterable[Digest]) -> Digest:
    """The root over these leaves."""
    tree = Growing()
    for leaf in leaves:
        tree.add(leaf)
    return tree.root()


def proof(index: int, size: int, read: Read) -> tuple[Digest, ...]:
    """The hashes beside the way from the root to a leaf, the root's child first."""
    return tuple(
        root_of(read(middle, end) if index < middle else read(first, middle))
        for first, middle, end in _way(index, size)
    )


def check_proof(leaf: Digest, index: int, size: int, path: Sequence[Digest], root: Digest) -> None:
    """Raises TreeRefusedError unless `leaf` stands at `index` of the tree."""
    if not 0 <= index < size:
        raise TreeRefusedError(f"there is no leaf {index} in a trace of {size}")
    way = list(_way(index, size))
    if len(path) != len(way):
        raise TreeRefusedError(f"a proof of {len(path)} hashes, expected {len(way)}")
    found = leaf_hash(leaf)
    for (_, middle, _), beside in zip(reversed(way), reversed(path), strict=True):
        found = node_hash(found, beside) if index < middle else node_hash(beside, found)
    if found != root:
        raise TreeRefusedError(f"it is not proved that this is leaf {index} of the trace")


def root_before(index: int, size: int, path: Sequence[Digest]) -> Digest:
    """The root over the leaves before `index`, by a proof of that leaf that was checked."""
    return joined([beside for (_, middle, _), beside in zip(_way(index, size), path, strict=True) if index >= middle])


def _way(index: int, size: int) -> Iterator[tuple[int, int, int]]:
    """The subtrees that hold a leaf, from the root: first leaf, where it is split, end."""
    first, end = 0, size
    while end - first > 1:
        middle = first + split(end - first)
        yield first, middle, end
        first, end = (first, middle) if index < middle else (middle, end)
