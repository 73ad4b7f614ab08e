"""Rosters change while cases are open: each is judged to its end under the roster that its receipt names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from reperform.consensus.docket import Slot
from reperform.consensus.filer import FiledDecision, Filer
from reperform.consensus.keeper import Keeper
from reperform.consensus.proceeding import Proceeding, collect
from reperform.evidence.digest import Digest
from reperform.evidence.documents import to_bytes
from reperform.evidence.dsse import Envelope
from reperform.evidence.encoding import MalformedError
from reperform.evidence.enrolment import Enrolment
from reperform.evidence.keyfile import KeyRing
from reperform.evidence.receipt import DecisionFile
from reperform.evidence.roster import OrganisationRole, Roster, RosterRefusedError, open_rosters
from reperform.evidence.succession import Draft
from reperform.evidence.tally import Verdict
from reperform.evidence.verify import VerificationError, verify
from reperform.replayer.node import Node
from reperform.replayer.notebook import Notebook
from reperform.tests.protocol.play import attested, verdict_of
from reperform.tests.world import DOCKET, PANEL, World, honest

AUDIT, UNION, AUTHORITY = PANEL
NEW = f"{AUDIT}, new keys"


@dataclass
class Story:
    """A world whose first panel member gets other keys with the second epoch."""

    world: World
    first: Roster
    second: Roster

    @property
    def rosters(self) -> list[Roster]:
        return [self.first, self.second]

    def nodes(self, *names: str) -> list[Node]:
        """Nodes that know both epochs. One organisation's keys of both epochs share its notebook."""
        return [
            Node(self.world.docket, self.world.rings[name], self.rosters, self.notebook(name.partition(",")[0]), honest)
            for name in names
        ]

    def notebook(self, name: str) -> Notebook:
        return Notebook(self.world.folder / name)

    def keeper(self, name: str = DOCKET) -> Keeper:
        return Keeper(self.world.docket, self.world.rings[name], self.rosters, self.world.patience)

    def decide(self, roster: Roster, income: str) -> DecisionFile:
        """A decision whose receipt names this epoch."""
        self.world.roster = roster
        return self.world.decision(income=income)

    def play(self, filings: Iterable[tuple[FiledDecision, Filer]], nodes: list[Node], keepers: list[Keeper]) -> None:
        for _ in range(5):
            for keeper in keepers:
                keeper.step(self.world.now)
            for filed, filer in filings:
                filer.step(self.proceeding(filed))
            for node in nodes:
                assert node.step(self.world.now) == ()
            self.world.now += 1

    def proceeding(self, filed: FiledDecision) -> Proceeding:
        return collect(self.world.docket, filed.filing_id, self.rosters)

    def key(self, name: str) -> Digest:
        return self.world.rings[name].signing.public.key_id


def voters(proceeding: Proceeding) -> set[Digest]:
    return {signed.document.node for signed in proceeding.listed_votes()}


def _rotation(world: World) -> Envelope:
    new, old = world.rings[NEW], world.rings[AUDIT]
    return Enrolment.of(new, organisation=AUDIT, role=OrganisationRole.REPLAYER, node=AUDIT, replacing=old)


@pytest.fixture
def story(tmp_path: Path) -> Story:
    world = World(tmp_path)
    first = world.roster
    world.rings[NEW] = KeyRing.generate()
    draft = Draft.after(first, world.now).rotate(_rotation(world), lost=False)
    chain = [world.roster_envelope, Envelope.sign(draft.roster, world.root[1:])]
    return Story(world, first, open_rosters(chain, world.roots)[-1].document)


@pytest.mark.parametrize("begun", [0, 1, 2, 3])
def test_a_node_finishes_its_cases_with_the_old_keys_and_takes_new_ones_with_the_new(story: Story, begun: int) -> None:
    """The epoch begins before the old case is opened, and after each step of it."""
    world = story.world
    old = world.file(story.decide(story.first, "1"))
    before = [world.node(name) for name in PANEL]
    for _ in range(begun):
        world.round(old[0].filing_id, old[1], before)
    new = world.file(story.decide(story.second, "2"))
    nodes = story.nodes(AUDIT, NEW, UNION, AUTHORITY)
    story.play([old, new], nodes, [story.keeper()])
    for (filed, _), mine in ((old, AUDIT), (new, NEW)):
        proceeding = story.proceeding(filed)
        assert voters(proceeding) == {story.key(mine), story.key(UNION), story.key(AUTHORITY)}
        assert proceeding.refused == ()
        assert attested(proceeding) is Verdict.UPHELD
    assert story.proceeding(old[0]).roster is story.first


def test_neither_key_is_heard_in_the_others_cases(story: Story) -> None:
    """The owner of both, or whoever found the old one, does not vote twice."""
    world = story.world
    filed, filer = world.file(story.decide(story.second, "2"))
    story.play([(filed, filer)], story.nodes(AUDIT, NEW, UNION, AUTHORITY), [story.keeper()])
    proceeding = story.proceeding(filed)
    ballot = replace(proceeding.ballots[0].document, node=story.key(AUDIT))
    world.docket.post(filed.filing_id, {Slot.BALLOT: Envelope.sign(ballot, world.rings[AUDIT].signers)})
    again = story.proceeding(filed)
    assert again.ballots == proceeding.ballots
    assert ["is not on epoch 2" in refused.cause for refused in again.refused] == [True]


