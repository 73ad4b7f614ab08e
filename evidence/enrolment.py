"""A request to be put on a roster, signed by every key that it names: who sends it has them all.

Without that, a party could enrol a key that is another's, and have another's words counted as its own. A sealing key
signs nothing; who names one that is not its own can read nothing that is sealed to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .digest import Digest
from .dsse import Envelope, Signed, open_signed
from .encoding import MalformedError
from .keyfile import KeyRing
from .keys import PublicKey
from .roster import Node, OrganisationRole, Roster


@dataclass(frozen=True, slots=True)
class Enrolment:
    """The node that an organisation wants on a roster. `replaces` is the node whose keys give way to these."""

    KIND: ClassVar[str] = "enrolment/v1"
    organisation: str
    role: OrganisationRole
    node: Node
    replaces: Digest | None

    def __post_init__(self) -> None:
        if not self.organisation or not self.node.name:
            raise MalformedError("an enrolment without the name of an organisation or of its node")
        if self.replaces == self.node.node_id:
            raise MalformedError("an enrolment that replaces a key by itself", advice="make new keys")

    @classmethod
    def of(
        cls,
        keys: KeyRing,
        *,
        organisation: str,
        role: OrganisationRole,
        node: str,
        replacing: KeyRing | None = None,
    ) -> Envelope:
        """A signed request for a node with these keys; also by the keys that it replaces, where they still exist."""
        old = () if replacing is None else replacing.signers
        replaces = None if replacing is None else replacing.signing.public.key_id
        request = cls(organisation, role, Node.of(node, keys), replaces)
        return Envelope.sign(request, (*keys.signers, *old))


def open_enrolment(envelope: Envelope, before: Roster) -> Signed[Enrolment]:
    """Verify that all the keys of a request signed it, and all those that it replaces on the roster `before`.

    Raises SignatureRefusedError, MalformedError, and RosterRefusedError if what it replaces is not on that roster.
    """
    request = envelope.parse(Enrolment)
    keys = _keys(request.node)
    if request.replaces is not None:
        _, old = before.member(request.replaces)
        keys += _keys(old)
    return open_signed(envelope, Enrolment, keys)


def _keys(node: Node) -> tuple[PublicKey, ...]:
    return (node.signing,) if node.post_quantum is None else (node.signing, node.post_quantum)
