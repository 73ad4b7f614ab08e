"""A docket can delay and withhold. It cannot make a verdict, nor make two that contradict each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from reperform.consensus.conclusion import NoQuorumError, conclude
from reperform.consensus.docket import Changes, Docket, DocketError, Slot
from reperform.consensus.filer import FiledDecision, Filer
from reperform.consensus.folder import FolderDocket
from reperform.consensus.keeper import Keeper
from reperform.consensus.proceeding import Phase, Proceeding, collect, phase
from reperform.evidence.ballot import Finding, ballot_id, vote_id
from reperform.evidence.case import Case, Filing
from reperform.evidence.digest import Digest
from reperform.evidence.documents import to_bytes
from reperform.evidence.dsse import Envelope
from reperform.evidence.keyfile import KeyRing
from reperform.evidence.lists import BallotList, VoteList
from reperform.evidence.roster import Node as Member
from reperform.evidence.roster import Organisation, OrganisationRole
from reperform.evidence.tally import Verdict
from reperform.evidence.times import LATEST
from reperform.replayer.node import CLOCKS, Node
from reperform.replayer.notebook import Notebook
from reperform.tests.protocol.adversaries import Denier, TwoVotes, enrol
from reperform.tests.protocol.play import attested, documents, edited, settle, verdict_of, verified
from reperform.tests.world import BANK, DOCKET, PANEL, START, World, honest, model


def opened(world: World, nodes: Sequence[Node]) -> tuple[Digest, Proceeding]:
    """A case in which these nodes have cast their ballots, and no list was closed."""
    filed, filer = world.file(world.decision())
    world.keeper.step(world.now)
    filer.step(world.proceeding(filed.filing_id))
    for node in nodes:
        node.step(world.now)
    return filed.filing_id, world.proceeding(filed.filing_id)


def close(world: World, filing: Digest, ballots: Iterable[Digest], closed: int, signer: str = DOCKET) -> BallotList:
    """Post a list of ballots, as a docket would that holds this key."""
    ballot_list = BallotList(world.proceeding(filing).case_id, tuple(sorted(ballots)), closed)
    world.docket.post(filing, {Slot.BALLOT_LIST: Envelope.sign(ballot_list, world.rings[signer].signers)})
    return ballot_list


def close_votes(world: World, proceeding: Proceeding, votes: Iterable[Digest], closed: int) -> VoteList:
    """Post a list of votes, as a docket would that holds its key."""
    ballots = proceeding.matter().ballots.list_id
    vote_list = VoteList(proceeding.case_id, ballots, tuple(sorted(votes)), closed)
    world.docket.post(proceeding.filing_id, {Slot.VOTE_LIST: Envelope.sign(vote_list, world.rings[DOCKET].signers)})
    return vote_list


def votes_of(world: World, proceeding: Proceeding, names: Iterable[str]) -> list[Digest]:
    """How lists name the votes of these parties."""
    nodes = {world.rings[name].signing.public.key_id for name in names}
    return [vote_id(signed.envelope) for signed in proceeding.votes if signed.document.node in nodes]


def ballots_of(world: World, proceeding: Proceeding, names: Iterable[str]) -> list[Digest]:
    """How lists name the ballots of these parties."""
    nodes = {world.rings[name].signing.public.key_id for name in names}
    return [ballot_id(signed.envelope) for signed in proceeding.ballots if signed.document.node in nodes]


def test_two_cases_on_one_filing_give_no_verdict_and_no_third_case(world: World) -> None:
    filed, filer = world.file(world.decision())
    world.keeper.step(world.now)
    case = world.proceeding(filed.filing_id).case
    assert case is not None
    second = replace(case.document, challenge=bytes(32))
    world.docket.post(filed.filing_id, {Slot.CASE: Envelope.sign(second, world.rings[DOCKET].signers)})
    nodes = world.nodes()
    for _ in range(5):
        proceeding = world.round(filed.filing_id, filer, nodes)
        world.now += 1000
    assert len(world.docket.read(filed.filing_id)[Slot.CASE]) == 2
    assert proceeding.case is None
    assert any("contradict each other" in refused.cause for refused in proceeding.refused)
    with pytest.raises(NoQuorumError, match="not closed"):
        conclude(proceeding)


@pytest.mark.parametrize("listed", [PANEL[:2], PANEL[:1], ()])
def test_a_list_that_leaves_ballots_out_loses_the_votes_and_the_signatures_of_those_nodes(
    world: World, caplog: pytest.LogCaptureFixture, listed: Sequence[str]
) -> None:
    nodes = world.nodes()
    filed, filer = world.file(world.decision())
    world.keeper.step(world.now)
    filer.step(world.proceeding(filed.filing_id))
    for node in nodes:
        node.step(world.now)
    close(world, filed.filing_id, ballots_of(world, world.proceeding(filed.filing_id), listed), world.now)
    proceeding = settle(world, filed.filing_id, filer, nodes)
    assert len(world.docket.read(filed.filing_id)[Slot.BALLOT_LIST]) == 1
    assert len(proceeding.votes) == len(proceeding.attestations) == len(proceeding.summaries) == len(listed)
    left_out = [r for r in caplog.messages if "did not sign" in r and "left this node's ballot off the list" in r]
    assert len(left_out) == len(PANEL) - len(listed)  # said once, however many rounds there were
    if len(listed) == world.quorum:
        assert verified(world, proceeding, filed).verdict is Verdict.UPHELD
    else:
        assert verdict_of(proceeding) is Verdict.INCONCLUSIVE
        assert attested(proceeding) is None


def test_two_lists_of_ballots_cancel_each_other(world: World) -> None:
    nodes = world.nodes()
    filed, filer = world.file(world.decision())
    world.keeper.step(world.now)
    filer.step(world.proceeding(filed.filing_id))
    for node in nodes:
        node.step(world.now)
    proceeding = world.proceeding(filed.filing_id)
    for names in (PANEL[:2], PANEL[1:]):
        close(world, filed.filing_id, ballots_of(world, proceeding, names), world.now)
    proceeding = settle(world, filed.filing_id, filer, nodes)
    assert len(world.docket.read(filed.filing_id)[Slot.BALLOT_LIST]) == 2
    assert proceeding.release is None
    assert proceeding.votes == ()
    assert attested(proceeding) is None


class View:
    """One reader's view of a docket that shows different people different lists of ballots."""

    def __init__(self, docket: Docket, shown: Callable[[], Digest | None]) -> None:
        self._docket = docket
        self._shown = shown

    def changes(self, after: int) -> Changes:
        return self._docket.changes(after)

    def post(self, filing: Digest, said: Mapping[Slot, Envelope]) -> None:
        self._docket.post(filing, said)

    def read(self, filing: Digest) -> Mapping[Slot, tuple[Envelope, ...]]:
        found = self._docket.read(filing)
        ballots = [e for e in found[Slot.BALLOT_LIST] if e.parse(BallotList).list_id == self._shown()]
        votes = [e for e in found[Slot.VOTE_LIST] if e.parse(VoteList).ballots == self._shown()]
        return {**found, Slot.BALLOT_LIST: tuple(ballots), Slot.VOTE_LIST: tuple(votes)}


