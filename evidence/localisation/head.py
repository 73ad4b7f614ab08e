"""What a party signs of its trace before anybody asks about it: everything else it says must fit to this."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import ClassVar, Final

from ..digest import Digest
from ..encoding import MalformedError

MAX_LEAVES: Final = 2**40


@dataclass(frozen=True, slots=True)
class TraceHead:
    """A run of the model `model` on the input of `receipt`, alone in its batch.

    inputs: the tensor digests of what the graph was given. parts: how many tensors each node of the graph gave, in
    order; none for a number. root: over the digests of these tensors, in order (tree.py). Ballots bind the same root.
    """

    KIND: ClassVar[str] = "trace-head/v1"
    receipt: Digest
    model: Digest
    inputs: tuple[Digest, ...]
    parts: tuple[int, ...]
    root: Digest

    def __post_init__(self) -> None:
        if any(count < 0 for count in self.parts) or self.size > MAX_LEAVES:
            raise MalformedError("a trace has a number of leaves that none can have")

    @property
    def size(self) -> int:
        """How many leaves the tree has."""
        return sum(self.parts)

    def leaf(self, node: int) -> int:
        """Where the leaves of a node begin."""
        return sum(self.parts[:node])

    def place(self, leaf: int) -> tuple[int, int]:
        """The node that gave this leaf, and which of its parts it is; of one past the last, the node past the last."""
        for node, end in enumerate(accumulate(self.parts)):
            if leaf < end:
                return node, leaf - end + self.parts[node]
        return len(self.parts), 0