def test_a_docket_with_new_keys_finishes_what_was_filed_with_the_old(story: Story) -> None:
    world = story.world
    other = f"{DOCKET}, new keys"
    world.rings[other] = KeyRing.generate()
    request = Enrolment.of(
        world.rings[other],
        organisation=DOCKET,
        role=OrganisationRole.DOCKET,
        node=DOCKET,
        replacing=world.rings[DOCKET],
    )
    story.second = Draft.after(story.first, world.now).rotate(request, lost=False).roster
    old = world.file(story.decide(story.first, "1"))
    new = world.filing(story.decide(story.second, "2"), other)
    filer = Filer(world.docket, world.filer_keys, new)
    filer.file()
    story.play([old, (new, filer)], story.nodes(*PANEL), [story.keeper(), story.keeper(other)])
    for filed in (old[0], new):
        assert verdict_of(story.proceeding(filed)) is Verdict.UPHELD


def test_keys_that_stand_on_no_epoch_do_not_start(story: Story) -> None:
    story.world.rings["nobody"] = KeyRing.generate()
    for party in (story.nodes, story.keeper):
        with pytest.raises(RosterRefusedError, match="is not on epoch 2"):
            party("nobody")


# A roster that expires.


def test_what_was_decided_while_a_roster_was_in_force_is_judged_after_it_expired(story: Story) -> None:
    """Filed before or after: it is the decision that must be in time."""
    world, nodes = story.world, [story.world.node(name) for name in PANEL]
    world.now = story.first.valid_until
    filed = [world.file(story.decide(story.first, "1"))]
    last = story.decide(story.first, "2")
    world.round(filed[0][0].filing_id, filed[0][1], nodes)
    filed.append(world.file(last))
    story.play(filed, nodes, [world.keeper])
    assert world.now > story.first.valid_until
    for each, _ in filed:
        assert attested(story.proceeding(each)) is Verdict.UPHELD


def test_nobody_votes_on_what_was_decided_after_a_roster_expired(story: Story) -> None:
    world, node = story.world, story.world.node(AUDIT)
    world.now = story.first.valid_until + 1
    filed, _ = world.file(story.decide(story.first, "1"))
    for party in (world.keeper, node):
        ((_, cause),) = party.step(world.now)
        assert "epoch 1 of roster 'mortgages' has expired" in cause
    assert world.docket.read(filed.filing_id)[Slot.CASE] == ()
    with pytest.raises(MalformedError, match="has expired; get the current epoch"):
        story.proceeding(filed)


# A key that is revoked.


def after_revocation(story: Story) -> list[Roster]:
    """The epochs from which everybody knows that Audit House's first key is in other hands."""
    draft = Draft.after(story.first, story.world.now).rotate(_rotation(story.world), lost=False)
    story.second = draft.revoke(story.key(AUDIT), 40).roster
    return story.rosters


@pytest.mark.parametrize("begun", [0, 1, 2])
def test_a_revoked_key_has_no_say_in_cases_of_the_epoch_that_it_is_on(story: Story, begun: int) -> None:
    """The others are enough; it is shown no opening, and nobody waits for it."""
    world = story.world
    filed = world.file(story.decide(story.first, "1"))
    before = [world.node(AUDIT)]  # whoever holds the key now does not care
    for _ in range(begun):
        world.round(filed[0].filing_id, filed[1], before)
    after_revocation(story)
    nodes = story.nodes(AUDIT, UNION, AUTHORITY)
    story.play([filed], nodes, [story.keeper()])
    proceeding = story.proceeding(filed[0])
    assert voters(proceeding) == {story.key(UNION), story.key(AUTHORITY)}
    assert attested(proceeding) is Verdict.UPHELD
    assert all("is revoked from entry 40 of the log on" in refused.cause for refused in proceeding.refused)
    assert len(proceeding.refused) == (begun > 0)  # the ballot that was cast before
    if begun == 0:
        openings = proceeding.openings
        assert openings is not None
        assert {sealed.recipient for sealed in openings.document.sealed} == voters(proceeding)


def test_a_verdict_that_rests_on_a_revoked_key_does_not_verify_beside_its_revocation(story: Story) -> None:
    world = story.world
    filed, filer = world.file(story.decide(story.first, "1"))
    for _ in range(6):
        proceeding = world.round(filed.filing_id, filer, [world.node(name) for name in PANEL])
    pack = world.pack(proceeding, filed)
    assert verify(to_bytes(pack), world.roots).verdict is Verdict.UPHELD
    second = Envelope.sign(after_revocation(story)[1], world.root[:2])
    with pytest.raises(VerificationError, match=r"step 9, the votes: .* is revoked from entry 40"):
        verify(to_bytes(replace(pack, rosters=(*pack.rosters, second))), world.roots)


def test_only_votes_are_revoked(story: Story) -> None:
    with pytest.raises(RosterRefusedError, match="'Docket Office' does not vote"):
        Draft.after(story.first, 0).revoke(story.key(DOCKET), 0)
