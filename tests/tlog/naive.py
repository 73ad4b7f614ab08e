"""Merkle trees as RFC 6962 §2.1 defines them: recursive, over all leaves, and slow. Nothing here is the product's."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache


class Tree:
    """MTH, PATH and PROOF of RFC 6962 over these entries; subtrees [lo, hi) are remembered."""

    def __init__(self, entries: Sequence[bytes]) -> None:
        self._leaves = [hashlib.sha256(b"\x00" + entry).digest() for entry in entries]
        self._mth = cache(self.mth)

    def mth(self, lo: int, hi: int) -> bytes:
        """MTH(D[lo:hi])."""
        if hi == lo:
            return hashlib.sha256(b"").digest()
        if hi - lo == 1:
            return self._leaves[lo]
        k = split(hi - lo)
        return hashlib.sha256(b"\x01" + self._mth(lo, lo + k) + self._mth(lo + k, hi)).digest()

    def read(self, level: int, index: int) -> bytes:
        """What the product reads of a tree: complete subtrees only."""
        assert (index + 1) << level <= len(self._leaves), "beyond the tree"
        return self._mth(index << level, index + 1 << level)

    def path(self, m: int, lo: int, hi: int) -> list[bytes]:
        """PATH(m, D[lo:hi]), RFC 6962 §2.1.1."""
        if hi - lo == 1:
            return []
        k = split(hi - lo)
        if m < k:
            return [*self.path(m, lo, lo + k), self._mth(lo + k, hi)]
        return [*self.path(m - k, lo + k, hi), self._mth(lo, lo + k)]

    def subproof(self, m: int, lo: int, hi: int, whole: bool) -> list[bytes]:
        """SUBPROOF(m, D[lo:hi], whole), RFC 6962 §2.1.2."""
        if m == hi - lo:
            return [] if whole else [self._mth(lo, hi)]
        k = split(hi - lo)
        if m <= k:
            return [*self.subproof(m, lo, lo + k, whole), self._mth(lo + k, hi)]
        return [*self.subproof(m - k, lo + k, hi, False), self._mth(lo, lo + k)]


def split(n: int) -> int:
    """The largest power of two smaller than n."""
    k = 1
    while 2 * k < n:
        k *= 2
    return k
