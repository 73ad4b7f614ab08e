"""A small world for tests: a bank, three replaying organisations, a docket, root keys, and a filed decision.

Everything is real (keys, documents, docket folder, nodes) except the model, which is a function given by the
test, so that these tests need no torch. Time is a number that the test moves.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from reperform.consensus.conclusion import conclude, pack
from reperform.consensus.docket import Docket
from reperform.consensus.filer import FiledDecision, Filer
from reperform.consensus.folder import FolderDocket
from reperform.consensus.keeper import Keeper, Patience
from reperform.consensus.proceeding import Proceeding, collect
from reperform.evidence.commitment import Commitment, Role, new_key
from reperform.evidence.digest import Digest, Domain, digest
from reperform.evidence.documents import to_bytes
from reperform.evidence.dsse import Envelope
from reperform.evidence.inputs import NumberColumn, RecordInput
from reperform.evidence.keyfile import KeyRing
from reperform.evidence.manifest import ExecutionClass, Manifest
from reperform.evidence.pack import Disclosure, Pack, Revealed
from reperform.evidence.receipt import DecisionFile, Opening, Receipt
from reperform.evidence.roots import RootKeys
from reperform.evidence.roster import Node as Member
from reperform.evidence.roster import Organisation, OrganisationRole, Roster, Suite
from reperform.evidence.rules import Threshold
from reperform.evidence.values import DType, Output, Record, Tensor
from reperform.replayer.node import Node
from reperform.replayer.notebook import Notebook
from reperform.replayer.replay import Replay, Replayed
from reperform.tests.evidence.ledger import Ledger

START = 1_790_000_000_000  # an arbitrary moment, milliseconds since 1970
BANK, DOCKET = "Harbour Bank", "Docket Office"
PANEL = ("Audit House", "Consumer Union", "Finance Authority")
ROOTS, FILER = ("root a", "root b", "root c"), "the filer"

MANIFEST = Manifest(
    name="a model for tests",
    execution_class=ExecutionClass.PORTABLE_1,
    graph=digest(Domain.GRAPH, b"no graph: the model of these tests is a function"),
    tensors=(),
    files=(),
    input=RecordInput((NumberColumn("income", "monthly income", "0.0", "1.0"),)),
    outputs=("score",),
    rule=Threshold("0.5", "approve", "decline"),
)


def model(committed: bytes) -> Output:
    """A function of the committed input that nobody guesses."""
    data = hashlib.sha256(committed).digest()[:4]
    return Output("decline", (Tensor("score", DType.F32, (1,), data),))


def honest(_: Receipt, committed: bytes) -> Replayed:
    """What an honest replayer computes."""
    return Replayed(to_bytes(model(committed)), digest(Domain.TRACE, committed))


QUICK = Patience(1000, 1000, 1000, 1000, 1000)


@dataclass
class World:
    """The parties. `rings` are everybody's keys by name, made where none are given; `twins` are the organisations with
    two nodes.
    """

    folder: Path
    suite: Suite = Suite.ED25519
    panel: Sequence[str] = PANEL
    twins: Sequence[str] = ()
    quorum: int = 2
    now: int = START
    patience: Patience = QUICK
    make_docket: Callable[[Path], Docket] = FolderDocket
    rings: dict[str, KeyRing] = field(default_factory=dict)
    witnesses: int | None = None  # how many organisations witness the log; without a number there is none

    def __post_init__(self) -> None:
        names = (BANK, DOCKET, *self.panel)
        nodes = {name: (name, f"{name}, twin") if name in self.twins else (name,) for name in names}
        post_quantum = self.suite is not Suite.ED25519
        for node in (node for name in names for node in nodes[name] if node not in self.rings):
            self.rings[node] = KeyRing.generate(post_quantum=post_quantum)
        self.ledger = Ledger.of(KeyRing.generate(post_quantum=True), post_quantum=post_quantum)
        self.root = [self.rings.get(name, KeyRing.generate()).signing for name in ROOTS]
        self.roots = RootKeys(tuple(key.public for key in self.root), 2)
        roles = {BANK: OrganisationRole.OPERATOR, DOCKET: OrganisationRole.DOCKET}
        self.roster = Roster(
            name="mortgages",
            epoch=1,
            previous=None,
            valid_from=START - 1000,
            valid_until=START + 10**12,  # longer than any clock here: some tests run processes
            roots=self.roots,
            organisations=tuple(
                Organisation(
                    name,
                    roles.get(name, OrganisationRole.REPLAYER),
                    tuple(Member.of(node, self.rings[node]) for node in nodes[name]),
                )
                for name in names
            ),
            quorum=self.quorum,
            suite=self.suite,
            log=None if self.witnesses is None else self.ledger.on_roster(),
            witnesses=self.witnesses or 0,
        )
        self.roster_envelope = Envelope.sign(self.roster, self.root[:2])
        (self.folder / "docket").mkdir(parents=True, exist_ok=True)
        self.docket = self.make_docket(self.folder / "docket")
        self.keeper = self.keeper_of(DOCKET)
        self.filer_keys = self.rings.get(FILER, KeyRing.generate())

    def keeper_of(self, name: str) -> Keeper:
        """The keeper of a docket."""
        return Keeper(self.docket, self.rings[name], [self.roster], self.patience)

    def decision(self, answer: Callable[[bytes], Output] = model, income: str = "4211.50") -> DecisionFile:
        """A decision by the bank, whose answer need not be the model's."""
        committed = to_bytes(Record.of({"income": income}))
        opening = Opening(committed, new_key(), to_bytes(answer(committed)), new_key())
        receipt = Receipt(
            decision=bytes(16),
            executor=self.rings[BANK].signing.public.key_id,
            sequence=7,
            model=MANIFEST.model_id,
            execution_class=MANIFEST.execution_class,
            input=Commitment.make(Role.INPUT, opening.input, opening.input_key),
            output=Commitment.make(Role.OUTPUT, opening.output, opening.output_key),
            roster=self.roster.roster_id,
            time=self.now,
            checkpoint=None if self.witnesses is None else self.ledger.checkpoint(),
        )
        return DecisionFile(Envelope.sign(receipt, self.rings[BANK].signers), opening)

    def inclusion(self, receipt: Envelope, by: Sequence[str] = ()) -> str:
        """The proof that the bank's log holds a receipt, witnessed by these; by default the whole panel."""
        index, ledger = len(self.ledger.entries), self.ledger.with_entries(receipt)
        witnesses = [(node, self.roster.signers(self.rings[node.name])) for node in self.roster.panel()]
        chosen = [each for each in witnesses if not by or each[0].name in by]
        return ledger.prove(index, ledger.note(chosen, self.now // 1000))

    def filing(self, decision: DecisionFile, docket: str = DOCKET) -> FiledDecision:
        """A dispute of this world's filer, not filed yet; with the proof that the receipt stands in the log, if any."""
        inclusion = None if self.witnesses is None else self.inclusion(decision.receipt)
        name = self.rings[docket].signing.public.key_id
        return FiledDecision.of(decision, self.filer_keys, name, inclusion=inclusion)

    def file(self, decision: DecisionFile) -> tuple[FiledDecision, Filer]:
        """File a dispute."""
        filed = self.filing(decision)
        filer = Filer(self.docket, self.filer_keys, filed)
        filer.file()
        return filed, filer

    def node(self, name: str, replay: Replay = honest) -> Node:
        """A panel member's node."""
        return Node(self.docket, self.rings[name], [self.roster], Notebook(self.folder / name), replay)

    def nodes(self, replays: Mapping[str, Replay] | None = None) -> list[Node]:
        """All panel members' nodes; honest where the test does not say otherwise."""
        replays = replays or {}
        return [self.node(name, replays.get(name, honest)) for name in self.panel]

    def proceeding(self, filing: Digest) -> Proceeding:
        """Everything posted so far, verified."""
        return collect(self.docket, filing, [self.roster])

    def round(self, filing: Digest, filer: Filer, nodes: Sequence[Node]) -> Proceeding:
        """Everybody does what can be done now."""
        self.keeper.step(self.now)
        filer.step(self.proceeding(filing))
        for node in nodes:
            node.step(self.now)
        self.now += 1
        return self.proceeding(filing)

    def run(
        self, decision: DecisionFile, nodes: Sequence[Node], rounds: int = 6
    ) -> tuple[Proceeding, FiledDecision, Filer]:
        """File and go on until everybody has said everything."""
        filed, filer = self.file(decision)
        for _ in range(rounds):
            proceeding = self.round(filed.filing_id, filer, nodes)
        return proceeding, filed, filer

    def pack(self, proceeding: Proceeding, filed: FiledDecision, answer: bytes | None = None) -> Pack:
        """The evidence pack, with everything disclosed."""
        opening, conclusion = filed.decision.opening, conclude(proceeding)
        shown = opening.output if answer is None else answer
        agreed = conclusion.tally.answer is not None
        disclosure = Disclosure(
            Revealed(opening.input, opening.input_key),
            Revealed(opening.output, opening.output_key),
            Revealed(shown, filed.panel_key) if agreed else None,
        )
        return pack(proceeding, conclusion, rosters=[self.roster_envelope], manifest=MANIFEST, disclosure=disclosure)