@pytest.mark.parametrize("answer", [model, edited])
@pytest.mark.parametrize("filers_list", [0, 1])
def test_different_lists_for_different_nodes_never_give_two_verdicts(
    world: World, answer: Callable[[bytes], object], filers_list: int
) -> None:
    filed, filer = world.file(world.decision(answer))  # type: ignore[arg-type]
    lists: list[Digest] = []
    shown = (0, 0, 1)  # which list each node sees
    nodes = [
        Node(
            View(world.docket, lambda which=which: lists[which] if lists else None),  # type: ignore[misc]
            world.rings[name],
            [world.roster],
            Notebook(world.folder / name),
            honest,
        )
        for name, which in zip(PANEL, shown, strict=True)
    ]
    world.keeper.step(world.now)
    filer.step(world.proceeding(filed.filing_id))
    for node in nodes:
        node.step(world.now)
    everything = ballots_of(world, world.proceeding(filed.filing_id), PANEL)
    lists += [close(world, filed.filing_id, everything, world.now + i).list_id for i in range(2)]
    views = [View(world.docket, lambda which=which: lists[which]) for which in range(2)]  # type: ignore[misc]
    for turn in range(8):
        filer.step(collect(views[filers_list], filed.filing_id, [world.roster]))
        if turn == 7:
            for view in views:
                seen = collect(view, filed.filing_id, [world.roster])
                close_votes(world, seen, [vote_id(signed.envelope) for signed in seen.votes], world.now)
        for node in nodes:
            node.step(world.now)
        world.now += 600
    verdicts = [attested(collect(view, filed.filing_id, [world.roster])) for view in views]
    truth = Verdict.UPHELD if answer is model else Verdict.REFUTED
    # Two nodes are a quorum under the first list if the filer was shown it too; one node never is.
    assert verdicts[1] not in (Verdict.UPHELD, Verdict.REFUTED)
    assert verdicts[0] is (truth if filers_list == 0 else Verdict.INCONCLUSIVE)


