"""The trace of one run: every operation's output, folded into one Merkle root.

A leaf is an output's tensor digest (evidence/manifest.py); leaves stand in the order of the graph, the parts
of a tuple one after another, and numbers (sizes) are left out. The tree is that of evidence/localisation/tree.py.
A trace is of a batch of one, so that it says nothing about what else ran beside it. It is folded as it comes in: of
the leaves nothing is kept in memory.
"""

from __future__ import annotations

import time
from typing import BinaryIO

import torch

from ..evidence.digest import Digest
from ..evidence.localisation.tree import Growing
from .tensors import digest_of


class Trace:
    """Collects the digests of outputs as an interpreter's observer."""

    def __init__(self, leaves: BinaryIO | None = None) -> None:
        """`leaves`: where to write each leaf, 32 bytes."""
        self.parts: list[int] = []
        self.seconds = 0.0  # spent on tracing
        self._tree = Growing()
        self._leaves = leaves

    def __call__(self, _: str, value: object) -> None:
        """Note the output of the next node."""
        begun = time.perf_counter()
        tensors = [part for part in parts_of(value) if isinstance(part, torch.Tensor)]
        self.parts.append(len(tensors))
        for tensor in tensors:
            leaf = digest_of(tensor)
            self._tree.add(leaf)
            if self._leaves is not None:
                self._leaves.write(leaf.value)
        self.seconds += time.perf_counter() - begun

    def root(self) -> Digest:
        """The Merkle root over everything noted."""
        return self._tree.root()


def parts_of(value: object) -> tuple[object, ...]:
    """What a node gave, one by one."""
    return tuple(value) if isinstance(value, tuple | list) else (value,)
