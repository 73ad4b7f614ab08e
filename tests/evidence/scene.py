"""A finished case written out by hand, document by document, so that a test can forge any step of it.

Everything follows from the names: keys, commitment keys and nonces are digests of texts, and Ed25519 signatures
are deterministic, so a scene is the same bytes on every machine (with ML-DSA-44, all but the signatures).
`tests/world.py` plays the same case through the real nodes; here nobody checks what is signed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from reperform.evidence.attestation import sign_statement, statement, summary
from reperform.evidence.ballot import Ballot, Finding, Reason, Result, Vote, ballot_commitment, ballot_id, vote_id
from reperform.evidence.case import Case, Deadlines, Filing, Ground, case_id
from reperform.evidence.commitment import Commitment, Role, key_digest, tag
from reperform.evidence.digest import Digest, Domain, digest
from reperform.evidence.documents import to_bytes
from reperform.evidence.dsse import Envelope, Signed
from reperform.evidence.errors import ReperformError
from reperform.evidence.inclusion import open_inclusion
from reperform.evidence.inputs import NumberColumn, RecordInput
from reperform.evidence.keyfile import KeyRing
from reperform.evidence.keys import SigningKey
from reperform.evidence.lists import BallotList, VoteList
from reperform.evidence.manifest import ExecutionClass, Manifest
from reperform.evidence.pack import Disclosure, Pack, Revealed
from reperform.evidence.receipt import Receipt, receipt_id
from reperform.evidence.roots import RootKeys
from reperform.evidence.roster import Node, Organisation, OrganisationRole, Roster, Suite
from reperform.evidence.rules import Threshold
from reperform.evidence.sealing import SealingKey
from reperform.evidence.tally import Matter, Tally, tally
from reperform.evidence.values import DType, Output, Record, Tensor
from reperform.tests.evidence.ledger import Ledger

START = 1_790_000_000_000  # an arbitrary moment, milliseconds since 1970
BANK, DOCKET = "Harbour Bank", "Docket Office"
PANEL: Mapping[str, int] = {"Audit House": 1, "Consumer Union": 1, "Finance Authority": 1}

MANIFEST = Manifest(
    name="a model for tests",
    execution_class=ExecutionClass.PORTABLE_1,
    graph=digest(Domain.GRAPH, b"no graph: nobody runs this model"),
    tensors=(),
    files=(),
    input=RecordInput((NumberColumn("income", "monthly income", "0.0", "1.0"),)),
    outputs=("score",),
    rule=Threshold("0.5", "approve", "decline"),
)
INPUT = to_bytes(Record.of({"income": "4211.50"}))
OUTPUT = to_bytes(Output("decline", (Tensor("score", DType.F32, (1,), bytes.fromhex("0000003e")),)))
OTHER_OUTPUT = to_bytes(Output("approve", (Tensor("score", DType.F32, (1,), bytes.fromhex("0000403f")),)))


def secret(name: str) -> bytes:
    """32 bytes that follow from a name."""
    return hashlib.sha256(f"tests/evidence {name}".encode()).digest()


def signing_key(name: str) -> SigningKey:
    """The Ed25519 key of a name."""
    return SigningKey(Ed25519PrivateKey.from_private_bytes(secret(f"{name} signs")))


@cache
def ring(name: str) -> KeyRing:
    """All the keys of a name."""
    sealing = SealingKey(X25519PrivateKey.from_private_bytes(secret(f"{name} receives")))
    post_quantum = SigningKey(MLDSA44PrivateKey.from_seed_bytes(secret(f"{name} signs with ML-DSA")))
    return KeyRing(signing_key(name), sealing, post_quantum)


@dataclass(frozen=True)
class Scene:
    """The parties and one case of theirs. `name` tells cases of the same parties apart."""

    name: str = "the case"
    suite: Suite = Suite.ED25519
    panel: Mapping[str, int] = field(default_factory=lambda: PANEL)
    quorum: int = 2
    ground: Ground = Ground.DISPUTE
    dockets: Sequence[str] = (DOCKET,)
    output: bytes = OUTPUT
    witnesses: int | None = None  # how many organisations witness the log; without a number there is none

    @property
    def roots(self) -> RootKeys:
        """Two of three root keys sign rosters."""
        return RootKeys(tuple(key.public for key in self.root_keys), 2)

    @property
    def root_keys(self) -> tuple[SigningKey, ...]:
        """The private halves of the root keys."""
        return tuple(signing_key(f"root {i}") for i in range(3))

    def nodes_of(self, organisation: str) -> tuple[str, ...]:
        """The names of an organisation's nodes."""
        count = self.panel.get(organisation, 1)
        return (organisation,) if count == 1 else tuple(f"{organisation} {i + 1}" for i in range(count))

    @property
    def voters(self) -> tuple[str, ...]:
        """The names of all nodes that may vote."""
        return tuple(node for organisation in self.panel for node in self.nodes_of(organisation))

    def signers(self, node: str) -> tuple[SigningKey, ...]:
        """The keys with which a node must sign under this suite."""
        keys = ring(node)
        return (keys.signing,) if self.suite is Suite.ED25519 else keys.signers

    @cached_property
    def roster(self) -> Roster:
        """Epoch 1."""
        roles = {BANK: OrganisationRole.OPERATOR, **dict.fromkeys(self.dockets, OrganisationRole.DOCKET)}
        return Roster(
            name="mortgages",
            epoch=1,
            previous=None,
            valid_from=START - 1000,
            valid_until=START + 10**9,
            roots=self.roots,
            organisations=tuple(
                Organisation(
                    name, roles.get(name, OrganisationRole.REPLAYER), tuple(self.member(n) for n in self.nodes_of(name))
                )
                for name in (BANK, *self.dockets, *self.panel)
            ),
            quorum=self.quorum,
            suite=self.suite,
            log=None if self.witnesses is None else self.ledger.on_roster(),
            witnesses=self.witnesses or 0,
        )

    @property
    def ledger(self) -> Ledger:
        """The bank's log, before the receipt."""
        return Ledger.of(ring("log"), post_quantum=self.suite is not Suite.ED25519)

    def inclusion(self, receipt: Envelope, by: Sequence[str] = (), seconds: int = START // 1000 + 1) -> str:
        """The proof that a receipt stands in the log, under a checkpoint that these nodes witness; by default all."""
        index, ledger = len(self.ledger.entries), self.ledger.with_entries(receipt, b"one more")
        note = ledger.note([(self.member(node), self.signers(node)) for node in by or self.voters], seconds)
        return ledger.prove(index, note)

    def member(self, node: str) -> Node:
        """A node as it stands on the roster."""
        member = Node.of(node, ring(node))
        return replace(member, post_quantum=None) if self.suite is Suite.ED25519 else member

    def node_id(self, node: str) -> Digest:
        """How documents name a node."""
        return ring(node).signing.public.key_id

    def key(self, what: str) -> bytes:
        """A commitment key or nonce of this case."""
        return secret(f"{self.name}: {what}")

    def receipt(self, **changes: Any) -> Receipt:
        """The bank's receipt."""
        receipt = Receipt(
            decision=self.key("decision")[:16],
            executor=self.node_id(BANK),
            sequence=7,
            model=MANIFEST.model_id,
            execution_class=MANIFEST.execution_class,
            input=Commitment.make(Role.INPUT, INPUT, self.key("input")),
            output=Commitment.make(Role.OUTPUT, self.output, self.key("output")),
            roster=self.roster.roster_id,
            time=START,
            checkpoint=None if self.witnesses is None else self.ledger.checkpoint(),
        )
        return replace(receipt, **changes)

    @property
    def filer(self) -> str:
        """Who files: the bank itself in an audit."""
        return BANK if self.ground is Ground.AUDIT else f"filer of {self.name}"

    def case(self, receipt: Envelope, inclusion: str | None = None, **changes: Any) -> Case:
        """The case that the docket opens on a receipt, with whatever proof of inclusion the filer has."""
        filer = ring(self.filer)
        filing = Filing(
            receipt=receipt_id(receipt),
            ground=self.ground,
            docket=self.node_id(DOCKET),
            signing=filer.signing.public,
            sealing=filer.sealing.public,
            panel_key=key_digest(self.key("panel")),
            inclusion=inclusion,
        )
        times = Deadlines(*(START + 1000 * i for i in range(1, 6)))
        case = Case(filing, self.roster.roster_id, self.key("challenge"), START, times)
        return replace(case, **changes)

    def result(self, node: str, output: bytes | None, trace: str = "a trace") -> Result:
        """What a node computed; nothing, if `output` is None."""
        nonce = self.key(f"nonce of {node}")
        if output is None:
            return Result(None, None, nonce)
        trace_digest = digest(Domain.TRACE, trace.encode())
        panel_key = self.key("panel")
        return Result(tag(Role.ANSWER, output, panel_key), tag(Role.TRACE, trace_digest.value, panel_key), nonce)

    def story(
        self,
        results: Mapping[str, Result] | None = None,
        prove: Callable[[Envelope], str | None] | None = None,
        **changes: Any,
    ) -> Story:
        """Everybody's documents, in the order in which they are written. `changes` are those of the receipt.

        `prove` gives the receipt's proof of inclusion; by default a good one, if there is a log.
        """
        receipt = Envelope.sign(self.receipt(**changes), self.signers(BANK))
        prove = prove or (self.inclusion if self.witnesses is not None else lambda _: None)
        case = Envelope.sign(self.case(receipt, prove(receipt)), self.signers(DOCKET))
        results = {node: self.result(node, OUTPUT) for node in self.voters} if results is None else results
        story = Story(self, (Envelope.sign(self.roster, self.root_keys[:2]),), receipt, case, results)
        return story.with_ballots([story.ballot(node) for node in results]).with_votes().attested()


@dataclass(frozen=True)
class FiledBy(Scene):
    """A case that this party filed, whether or not it may."""

    by: str = ""

    @property
    def filer(self) -> str:
        """Who files."""
        return self.by


@dataclass(frozen=True)
class Story:
    """The documents of a case, as envelopes."""

    scene: Scene
    rosters: tuple[Envelope, ...]
    receipt: Envelope
    case: Envelope
    results: Mapping[str, Result]
    ballots: tuple[Envelope, ...] = ()
    ballot_list: Envelope | None = None
    votes: tuple[Envelope, ...] = ()
    vote_list: Envelope | None = None
    attestation: Envelope | None = None
    summary: Envelope | None = None

    def ballot(self, node: str, **changes: Any) -> Envelope:
        """A node's ballot on its result."""
        name, node_id = case_id(self.case), self.scene.node_id(node)
        ballot = Ballot(name, node_id, ballot_commitment(name, node_id, self.results[node]))
        return Envelope.sign(replace(ballot, **changes), self.scene.signers(node))

    def with_ballots(self, ballots: Iterable[Envelope], by: str = DOCKET, **changes: Any) -> Story:
        """The docket closes the list of these ballots."""
        ballots = tuple(sorted(ballots, key=ballot_id))
        closed = BallotList(case_id(self.case), tuple(ballot_id(b) for b in ballots), START + 2000)
        envelope = Envelope.sign(replace(closed, **changes), self.scene.signers(by))
        return replace(self, ballots=ballots, ballot_list=envelope)

    def vote(self, node: str, by: str | None = None, **changes: Any) -> Envelope:
        """A node's vote, honest about its result where `changes` do not say otherwise."""
        receipt, result = self.receipt.parse(Receipt), self.results[node]
        output = tag(Role.ANSWER, self.scene.output, self.scene.key("panel"))
        finding, reason = Finding.INDETERMINATE, None
        if result.answer is None:
            reason = Reason.UNANSWERED
        else:
            finding = Finding.MATCH if result.answer == output else Finding.MISMATCH
        vote = Vote(
            case=case_id(self.case),
            receipt=receipt_id(self.receipt),
            roster=receipt.roster,
            epoch=1,
            model=receipt.model,
            execution_class=receipt.execution_class,
            ballots=self.matter().ballots.list_id,
            node=self.scene.node_id(node),
            finding=finding,
            reason=reason,
            result=result,
            sealed_answer=b"sealed to the filer" if finding is Finding.MISMATCH else b"",
        )
        return Envelope.sign(replace(vote, **changes), self.scene.signers(by or node))

    def with_votes(self, votes: Iterable[Envelope] | None = None, by: str = DOCKET, **changes: Any) -> Story:
        """The docket closes the list of these votes after their deadline; by default everybody's."""
        votes = [self.vote(node) for node in self.results] if votes is None else votes
        votes = tuple(sorted(votes, key=vote_id))
        names = tuple(sorted({vote_id(v) for v in votes}))
        closed = VoteList(case_id(self.case), self.matter().ballots.list_id, names, START + 4001)
        envelope = Envelope.sign(replace(closed, **changes), self.scene.signers(by))
        return replace(self, votes=votes, vote_list=envelope)

    def matter(self) -> Matter:
        """What the votes are about."""
        return self._matter

    @cached_property
    def _matter(self) -> Matter:
        assert self.ballot_list is not None
        roster = self.scene.roster
        receipt, inclusion = signed(self.receipt, Receipt), self.inclusion()
        try:
            place = None if inclusion is None else open_inclusion(inclusion, receipt, [roster])
        except ReperformError:  # forged: what would be signed if nobody looked
            place = None
        return Matter(roster, receipt, signed(self.case, Case), self.ballot_list.parse(BallotList), place)

    def inclusion(self) -> str | None:
        """The proof of inclusion that the filing carries."""
        return self.case.parse(Case).filing.inclusion

    def votes_closed(self) -> VoteList:
        """The list of votes."""
        assert self.vote_list is not None
        return self.vote_list.parse(VoteList)

    def tally(self) -> Tally:
        """The tally of the votes."""
        ballots = [signed(envelope, Ballot) for envelope in self.ballots]
        votes = [signed(envelope, Vote) for envelope in self.votes]
        return tally(self.matter(), self.votes_closed(), ballots, votes)

    def attested(self, by: Sequence[str] | None = None, result: Tally | None = None) -> Story:
        """Attestation and summary of the tally (or of another verdict), by these nodes; by default everybody."""
        keys = [key for node in (self.results if by is None else by) for key in self.scene.signers(node)]
        matter, result = self.matter(), result or self.tally()
        return replace(
            self,
            attestation=sign_statement(statement(matter, result), keys),
            summary=sign_statement(summary(matter, result), keys),
        )

    def disclosure(self) -> Disclosure:
        """Everything that the holder of the opening can show."""
        scene, agreed = self.scene, self.tally().answer
        shown = next((o for o in (OUTPUT, OTHER_OUTPUT) if tag(Role.ANSWER, o, scene.key("panel")) == agreed), None)
        return Disclosure(
            Revealed(INPUT, scene.key("input")),
            Revealed(scene.output, scene.key("output")),
            None if shown is None else Revealed(shown, scene.key("panel")),
        )

    def pack(self, **changes: Any) -> Pack:
        """Everything in one pack, without a disclosure."""
        assert self.ballot_list is not None
        assert self.vote_list is not None
        assert self.attestation is not None
        assert self.summary is not None
        pack = Pack(
            rosters=self.rosters,
            receipt=self.receipt,
            manifest=MANIFEST,
            case=self.case,
            ballot_list=self.ballot_list,
            ballots=self.ballots,
            vote_list=self.vote_list,
            votes=self.votes,
            attestation=self.attestation,
            summary=self.summary,
            disclosure=None,
        )
        return replace(pack, **changes)


def signed(envelope: Envelope, cls: type[Any]) -> Signed[Any]:
    """A document taken as if its signatures had been verified."""
    return Signed(envelope.parse(cls), frozenset(s.key_id for s in envelope.signatures), envelope)


def upheld(**changes: Any) -> Story:
    """Three organisations find what the bank committed to."""
    return Scene(**changes).story()


def refuted(**changes: Any) -> Story:
    """The bank committed to another output than all three organisations find."""
    return Scene(output=OTHER_OUTPUT, **changes).story()
