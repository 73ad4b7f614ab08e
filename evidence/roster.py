"""The roster: who may issue receipts, keep a docket and vote, and how many must agree.

Epochs are numbered. The first is signed by the root keys that a relying party holds; each later one by a
threshold of the root keys of the epoch before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import ClassVar, Final, Self
from urllib.parse import quote

from .digest import Digest, Domain, digest
from .documents import to_bytes
from .dsse import Envelope, Signed
from .encoding import MalformedError
from .errors import ReperformError
from .keyfile import KeyRing
from .keys import Algorithm, PublicKey, SignatureRefusedError, SigningKey
from .roots import RootKeys
from .sealing import check_sealing_key
from .times import check_range

MAX_NODES: Final = 1024
MAX_NAME_BYTES: Final = 255  # of a cosigner and of a log's origin: c2sp.org/tlog-cosignature


class RosterRefusedError(ReperformError):
    """A roster that must not be relied on, or a party that is not on it."""


class OrganisationRole(StrEnum):
    """What an organisation's nodes may sign. Exactly one role each: nobody judges their own decisions."""

    OPERATOR = "operator"  # receipts
    REPLAYER = "replayer"  # ballots, votes, attestations; audits too
    AUDITOR = "auditor"  # audits
    DOCKET = "docket"  # cases, and the closing of ballots and votes


class Suite(StrEnum):
    """With which algorithms every node signs."""

    ED25519 = "ed25519"
    ED25519_ML_DSA_44 = "ed25519+ml-dsa-44"


@dataclass(frozen=True, slots=True)
class Node:
    """One machine of an organisation and its public keys. Its id is the id of its Ed25519 key."""

    KIND: ClassVar[str] = "node/v1"
    name: str
    signing: PublicKey
    post_quantum: PublicKey | None
    sealing: bytes

    def __post_init__(self) -> None:
        if self.signing.algorithm is not Algorithm.ED25519:
            raise MalformedError(f"node {self.name[:40]!r} signs with something else than Ed25519")
        if self.post_quantum is not None and self.post_quantum.algorithm is not Algorithm.ML_DSA_44:
            raise MalformedError(f"node {self.name[:40]!r} has a second key that is not ML-DSA-44")
        if len(self.cosigner) > MAX_NAME_BYTES:
            raise MalformedError(f"node {self.name[:40]!r} has too long a name")
        check_sealing_key(self.sealing)

    @property
    def node_id(self) -> Digest:
        """How documents name this node."""
        return self.signing.key_id

    @property
    def cosigner(self) -> str:
        """How checkpoints name this node as their witness: a name without what a signed note cannot hold."""
        return quote(self.name, safe="")

    @classmethod
    def of(cls, name: str, keys: KeyRing) -> Self:
        """The public half of a key ring."""
        post_quantum = None if keys.post_quantum is None else keys.post_quantum.public
        return cls(name, keys.signing.public, post_quantum, keys.sealing.public)


@dataclass(frozen=True, slots=True)
class Organisation:
    """A party that is accountable by name."""

    KIND: ClassVar[str] = "organisation/v1"
    name: str
    role: OrganisationRole
    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Log:
    """The log in which the receipts of a roster's operators stand, and the keys that sign its checkpoints.

    There is one, so that a place in it means the same to everybody.
    """

    KIND: ClassVar[str] = "log/v1"
    origin: str
    signing: PublicKey
    post_quantum: PublicKey | None

    def __post_init__(self) -> None:
        # An origin is the name of the log's key too, and shall read as one wherever it stands.
        if quote(self.origin, safe="/.-_~:") != self.origin or not 0 < len(self.origin) <= MAX_NAME_BYTES:
            raise MalformedError(
                f"{self.origin[:40]!r} cannot be the origin of a log", advice="name it like log.example.com/decisions"
            )
        if self.signing.algorithm is not Algorithm.ED25519:
            raise MalformedError(f"log {self.origin} signs with something else than Ed25519")
        if self.post_quantum is not None and self.post_quantum.algorithm is not Algorithm.ML_DSA_44:
            raise MalformedError(f"log {self.origin} has a second key that is not ML-DSA-44")


@dataclass(frozen=True, slots=True)
class Revocation:
    """A replayer's key whose votes do not count on receipts at or after entry `effective` of the log."""

    KIND: ClassVar[str] = "revocation/v1"
    node: Digest
    effective: int

    def __post_init__(self) -> None:
        if self.effective < 0:
            raise MalformedError("the entries of a log are counted from 0")