def test_a_list_stands_only_with_all_its_ballots(world: World) -> None:
    nodes = world.nodes()
    filing, proceeding = opened(world, nodes)
    close(world, filing, [*ballots_of(world, proceeding, PANEL), proceeding.case_id], world.now)
    before = documents(world)
    world.keeper.step(world.now)
    for node in nodes:
        node.step(world.now)
    proceeding = world.proceeding(filing)
    assert documents(world) == before
    assert proceeding.ballot_list is None
    assert any("not at hand" in refused.cause for refused in proceeding.refused)


@pytest.mark.parametrize("closed", [0, START - 1, START + 5001, LATEST])
def test_a_list_closed_outside_the_time_of_the_case_does_not_stand(world: World, closed: int) -> None:
    filing, proceeding = opened(world, world.nodes())
    close(world, filing, ballots_of(world, proceeding, PANEL), closed)
    proceeding = world.proceeding(filing)
    assert proceeding.ballot_list is None
    assert any("before the case was opened" in refused.cause for refused in proceeding.refused)


def test_a_case_and_a_list_by_anybody_else_are_refused(world: World) -> None:
    filed, _ = world.file(world.decision())
    world.keeper.step(world.now)
    case = world.proceeding(filed.filing_id).case
    assert case is not None
    for name in (BANK, PANEL[0]):
        signer = world.rings[name]
        for docket in (signer.signing.public.key_id, case.document.filing.docket):
            filing = replace(case.document.filing, docket=docket)
            forged = replace(case.document, filing=filing, challenge=bytes(32))
            world.docket.post(filed.filing_id, {Slot.CASE: Envelope.sign(forged, signer.signers)})
        close(world, filed.filing_id, (), world.now, name)
    proceeding = world.proceeding(filed.filing_id)
    assert proceeding.case is not None
    assert proceeding.case.document == case.document
    assert proceeding.ballot_list is None


def test_a_case_on_another_filing_or_roster_is_refused(world: World) -> None:
    filed, _ = world.file(world.decision(income="1"))
    other, _ = world.file(world.decision(income="2"))
    world.keeper.step(world.now)
    for envelope in world.docket.read(other.filing_id)[Slot.CASE]:
        world.docket.post(filed.filing_id, {Slot.CASE: envelope})
        elsewhere = replace(envelope.parse(Case), roster=filed.filing_id, filing=world_filing(world, filed.filing_id))
        world.docket.post(filed.filing_id, {Slot.CASE: Envelope.sign(elsewhere, world.rings[DOCKET].signers)})
    proceeding = world.proceeding(filed.filing_id)
    assert proceeding.case is not None
    causes = " ".join(refused.cause for refused in proceeding.refused)
    assert "it was opened on another filing" in causes
    assert "the case names another roster" in causes


def world_filing(world: World, filing: Digest) -> Filing:
    """The filing of this name."""
    return world.proceeding(filing).filing.document


def with_second_docket(tmp_path: Path) -> World:
    """A world with two dockets on its roster."""
    world = World(tmp_path)
    world.rings["Second Office"] = KeyRing.generate()
    second = Organisation(
        "Second Office", OrganisationRole.DOCKET, (Member.of("Second Office", world.rings["Second Office"]),)
    )
    world.roster = replace(world.roster, organisations=(*world.roster.organisations, second))
    world.roster_envelope = Envelope.sign(world.roster, world.root[:2])
    world.keeper = world.keeper_of(DOCKET)
    return world


