"""Evidence of misbehaviour, for strangers: one file that proves a fault to whoever holds the roster's root keys.

It is checked by looking for faults in the documents that it carries, with the function that found it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from .digest import Digest
from .documents import from_bytes
from .dsse import Envelope
from .errors import ReperformError
from .faults import Fault, Proof, faults
from .roots import RootKeys
from .roster import Node, Organisation, open_rosters


class UnprovedError(ReperformError):
    """A charge that the documents with it do not prove."""


@dataclass(frozen=True, slots=True)
class Misbehaviour:
    """A charge with its evidence. Nothing in it is true until prove() has returned."""

    KIND: ClassVar[str] = "misbehaviour/v1"
    fault: Fault
    nodes: tuple[Digest, ...]
    rosters: tuple[Envelope, ...]
    documents: tuple[Envelope, ...]

    @classmethod
    def of(cls, proof: Proof, rosters: Sequence[Envelope]) -> Self:
        """A proof, made to be handed on."""
        return cls(proof.fault, proof.nodes, tuple(rosters), proof.documents)


@dataclass(frozen=True, slots=True)
class Proved:
    """A proved fault, and whose it is: one of these, if they are two."""

    fault: Fault
    nodes: tuple[tuple[Organisation, Node], ...]
    documents: tuple[Envelope, ...]


def prove(data: bytes, roots: RootKeys) -> Proved:
    """Check the bytes of evidence against trusted root keys. Raises MalformedError, SignatureRefusedError,
    RosterRefusedError, UnprovedError.

    1. The evidence is one canonical document.
    2. Every roster is signed by a threshold of root keys: the first by `roots`, each later one by its predecessor's.
    3. The documents prove this fault of these nodes, and are no more than what proves it.
    """
    charge = from_bytes(Misbehaviour, data)
    rosters = [signed.document for signed in open_rosters(charge.rosters, roots)]
    # No more: what is beside a proof is read as part of it, and nobody has checked it.
    for proof in faults(charge.documents, rosters):
        if (proof.fault, proof.nodes) == (charge.fault, charge.nodes) and set(proof.documents) == set(charge.documents):
            break
    else:
        raise UnprovedError(
            f"the documents do not prove {charge.fault} of these nodes", advice="ask whoever charges them for the rest"
        )
    named = {node.node_id: (organisation, node) for roster in rosters for organisation, node in roster.members()}
    return Proved(charge.fault, tuple(named[node] for node in charge.nodes), charge.documents)
