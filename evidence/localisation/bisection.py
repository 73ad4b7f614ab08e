"""The bisection: which leaf is the first in which two trees differ, asked from the root down.

A question is about one subtree, an answer is the hashes of its two halves. Every answer must fold to what its party
said before, at last to the root in its head, so it needs no signature, and a party cannot answer as suits it later.
Trees may have different sizes. There are at most ceil(log2 n) rounds, n the leaves of the larger tree.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from ..digest import Digest
from ..errors import ReperformError
from .head import TraceHead
from .tree import EMPTY, Read, node_hash, root_of, split

PARTIES: Final = ("A", "B")


class ContradictionError(ReperformError):
    """A party said what does not fit to its own head. `party` is its number."""

    def __init__(self, party: int, cause: str) -> None:
        super().__init__(
            f"{PARTIES[party]} contradicts itself: {cause}",
            advice="its head and this answer are the proof; ask it again only if they may have been damaged on the way",
        )
        self.party = party


@dataclass(frozen=True, slots=True)
class Question:
    """What are the halves of the subtree over the leaves from `first` to before `end`?"""

    KIND: ClassVar[str] = "trace-question/v1"
    root: Digest
    first: int
    end: int


@dataclass(frozen=True, slots=True)
class Halves:
    """The answer."""

    KIND: ClassVar[str] = "trace-halves/v1"
    left: Digest
    right: Digest


def answer(question: Question, read: Read) -> Halves:
    """What an honest party says."""
    middle = question.first + split(question.end - question.first)
    return Halves(root_of(read(question.first, middle)), root_of(read(middle, question.end)))


@dataclass(frozen=True, slots=True)
class Subtree:
    """The leaves from `first` to before `end`, and the hash that the party said they have."""

    first: int
    end: int
    hash: Digest

    @property
    def size(self) -> int:
        """How many leaves."""
        return self.end - self.first

    def halves(self, party: int, said: Halves) -> tuple[Subtree, Subtree]:
        """The two halves. Raises ContradictionError unless they fold to this."""
        if node_hash(said.left, said.right) != self.hash:
            raise ContradictionError(party, f"the halves of the leaves {self.first} to {self.end} are not of its trace")
        middle = self.first + split(self.size)
        return Subtree(self.first, middle, said.left), Subtree(middle, self.end, said.right)


@dataclass(frozen=True, slots=True)
class Bisection:
    """Where it stands: the first difference is in these subtrees, which begin at the same leaf."""

    roots: tuple[Digest, Digest]
    a: Subtree
    b: Subtree

    @classmethod
    def of(cls, a: TraceHead, b: TraceHead) -> Bisection | None:
        """Before the first question; None where the trees are the same."""
        if (a.root, a.size) == (b.root, b.size):
            return None
        return cls((a.root, b.root), Subtree(0, a.size, a.root), Subtree(0, b.size, b.root))

    @property
    def found(self) -> int | None:
        """The first leaf in which they differ, or that one of them has and the other lacks, once that is known."""
        over = min(self.a.size, self.b.size) == 0 or self.a.size == self.b.size == 1
        return self.a.first if over else None

    def questions(self) -> tuple[Question | None, Question | None]:
        """What A and B are asked in this round. Raises ValueError when nothing is left to ask."""
        if self.found is not None:
            raise ValueError("the first difference is found")
        small = split(max(self.a.size, self.b.size))
        both = min(self.a.size, self.b.size) > small or self.a.size == self.b.size
        return tuple(  # type: ignore[return-value]  # it has two
            Question(root, tree.first, tree.end) if both or tree.size > small else None
            for root, tree in zip(self.roots, (self.a, self.b), strict=True)
        )

    def then(self, a: Halves | None, b: Halves | None) -> Bisection:
        """After these answers. Raises ContradictionError, also of a party that does not answer."""
        left_a, right_a = self._halves(0, self.a, a)
        left_b, right_b = self._halves(1, self.b, b)
        differ = left_a.size != left_b.size or left_a.hash != left_b.hash
        return Bisection(self.roots, left_a, left_b) if differ else Bisection(self.roots, right_a, right_b)

    def _halves(self, party: int, tree: Subtree, said: Halves | None) -> tuple[Subtree, Subtree]:
        """Of a party that is not asked, its whole tree and nothing after it."""
        if self.questions()[party] is None:
            return tree, Subtree(tree.end, tree.end, EMPTY)
        if said is None:
            raise ContradictionError(party, "it signed a trace and does not answer for it")
        return tree.halves(party, said)
