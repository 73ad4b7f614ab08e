"""The statement: where two traces part, what each party signed to, and what is right.

What stands in it follows from the parties' heads and from one step computed again. `check` does all but that step,
whose operands are private and travel apart (operands.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from ..digest import Digest, Domain, digest
from ..dsse import Envelope
from ..encoding import MalformedError
from ..errors import ReperformError
from ..manifest import Manifest
from ..receipt import Receipt, receipt_id
from .bisection import PARTIES
from .head import TraceHead
from .tree import check_proof, root_before


class StatementRefusedError(ReperformError):
    """A statement that does not hold."""


class Verdict(StrEnum):
    """Who is wrong. Where two differ, at least one is."""

    A = "a-is-wrong"
    B = "b-is-wrong"
    BOTH = "both-are-wrong"


@dataclass(frozen=True, slots=True)
class LeafProof:
    """That a tensor's digest is a leaf of a trace."""

    KIND: ClassVar[str] = "leaf-proof/v1"
    index: int
    leaf: Digest
    path: tuple[Digest, ...]


@dataclass(frozen=True, slots=True)
class Testimony:
    """What one party said. `manifest` and `graph` are its own where they are not those of the receipt's model.

    leaves: of what the operation reads, in order, and last of the disputed leaf, if the party's trace has as many.
    """

    KIND: ClassVar[str] = "testimony/v1"
    head: TraceHead | Envelope
    manifest: Manifest | None
    graph: bytes | None
    leaves: tuple[LeafProof, ...]
    claim: Digest | None

    @property
    def trace(self) -> TraceHead:
        """The head, whether it is signed or not."""
        return self.head.parse(TraceHead) if isinstance(self.head, Envelope) else self.head


@dataclass(frozen=True, slots=True)
class DisputedGraph:
    """The graphs part before the traces do: at this node, or already in their inputs. Claims are digests of graphs."""

    KIND: ClassVar[str] = "disputed-graph/v1"
    node: int | None


@dataclass(frozen=True, slots=True)
class DisputedInput:
    """The graph was given different tensors; claims are digests of this one. element: the first to differ, if shown."""

    KIND: ClassVar[str] = "disputed-input/v1"
    input: int
    name: str
    element: int | None


@dataclass(frozen=True, slots=True)
class DisputedOperation:
    """A node gave different tensors for the same operands. Claims are digests of this part of what it gave."""

    KIND: ClassVar[str] = "disputed-operation/v1"
    node: int
    part: int
    name: str
    op: str


Place = DisputedGraph | DisputedInput | DisputedOperation


@dataclass(frozen=True, slots=True)
class Localisation:
    """Where A and B part on the decision of `receipt`, which names the model, and who is wrong.

    right: what the disputed digest is by that model under portable-1; none where the operation has no such part.
    """

    KIND: ClassVar[str] = "localisation/v1"
    receipt: Envelope
    place: Place
    a: Testimony
    b: Testimony
    right: Digest | None
    verdict: Verdict

    def __post_init__(self) -> None:
        if self.a.claim == self.b.claim:
            raise MalformedError("a statement about two parties that do not differ")
        if self.verdict is not judged(self.a.claim, self.b.claim, self.right):
            raise MalformedError("the verdict does not follow from what was claimed and what is right")

    @property
    def parties(self) -> tuple[Testimony, Testimony]:
        """A and B."""
        return self.a, self.b

    @property
    def model(self) -> Digest:
        """The model that the receipt names."""
        return self.receipt.parse(Receipt).model


def judged(a: Digest | None, b: Digest | None, right: Digest | None) -> Verdict:
    """Who is wrong."""
    if a == right:
        return Verdict.B
    return Verdict.A if b == right else Verdict.BOTH


def check(statement: Localisation) -> None:
    """Everything but signatures and the step itself. Raises StatementRefusedError, TreeRefusedError.

    1. Both heads are about the receipt; whoever ran another model shows its manifest, and its graph if that differs.
    2. At an input: the claims stand in the heads, and those of the inputs before it are equal.
    3. At an operation: inputs are equal, the same number of tensors came before it, and every leaf is proved to be of
       its party's trace. Each party claims the leaf at this place, or none. All leaves before it are equal.
    """
    a, b = (party.trace for party in statement.parties)
    for name, party in zip(PARTIES, statement.parties, strict=True):
        _check_party(name, party, statement)
    match statement.place:
        case DisputedInput(position):
            for name, party in zip(PARTIES, statement.parties, strict=True):
                given = party.trace.inputs[position : position + 1]
                _demand(position >= 0 and given == (party.claim,), f"{name}'s claim is not in its head")
            _demand(a.inputs[:position] == b.inputs[:position], "an input before this one differs")
        case DisputedOperation(node, part):
            _demand(a.inputs == b.inputs, "the inputs differ")
            _check_leaves(statement, node, part)
        case DisputedGraph():
            pass


def _check_party(name: str, party: Testimony, statement: Localisation) -> None:
    trace = party.trace
    _demand(trace.receipt == receipt_id(statement.receipt), f"{name}'s trace is of another decision")
    _demand(
        (party.manifest is None) == (trace.model == statement.model), f"{name}'s own manifest is missing or too much"
    )
    if party.manifest is not None:
        _demand(party.manifest.model_id == trace.model, f"the manifest is not of the model that {name} ran")
    if party.graph is not None:
        graph = None if party.manifest is None else party.manifest.graph
        _demand(digest(Domain.GRAPH, party.graph) == graph, f"the graph is not of the model that {name} ran")


def _check_leaves(statement: Localisation, node: int, part: int) -> None:
    a, b = (party.trace for party in statement.parties)
    _demand(0 <= node < min(len(a.parts), len(b.parts)), "there is no such node")
    _demand(a.parts[:node] == b.parts[:node], "the nodes before this one gave different numbers of tensors")
    _demand(0 <= part < max(a.parts[node], b.parts[node]), "the node gave no such part")
    index = a.leaf(node) + part
    before = {root for name, party in zip(PARTIES, statement.parties, strict=True)
              for root in _roots_before(name, party, node, part, index)}  # fmt: skip
    _demand(len(before) == 1, "the traces part before this operation")


def _roots_before(name: str, party: Testimony, node: int, part: int, index: int) -> Iterator[Digest]:
    """The root over everything before the disputed leaf, once the party's proofs are checked."""
    trace = party.trace
    for proved in party.leaves:
        check_proof(proved.leaf, proved.index, trace.size, proved.path, trace.root)
    last = party.leaves[-1] if party.leaves and party.leaves[-1].index == index else None
    has = part < trace.parts[node]
    _demand((last is not None) == (index < trace.size), f"it is not shown what {name}'s trace has at this place")
    _demand(party.claim == (last.leaf if has and last is not None else None), f"{name} claimed something else")
    yield trace.root if last is None else root_before(index, trace.size, last.path)


def _demand(holds: bool, otherwise: str) -> None:
    if not holds:
        raise StatementRefusedError(otherwise, advice="ask whoever signed it for the right one")