def test_a_docket_leaves_the_cases_of_another_docket_alone(tmp_path: Path) -> None:
    world = with_second_docket(tmp_path)
    filed, filer = world.file(world.decision())
    nodes = [world.node(name) for name in PANEL[:2]]  # so that the list is closed by its deadline
    second = world.keeper_of("Second Office")
    for _ in range(8):
        second_refused = second.step(world.now) if world.proceeding(filed.filing_id).case is not None else ()
        proceeding = world.round(filed.filing_id, filer, nodes)
        world.now += 700
        assert second_refused == ()
    assert len(world.docket.read(filed.filing_id)[Slot.CASE]) == 1
    assert len(world.docket.read(filed.filing_id)[Slot.BALLOT_LIST]) == 1
    assert verified(world, proceeding, filed).verdict is Verdict.UPHELD


def test_a_case_that_another_docket_of_the_roster_opens_on_a_filing_is_nothing(tmp_path: Path) -> None:
    """Before filings named their docket, two valid cases contradicted each other, and neither stood."""
    world = with_second_docket(tmp_path)
    filed, filer = world.file(world.decision())
    first = world.rings[DOCKET].signing.public.key_id
    for moment in range(2):  # before and after the first has opened its own
        if moment:
            world.keeper.step(world.now)
        for docket in (first, world.rings["Second Office"].signing.public.key_id):
            filing = replace(filed.filing.parse(Filing), docket=docket)
            case = Case(filing, world.roster.roster_id, bytes(32), world.now, world.patience.deadlines(world.now))
            signed = Envelope.sign(case, world.rings["Second Office"].signers)
            world.docket.post(filed.filing_id, {Slot.CASE: signed})
    proceeding = settle(world, filed.filing_id, filer, world.nodes())
    assert {refused.slot for refused in proceeding.refused} == {Slot.CASE}
    assert verified(world, proceeding, filed).verdict is Verdict.UPHELD


def voted(world: World, nodes: Sequence[Node], *, silent: int = 0) -> tuple[FiledDecision, Filer, Proceeding]:
    """A case in which all have committed, all but the last `silent` have voted, and those have seen it in time."""
    filed, filer = world.file(world.decision())
    world.round(filed.filing_id, filer, nodes)
    world.round(filed.filing_id, filer, nodes[: len(nodes) - silent])
    for _ in range(2):
        for node in nodes[: len(nodes) - silent]:
            node.step(world.now)
    proceeding = world.proceeding(filed.filing_id)
    assert len({signed.document.node for signed in proceeding.votes}) == len(nodes) - silent
    assert proceeding.vote_list is None
    return filed, filer, proceeding


def after_the_votes(proceeding: Proceeding) -> int:
    """The first moment after the votes' deadline."""
    assert proceeding.case is not None
    return proceeding.case.document.deadlines.votes + 1


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("dropped", PANEL)
def test_a_docket_that_leaves_out_a_vote_gets_no_signature_from_whoever_saw_it(
    world: World, caplog: pytest.LogCaptureFixture, dropped: str, restarted: bool
) -> None:
    nodes = world.nodes()
    filed, filer, proceeding = voted(world, nodes)
    world.now = after_the_votes(proceeding)
    kept = [name for name in PANEL if name != dropped]
    close_votes(world, proceeding, votes_of(world, proceeding, kept), world.now)
    if restarted:
        nodes = world.nodes()
    proceeding = settle(world, filed.filing_id, filer, nodes)
    assert proceeding.vote_list is not None
    assert proceeding.attestations == proceeding.summaries == ()
    assert attested(proceeding) is None
    refusals = [m for m in caplog.messages if "did not sign" in m]
    assert len([m for m in refusals if "left this node's vote off the list" in m]) == 1
    assert len([m for m in refusals if "left out a vote that was here in time" in m]) == 2


def test_a_mismatch_that_a_docket_drops_after_everybody_saw_it_cannot_be_outvoted(world: World) -> None:
    nodes = [enrol(world, name, cls) for name, cls in zip(PANEL, (Node, Node, Denier), strict=True)]
    filed, filer, proceeding = voted(world, nodes)
    world.now = after_the_votes(proceeding)
    close_votes(world, proceeding, votes_of(world, proceeding, PANEL[:2]), world.now)
    proceeding = settle(world, filed.filing_id, filer, nodes)
    assert verdict_of(proceeding) is Verdict.UPHELD  # that is what the docket's list says
    assert attested(proceeding) is None  # and nobody signs it


