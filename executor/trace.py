"""The trace of one run: every operation's output, folded into one Merkle root.

A leaf is an output's tensor digest (evidence/manifest.py); leaves stand in the order of the graph, the parts
of a tuple one after another, and numbers (sizes) are left out. The tree is that of RFC 6962 §2.1: leaves
and nodes are told apart by a first byte 0x00 or 0x01, and the left subtree is the largest full one.
A trace is of a batch of one, so that it says nothing about what else ran beside it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ..evidence.digest import Digest, Domain, digest
from .tensors import digest_of


class Trace:
    """Collects the digests of outputs as an interpreter's observer."""

    def __init__(self) -> None:
        self.leaves: list[tuple[str, Digest]] = []

    def __call__(self, name: str, value: object) -> None:
        """Note the output of the node `name`."""
        for part in value if isinstance(value, tuple | list) else (value,):
            if isinstance(part, torch.Tensor):
                self.leaves.append((name, digest_of(part)))

    def root(self) -> Digest:
        """The Merkle root over everything noted."""
        return merkle_root([digest(Domain.TRACE, b"\x00" + leaf.value) for _, leaf in self.leaves])


def merkle_root(hashes: Sequence[Digest]) -> Digest:
    """RFC 6962's tree head over leaf hashes; of none, the digest of nothing."""
    if not hashes:
        return digest(Domain.TRACE, b"")
    if len(hashes) == 1:
        return hashes[0]
    split = 1 << (len(hashes) - 1).bit_length() - 1
    left, right = merkle_root(hashes[:split]), merkle_root(hashes[split:])
    return digest(Domain.TRACE, b"\x01" + left.value + right.value)