@dataclass(frozen=True, slots=True)
class Roster:
    """One epoch. `quorum` and `witnesses` count organisations with the role of replayer.

    So many of them must agree on a verdict, and must have cosigned a checkpoint of the log. Times are milliseconds
    since 1970.
    """

    KIND: ClassVar[str] = "roster/v1"
    name: str
    epoch: int
    previous: Digest | None
    valid_from: int
    valid_until: int
    roots: RootKeys
    organisations: tuple[Organisation, ...]
    quorum: int
    suite: Suite
    revoked: tuple[Revocation, ...] = ()
    log: Log | None = None
    witnesses: int = 0

    def __post_init__(self) -> None:
        if self.epoch < 1 or (self.previous is None) != (self.epoch == 1):
            raise MalformedError("epoch 1 has no predecessor, every later epoch names one")
        if not 0 <= self.valid_from < self.valid_until:
            raise MalformedError("a roster must be valid for some time")
        check_range(self.valid_until)
        self._check_members()
        panel = sum(organisation.role is OrganisationRole.REPLAYER for organisation in self.organisations)
        # More than half, so that two quorums that contradict each other share an organisation.
        if not panel < 2 * self.quorum <= 2 * panel:
            raise MalformedError(
                f"a quorum of {self.quorum} of {panel} replaying organisations is not more than half",
                advice="choose another quorum first",
            )
        if not 0 <= self.witnesses <= (0 if self.log is None else panel):
            raise MalformedError(f"{self.witnesses} witnessing organisations, of {panel} and with or without a log")

    def _check_members(self) -> None:
        nodes = [node for _, node in self.members()]
        names = [organisation.name for organisation in self.organisations]
        # Two names for one key would let one party be counted twice.
        signers: list[Node | Log] = [*nodes, *([] if self.log is None else [self.log])]
        keys = [key.value for signer in signers for key in (signer.signing, signer.post_quantum) if key is not None]
        keys += [node.sealing for node in nodes]
        for what, items in (("organisation", names), ("node name", [n.name for n in nodes]), ("key", keys)):
            if len(set(items)) != len(items):
                raise MalformedError(f"a roster has the same {what} twice")
        if not all(names) or not all(organisation.nodes for organisation in self.organisations):
            raise MalformedError("a roster has an organisation without a name or without a node")
        if len(nodes) > MAX_NODES:
            raise MalformedError(f"a roster of {len(nodes)} nodes; the limit is {MAX_NODES}")
        if self.suite is Suite.ED25519_ML_DSA_44 and any(signer.post_quantum is None for signer in signers):
            raise MalformedError(f"a roster whose suite is {self.suite} has a node or log without an ML-DSA-44 key")
        revoked = [revocation.node for revocation in self.revoked]
        if revoked != sorted(set(revoked)):
            raise MalformedError("revoked keys must stand once each, in the order of their ids")
        if back := {node.node_id for node in nodes}.intersection(revoked):
            raise MalformedError(f"key {min(back).short()} is revoked, and on the roster", advice="make new keys")

    @property
    def roster_id(self) -> Digest:
        """How documents name this roster."""
        return _roster_id(self)

    def members(self) -> Iterator[tuple[Organisation, Node]]:
        """Every node with its organisation."""
        for organisation in self.organisations:
            for node in organisation.nodes:
                yield organisation, node

    def member(self, node_id: Digest) -> tuple[Organisation, Node]:
        """The node of this id. Raises RosterRefusedError."""
        for organisation, node in self.members():
            if node.node_id == node_id:
                return organisation, node
        raise RosterRefusedError(f"key {node_id.short()} is not on epoch {self.epoch} of roster {self.name!r}")

    def member_as(self, node_id: Digest, role: OrganisationRole) -> tuple[Organisation, Node]:
        """The node of this id, whose organisation must have this role. Raises RosterRefusedError."""
        organisation, node = self.member(node_id)
        if organisation.role is not role:
            raise RosterRefusedError(
                f"node {node.name!r} belongs to {organisation.name!r}, whose role is {organisation.role}, not {role}"
            )
        return organisation, node

    def panel(self) -> tuple[Node, ...]:
        """The nodes that may vote."""
        return tuple(node for organisation, node in self.members() if organisation.role is OrganisationRole.REPLAYER)

    def dockets(self) -> tuple[Node, ...]:
        """The nodes with which a dispute can be filed."""
        return tuple(node for organisation, node in self.members() if organisation.role is OrganisationRole.DOCKET)

    def keys_of(self, signer: Node | Log) -> tuple[PublicKey, ...]:
        """The keys that must sign whatever this node or log signs."""
        if self.suite is Suite.ED25519 or signer.post_quantum is None:
            return (signer.signing,)
        return (signer.signing, signer.post_quantum)

    def panel_keys(self) -> Mapping[Digest, PublicKey]:
        """The keys that sign for the nodes that may vote, by their ids."""
        return {key.key_id: key for node in self.panel() for key in self.keys_of(node)}

    def signers(self, keys: KeyRing) -> tuple[SigningKey, ...]:
        """The private keys of a member that must sign whatever it signs, and no others: what else a key file
        holds has no say here. Raises RosterRefusedError for who is no member, or lacks one of them.
        """
        _, node = self.member(keys.signing.public.key_id)
        return _held(f"node {node.name!r}", self.keys_of(node), keys)

    def log_signers(self, keys: KeyRing) -> tuple[SigningKey, ...]:
        """The private keys that must sign a checkpoint. Raises RosterRefusedError unless they are the log's."""
        if self.log is None or self.log.signing != keys.signing.public:
            raise RosterRefusedError(
                f"key {keys.signing.public.key_id.short()} is not that of the log of epoch {self.epoch}"
            )
        return _held(f"log {self.log.origin}", self.keys_of(self.log), keys)

    def check_follows(self, before: Roster) -> None:
        """Raises RosterRefusedError unless this is the epoch after `before`, which takes no revocation back."""
        names = (self.name, self.epoch, self.previous)
        if names != (before.name, before.epoch + 1, before.roster_id):
            raise RosterRefusedError(f"epoch {self.epoch} of the roster does not follow {before.epoch}")
        effective = {revocation.node: revocation.effective for revocation in self.revoked}
        for revocation in before.revoked:
            # It may turn out that a key was in other hands earlier, never that it was not.
            if effective.get(revocation.node, revocation.effective + 1) > revocation.effective:
                raise RosterRefusedError(
                    f"epoch {self.epoch} of the roster takes back that key {revocation.node.short()} is revoked"
                )
        # Revocations name a place in it.
        if before.log is not None and (self.log is None or self.log.origin != before.log.origin):
            raise RosterRefusedError(f"epoch {self.epoch} of the roster leaves log {before.log.origin}")

    def check_time(self, now: int) -> None:
        """Raises RosterRefusedError if the roster is not in force at `now` (milliseconds since 1970)."""
        if now < self.valid_from:
            raise RosterRefusedError(f"epoch {self.epoch} of roster {self.name!r} is not in force yet")
        if now > self.valid_until:
            raise RosterRefusedError(
                f"epoch {self.epoch} of roster {self.name!r} has expired",
                advice="get the current epoch from the roster's keeper",
            )