def test_a_vote_that_nobody_saw_in_time_stops_nobody(world: World) -> None:
    """A docket that hides a vote from everybody is a docket to which it was never sent: docs/threat-model.md."""
    nodes = world.nodes()
    filed, filer, proceeding = voted(world, nodes, silent=1)
    world.now = after_the_votes(proceeding) - CLOCKS
    nodes[2].step(world.now)  # too close to the deadline for the others to be sure that the docket has it
    for node in nodes[:2]:
        node.step(world.now)
    proceeding = world.proceeding(filed.filing_id)
    assert len(proceeding.votes) == 3
    world.now = after_the_votes(proceeding)
    close_votes(world, proceeding, votes_of(world, proceeding, PANEL[:2]), world.now)
    proceeding = settle(world, filed.filing_id, filer, nodes)
    shown = verified(world, proceeding, filed)
    assert (shown.verdict, shown.signed_by, shown.silent) == (Verdict.UPHELD, PANEL[:2], PANEL[2:])


def test_a_list_closed_before_the_deadline_over_some_votes_does_not_stand(world: World) -> None:
    nodes = world.nodes()
    filed, filer, proceeding = voted(world, nodes)
    close_votes(world, proceeding, votes_of(world, proceeding, PANEL[:2]), world.now)
    proceeding = settle(world, filed.filing_id, filer, nodes)
    assert proceeding.vote_list is None
    assert any("had time to vote" in refused.cause for refused in proceeding.refused)
    assert attested(proceeding) is None


def test_a_list_from_a_clock_that_is_ahead_is_signed_by_nobody_before_the_deadline(world: World) -> None:
    """Or a docket could date a list forward, and have it signed before a dissent arrives."""
    nodes = world.nodes()
    filed, _, proceeding = voted(world, nodes, silent=1)
    ahead = after_the_votes(proceeding)
    close_votes(world, proceeding, votes_of(world, proceeding, PANEL[:2]), ahead)
    for node in nodes[:2]:
        node.step(world.now)
    proceeding = world.proceeding(filed.filing_id)
    assert phase(proceeding, world.now) is Phase.ATTESTING
    assert proceeding.attestations == ()
    world.now = ahead
    for node in nodes[:2]:
        node.step(world.now)
    assert attested(world.proceeding(filed.filing_id)) is Verdict.UPHELD


def test_two_lists_of_votes_cancel_each_other(world: World) -> None:
    nodes = world.nodes()
    filed, filer, proceeding = voted(world, nodes)
    world.now = after_the_votes(proceeding)
    for names in (PANEL, PANEL[1:]):
        close_votes(world, proceeding, votes_of(world, proceeding, names), world.now)
    proceeding = settle(world, filed.filing_id, filer, nodes)
    assert proceeding.vote_list is None
    assert any("contradict each other" in refused.cause for refused in proceeding.refused)
    assert attested(proceeding) is None


def test_a_list_stands_only_with_all_its_votes(world: World) -> None:
    nodes = world.nodes()
    filed, _, proceeding = voted(world, nodes)
    world.now = after_the_votes(proceeding)
    close_votes(world, proceeding, [*votes_of(world, proceeding, PANEL), proceeding.case_id], world.now)
    before = documents(world)
    world.keeper.step(world.now)
    for node in nodes:
        node.step(world.now)
    proceeding = world.proceeding(filed.filing_id)
    assert documents(world) == before
    assert proceeding.vote_list is None
    assert any("not at hand" in refused.cause for refused in proceeding.refused)


def test_a_docket_that_drops_a_vote_of_two_gets_no_more_than_its_author_could_have_said(world: World) -> None:
    """Who votes twice is on the list with one vote: as if it had voted once."""
    nodes = [enrol(world, name, cls) for name, cls in zip(PANEL, (Node, Node, TwoVotes), strict=True)]
    filed, filer, proceeding = voted(world, nodes)
    match = [s.envelope for s in proceeding.votes if s.document.finding is Finding.MATCH]
    assert (len(proceeding.votes), len(match)) == (4, 3)
    world.now = after_the_votes(proceeding)
    close_votes(world, proceeding, [vote_id(envelope) for envelope in match], world.now)
    assert attested(settle(world, filed.filing_id, filer, nodes)) is Verdict.UPHELD


