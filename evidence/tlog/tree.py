"""Merkle trees over the entries of a log: RFC 6962 §2.1, whose algorithms RFC 9162 §2.1 writes out.

    leaf = SHA-256( 0x00 ‖ entry )        node = SHA-256( 0x01 ‖ left ‖ right )

Hashes are 32 bytes. Proofs are made from the hashes of complete subtrees, which never change as a log grows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Final

from ..errors import ReperformError

MAX_SIZE: Final = 2**63 - 1  # entries; c2sp.org/tlog-tiles
HASH_BYTES: Final = 32
EMPTY_ROOT: Final = sha256().digest()

# (level, index) -> the hash of the complete subtree of 2**level entries that begins with entry index * 2**level.
Read = Callable[[int, int], bytes]


class ProofRefusedError(ReperformError):
    """A proof that does not prove what it is shown for."""


def leaf_hash(entry: bytes) -> bytes:
    """The hash of an entry."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of two subtrees side by side."""
    return sha256(b"\x01" + left + right).digest()


def root(size: int, read: Read) -> bytes:
    """The Merkle Tree Hash of the first `size` entries."""
    return _hash(0, size, read) if size else EMPTY_ROOT


def inclusion_proof(index: int, size: int, read: Read) -> tuple[bytes, ...]:
    """The hashes that lead from entry `index` to the root of the first `size` entries, leaf first (RFC 9162 §2.1.3.1).

    Raises ValueError if there is no such entry.
    """
    if not 0 <= index < size:
        raise ValueError(f"entry {index} of a tree of {size}")
    path: list[bytes] = []
    first, end = 0, size
    while end - first > 1:
        middle = first + _split(end - first)
        if index < middle:
            path.append(_hash(middle, end, read))
            end = middle
        else:
            path.append(_hash(first, middle, read))
            first = middle
    return tuple(reversed(path))


def consistency_proof(old: int, new: int, read: Read) -> tuple[bytes, ...]:
    """The hashes that show that the first `old` of `new` entries are those of the older tree (RFC 9162 §2.1.4.1).

    Empty if the older tree is empty, or the same. Raises ValueError if it is larger.
    """
    if not 0 <= old <= new:
        raise ValueError(f"a tree of {old} entries before one of {new}")
    if old in (0, new):
        return ()
    path: list[bytes] = []
    first, end = 0, new
    while old != end:
        middle = first + _split(end - first)
        if old <= middle:
            path.append(_hash(middle, end, read))
            end = middle
        else:
            path.append(_hash(first, middle, read))
            first = middle
    if first:  # else it is the older tree itself, whose root the reader has
        path.append(_hash(first, end, read))
    return tuple(reversed(path))


def check_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Raises ProofRefusedError unless the leaf is entry `index` of the tree (RFC 9162 §2.1.3.2)."""
    if not 0 <= index < size <= MAX_SIZE:
        raise ProofRefusedError(f"there is no entry {index} in a tree of {size}")
    _check_hashes(leaf, root, *proof)
    node, last, found = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise ProofRefusedError("the proof of inclusion is too long")
        if node & 1 or node == last:
            found = node_hash(sibling, found)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        node, last = node >> 1, last >> 1
    if last or found != root:
        raise ProofRefusedError(f"it is not proved that this is entry {index} of the tree of {size}")


def check_consistency(old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Raises ProofRefusedError unless the newer tree begins with the older one (RFC 9162 §2.1.4.2)."""
    if not 0 <= old_size <= new_size <= MAX_SIZE:
        raise ProofRefusedError(f"a tree of {new_size} entries does not extend one of {old_size}")
    _check_hashes(*proof)
    if old_size == 0 and old_root != EMPTY_ROOT:
        raise ProofRefusedError("a tree without entries has another root")
    if old_size in (0, new_size):
        if proof or (old_size == new_size and old_root != new_root):
            raise ProofRefusedError(f"two different trees of {new_size} entries, or a proof where none is needed")
    elif _consistent(old_size, old_root, new_size, proof) != (old_root, new_root):
        raise ProofRefusedError(f"it is not proved that the tree of {new_size} entries extends that of {old_size}")


def _consistent(old_size: int, old_root: bytes, new_size: int, proof: Sequence[bytes]) -> tuple[bytes, bytes]:
    """The roots of the older and the newer tree by this proof."""
    node, last = old_size - 1, new_size - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    # Node 0: the older tree is complete, and a part of the newer one as it is.
    path = proof if node else (old_root, *proof)
    if not path:
        raise ProofRefusedError("the proof of consistency is too short")
    older = newer = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise ProofRefusedError("the proof of consistency is too long")
        if node & 1 or node == last:
            older, newer = node_hash(sibling, older), node_hash(sibling, newer)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            newer = node_hash(newer, sibling)
        node, last = node >> 1, last >> 1
    if last:
        raise ProofRefusedError("the proof of consistency is too short")
    return older, newer


def _check_hashes(*hashes: bytes) -> None:
    if any(len(each) != HASH_BYTES for each in hashes):
        raise ProofRefusedError(f"a proof is about, and consists of, hashes of {HASH_BYTES} bytes")


def _split(size: int) -> int:
    """The largest power of two that is smaller."""
    return 1 << (size - 1).bit_length() - 1


def _hash(first: int, end: int, read: Read) -> bytes:
    size = end - first
    if size & (size - 1) == 0:  # complete, and it begins at a multiple of its size
        return read(size.bit_length() - 1, first // size)
    middle = first + _split(size)
    return node_hash(_hash(first, middle, read), _hash(middle, end, read))