def _held(who: str, wanted: Sequence[PublicKey], keys: KeyRing) -> tuple[SigningKey, ...]:
    held = {key.public: key for key in keys.signers}
    lacking = [key for key in wanted if key not in held]
    if lacking:
        raise RosterRefusedError(
            f"{who} signs with {lacking[0].algorithm} key {lacking[0].key_id.short()} too, "
            "which this key file does not hold",
            advice="use the key file whose public half stands on the roster",
        )
    return tuple(held[key] for key in wanted)


@lru_cache(maxsize=64)
def _roster_id(roster: Roster) -> Digest:
    return digest(Domain.ROSTER, to_bytes(roster))


def open_roster(envelope: Envelope, roots: RootKeys) -> Signed[Roster]:
    """Verify one epoch against the root keys that may sign it. Raises SignatureRefusedError, MalformedError."""
    signers = envelope.check({key.key_id: key for holder in roots.holders() for key in holder})
    if roots.count(signers) < roots.threshold:
        raise SignatureRefusedError(
            f"the roster carries {roots.count(signers)} of {roots.threshold} needed root signatures",
            advice="get the roster from its keeper, with every signature",
        )
    return Signed(envelope.parse(Roster), signers, envelope)


def open_rosters(envelopes: Sequence[Envelope], roots: RootKeys) -> tuple[Signed[Roster], ...]:
    """Verify a chain of epochs: the first against `roots`, each later one against the one before it."""
    if not envelopes:
        raise RosterRefusedError("there is no roster")
    chain = [open_roster(envelopes[0], roots)]
    for envelope in envelopes[1:]:
        before = chain[-1].document
        opened = open_roster(envelope, before.roots)
        opened.document.check_follows(before)
        chain.append(opened)
    return tuple(chain)


def named_roster(rosters: Iterable[Roster], name: Digest) -> Roster:
    """The roster of this id, under which a document that names it is judged. Raises RosterRefusedError."""
    for roster in rosters:
        if roster.roster_id == name:
            return roster
    raise RosterRefusedError(
        f"roster {name.short()}, which the receipt names, is not at hand",
        advice="get that epoch from the roster's keeper",
    )


def check_serves(rosters: Sequence[Roster], keys: KeyRing, role: OrganisationRole) -> None:
    """Raises RosterRefusedError unless these keys stand in this role on some epoch, and are all that each asks for.

    A key that gave way to another finishes the cases of the epochs that it is on.
    """
    name = keys.signing.public.key_id
    serving = [roster for roster in rosters if any(node.node_id == name for _, node in roster.members())]
    for roster in serving or rosters[-1:]:
        roster.member_as(name, role)
        roster.signers(keys)