def test_a_docket_of_a_new_roster_does_not_sign_under_an_old_one(world: World) -> None:
    first = world.roster
    world.rings["New Office"] = KeyRing.generate()
    office = Organisation("New Office", OrganisationRole.DOCKET, (Member.of("New Office", world.rings["New Office"]),))
    others = tuple(o for o in first.organisations if o.role is not OrganisationRole.DOCKET)
    second = replace(first, epoch=2, previous=first.roster_id, organisations=(*others, office))
    keeper = Keeper(world.docket, world.rings["New Office"], [first, second], world.patience)
    filed = world.filing(world.decision(), "New Office")
    Filer(world.docket, world.filer_keys, filed).file()
    ((_, cause),) = keeper.step(world.now)
    assert "not on epoch 1" in cause
    assert world.docket.read(filed.filing_id)[Slot.CASE] == ()


def test_a_docket_whose_clock_is_set_back_waits(world: World) -> None:
    filing, _ = opened(world, world.nodes())
    assert world.keeper.step(START - 5000) == ()
    assert world.docket.read(filing)[Slot.BALLOT_LIST] == ()
    assert world.keeper.step(START + 10) == ()
    assert world.proceeding(filing).ballot_list is not None


def test_a_docket_that_vanishes_is_an_error_with_a_next_step(world: World) -> None:
    gone = FolderDocket(world.folder / "gone")
    node = Node(gone, world.rings[PANEL[0]], [world.roster], Notebook(world.folder / "n"), honest)
    keeper = Keeper(gone, world.rings[DOCKET], [world.roster], world.patience)
    for party in (node, keeper):
        with pytest.raises(DocketError, match=r"there is no docket at .*; create the folder, or name the right one"):
            party.step(world.now)


def test_a_docket_that_hides_a_mismatch_still_cannot_uphold_a_false_answer(world: World) -> None:
    """Two honest MISMATCHes hidden, one shown: no quorum, so no verdict."""
    filed, filer = world.file(world.decision(edited))
    for _ in range(6):
        proceeding = world.round(filed.filing_id, filer, world.nodes())
    for kept in proceeding.votes:
        shown = replace(proceeding, votes=(kept,))
        assert verdict_of(shown) is Verdict.INCONCLUSIVE
        assert attested(shown) is None
    assert attested(replace(proceeding, votes=proceeding.votes[:2])) is Verdict.REFUTED


def test_a_closed_case_stays_closed(world: World) -> None:
    filing, proceeding = opened(world, world.nodes())
    assert proceeding.case is not None
    world.now = proceeding.case.document.deadlines.attestation + 1
    before = documents(world)
    assert phase(proceeding, world.now) is Phase.CLOSED
    assert world.keeper.step(world.now) == ()
    for node in world.nodes():
        assert node.step(world.now) == ()
    assert documents(world) == before
    assert to_bytes(world.proceeding(filing).filing.envelope) == to_bytes(proceeding.filing.envelope)


class Counting:
    """A docket that counts how often each filing is read."""

    def __init__(self, docket: Docket) -> None:
        self._docket = docket
        self.reads: Counter[Digest] = Counter()

    def changes(self, after: int) -> Changes:
        return self._docket.changes(after)

    def post(self, filing: Digest, said: Mapping[Slot, Envelope]) -> None:
        self._docket.post(filing, said)

    def read(self, filing: Digest) -> Mapping[Slot, tuple[Envelope, ...]]:
        self.reads[filing] += 1
        return self._docket.read(filing)


def test_a_case_that_is_over_is_not_read_again_unless_a_clock_was_ahead(world: World) -> None:
    filing, proceeding = opened(world, ())
    assert proceeding.case is not None
    end = proceeding.case.document.deadlines.attestation
    docket = Counting(world.docket)
    node = Node(docket, world.rings[PANEL[0]], [world.roster], Notebook(world.folder / "n"), honest)
    keeper = Keeper(docket, world.rings[DOCKET], [world.roster], world.patience)
    for party in (node, keeper):
        docket.reads.clear()
        for moment in (end + 1, end + 2, end + 1000):
            assert party.step(moment) == ()
        assert docket.reads[filing] == 1
        assert party.step(end) == ()  # the clock was ahead: the case is not over after all
        assert docket.reads[filing] == 2
    other, _ = world.file(world.decision(income="2"))
    keeper.step(end + 2000)
    keeper.step(end + 2001)
    assert docket.reads == {filing: 2, other.filing_id: 2}
