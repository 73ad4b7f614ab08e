"""A node as it is run: it learns epochs from a docket that may lie, works, and notes what it does."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from reperform.consensus.agenda import RETRY
from reperform.consensus.docket import DocketError
from reperform.consensus.keeper import Patience
from reperform.consensus.proceeding import Phase
from reperform.evidence.ballot import Finding, Reason
from reperform.evidence.digest import Domain, digest
from reperform.evidence.dsse import Envelope
from reperform.evidence.enrolment import Enrolment
from reperform.evidence.keyfile import KeyRing
from reperform.evidence.manifest import ExecutionClass
from reperform.evidence.roster import OrganisationRole, RosterRefusedError
from reperform.evidence.succession import Draft
from reperform.evidence.tally import Verdict
from reperform.executor.shards import WEIGHTS
from reperform.replayer.database import Database
from reperform.replayer.duty import Work
from reperform.replayer.epochs import Epochs
from reperform.replayer.library import Library
from reperform.replayer.notebook import Notebook
from reperform.replayer.register import Contact, Models, Register
from reperform.replayer.source import Source
from reperform.replayer.station import ASK_EVERY, Station
from reperform.tests.docket.test_client import answering
from reperform.tests.node.decisions import decided, naming
from reperform.tests.node.models import flipped, read, serve
from reperform.tests.protocol.play import verdict_of
from reperform.tests.world import BANK, PANEL, World

NAME = PANEL[0]


@dataclass
class Office:
    """A station in a world, and what its docket says about the roster."""

    world: World
    library: Library = field(default_factory=lambda: Library([]))
    says: Callable[[], Sequence[Envelope]] | None = None
    keys: Sequence[str] = (NAME,)

    def __post_init__(self) -> None:
        self.folder = self.world.folder / "office"
        self.register = Register(Database(self.folder))

    def open(self) -> Station:
        """The station, as after a restart."""
        return Station(
            self.world.docket,
            [self.world.rings[name] for name in self.keys],
            self.library,
            epochs=Epochs(Database(self.folder), self.world.roots),
            notebook=Notebook(self.folder),
            register=Register(Database(self.folder)),
            shown=self.says or (lambda: [self.world.roster_envelope]),
        )


def silence() -> Sequence[Envelope]:
    raise DocketError("the docket does not answer")


def test_a_node_without_a_roster_does_not_start_and_one_that_knows_it_does(world: World) -> None:
    office = Office(world, says=silence)
    with pytest.raises(RosterRefusedError, match="no roster is known here; see that the docket answers"):
        office.open().start(world.now)
    office.says = None
    office.open().start(world.now)
    office.says = silence
    office.open().start(world.now)


@pytest.mark.parametrize("key", [BANK, "a stranger"])
def test_who_is_no_replayer_on_the_roster_does_not_start(key: str, world: World) -> None:
    world.rings["a stranger"] = KeyRing.generate()
    with pytest.raises(RosterRefusedError, match=r"role is operator, not replayer|is not on epoch 1"):
        Office(world, keys=[key]).open().start(world.now)


def test_a_docket_that_takes_back_an_epoch_is_told_once_and_does_not_stop_the_work(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    second = replace(world.roster, epoch=2, previous=world.roster.roster_id, valid_until=world.roster.valid_until + 1)
    chain = [world.roster_envelope, Envelope.sign(second, world.root[:2])]
    shown = [chain]
    office = Office(world, says=lambda: shown[0])
    station = office.open()
    station.start(world.now)
    shown[0] = chain[:1]
    filed, filer = world.file(world.decision())
    for _ in range(5):
        world.round(filed.filing_id, filer, [])
        world.now += ASK_EVERY // 100
        station._ask = 0
        assert station.step(world.now) == ()
    assert [e.document.epoch for e in Epochs(Database(office.folder), world.roots).known()] == [1, 2]
    told = [record.message for record in caplog.records if "epoch 1 of the roster is shown" in record.message]
    assert len(told) == 1
    assert world.proceeding(filed.filing_id).ballots


def test_a_node_with_new_keys_begins_with_them_when_their_epoch_is_published_and_keeps_the_old(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.rings["new"] = KeyRing.generate()
    request = Enrolment.of(
        world.rings["new"],
        organisation=NAME,
        role=OrganisationRole.REPLAYER,
        node=NAME,
        replacing=world.rings[NAME],
    )
    second = Draft.after(world.roster, world.now).rotate(request, lost=False).roster
    shown = [world.roster_envelope]
    station = Office(world, keys=["new", NAME], says=lambda: shown).open()
    station.start(world.now)
    assert "is not on epoch 1" in caplog.text
    filed, filer = world.file(world.decision())
    shown.append(Envelope.sign(second, world.root[:2]))
    station._ask = 0
    for _ in range(3):
        station.step(world.now)
        world.round(filed.filing_id, filer, [])
    (ballot,) = world.proceeding(filed.filing_id).ballots
    assert ballot.document.node == world.rings[NAME].signing.public.key_id
    assert len(station._nodes) == 2


def test_a_later_epoch_is_learnt_while_the_node_runs(world: World) -> None:
    chain = [world.roster_envelope]
    office = Office(world, says=lambda: chain)
    station = office.open()
    station.start(world.now)
    second = replace(world.roster, epoch=2, previous=world.roster.roster_id, valid_until=world.roster.valid_until + 1)
    chain.append(Envelope.sign(second, world.root[:2]))
    station.step(world.now)
    known = Epochs(Database(office.folder), world.roots)
    assert len(known.known()) == 1
    station.step(world.now + ASK_EVERY)
    assert len(known.known()) == 2


def test_a_case_that_begins_under_an_expired_roster_is_finished(world: World, caplog: pytest.LogCaptureFixture) -> None:
    office = Office(world)
    station = office.open()
    station.start(world.roster.valid_until + 1)
    station.step(world.roster.valid_until + 1)
    assert "has expired" in caplog.text


def test_a_decision_of_another_execution_class_is_indeterminate_with_its_reason(world: World, pinned: Path) -> None:
    model, _ = read(pinned)
    station = Office(world, Library([pinned])).open()
    filed, filer = world.file(naming(world, model, ExecutionClass.PINNED))
    others = [world.node(name) for name in PANEL[1:]]
    for _ in range(4):
        world.round(filed.filing_id, filer, others)
        assert station.step(world.now) == ()
    mine = world.rings[NAME].signing.public.key_id
    votes = world.proceeding(filed.filing_id).votes
    (vote,) = (signed.document for signed in votes if signed.document.node == mine)
    assert (vote.finding, vote.reason) == (Finding.INDETERMINATE, Reason.EXECUTION_CLASS)
    assert vote.result.answer is None


@pytest.mark.parametrize("good", [True, False])
def test_a_model_that_a_case_names_is_fetched_before_the_ballot(good: bool, tmp_path: Path, pinned: Path) -> None:
    world = World(tmp_path, patience=Patience(*[10**7] * 5))
    _, files = read(pinned)
    answer = serve(files if good else files | {WEIGHTS: flipped(files[WEIGHTS])})
    with answering(answer) as (url, _):
        station = Office(world, Library([], Source(url, tmp_path / "models"))).open()
        filed, filer = world.file(decided(world, pinned))
        for _ in range(200):
            proceeding = world.round(filed.filing_id, filer, [])
            station.step(world.now)
            world.now += RETRY
            if proceeding.ballots:
                break
            time.sleep(0.02)
    page = Notebook(tmp_path / "office").read(proceeding.case_id)
    assert page is not None
    assert page.reason is (None if good else Reason.MODEL)
    assert (page.result.answer is not None) is good


def test_what_a_node_does_is_noted_for_those_who_run_it(world: World) -> None:
    office = Office(world)
    world.rings.setdefault(NAME, KeyRing.generate())
    station, register = office.open(), office.register
    station.start(world.now)
    assert register.phases(world.now) == {}
    filed, filer = world.file(naming(world, digest(Domain.MANIFEST, b"unknown")))
    world.keeper.step(world.now)
    station.step(world.now)
    assert register.phases(world.now) == {Phase.OPENED: 1}
    assert register.duties(world.now) == []
    filer.step(world.proceeding(filed.filing_id))
    station.step(world.now)
    ((name, duty),) = register.duties(world.now)
    case = world.proceeding(filed.filing_id).case
    assert case is not None
    assert (name, duty.work, duty.due) == (filed.filing_id, Work.BALLOT, case.document.deadlines.ballots)
    station.step(world.now)
    assert register.duties(world.now) == []
    assert register.phases(world.now) == {Phase.COMMITTING: 1}
    over = case.document.deadlines.attestation + 1
    assert register.phases(over) == {Phase.CLOSED: 1}
    assert register.fact(Contact) == Contact(world.now)
    assert register.fact(Models) == Models(())


def test_a_station_that_starts_anew_in_every_round_says_every_word_once(world: World, pinned: Path) -> None:
    office = Office(world, Library([pinned]))
    decision = decided(world, pinned)
    filed, filer = world.file(decision)
    stations = []
    for name in PANEL:
        each = Office(world, office.library, keys=[name])
        each.folder = world.folder / f"office of {name}"
        stations.append(each)

    for _ in range(8):
        world.keeper.step(world.now)
        filer.step(world.proceeding(filed.filing_id))
        for each in stations:
            each.open().step(world.now)
        world.now += 1
    proceeding = world.proceeding(filed.filing_id)
    assert verdict_of(proceeding) is Verdict.UPHELD
    assert (len(proceeding.ballots), len(proceeding.votes)) == (3, 3)
    assert len(proceeding.attestations) == 3
    assert proceeding.refused == ()
