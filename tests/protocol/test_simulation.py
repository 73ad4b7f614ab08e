"""Random schedules: whatever the order, and whoever cheats below the quorum, no wrong verdict comes out.

Every schedule follows from its number. `REPERFORM_SCHEDULES=10000 pytest tests/protocol/test_simulation.py`
plays as many; a failure names the number, and `REPERFORM_FIRST_SCHEDULE` starts there.

What must hold, in this order of importance:

1. Nobody, whatever they see, is shown a quorum's signatures under a wrong verdict.
2. No node signs over a list that leaves out somebody whose vote it was shown in time.
3. With an honest docket and an honest quorum that acts in time, a quorum signs; and the truth, where no vote
   contradicts it and the filer does its part.
4. Nobody honest is ever proved to be at fault, and whoever contradicts itself is.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from random import Random
from typing import Final

import pytest
from reperform.consensus.agenda import RETRY
from reperform.consensus.docket import DocketError, Slot
from reperform.consensus.filer import Filer
from reperform.consensus.keeper import Keeper, Patience
from reperform.consensus.proceeding import Phase, Proceeding, assemble, collect, phase
from reperform.evidence.ballot import Ballot, Vote, ballot_id, vote_id
from reperform.evidence.digest import Digest
from reperform.evidence.documents import from_bytes
from reperform.evidence.dsse import Envelope, payload_type
from reperform.evidence.errors import ReperformError
from reperform.evidence.faults import Fault, faults
from reperform.evidence.keyfile import KeyRing
from reperform.evidence.lists import BallotList, VoteList
from reperform.evidence.tally import Verdict
from reperform.evidence.values import Output
from reperform.replayer.node import CLOCKS, Node
from reperform.replayer.notebook import Page
from reperform.replayer.replay import Replay
from reperform.tests.protocol.adversaries import (
    NAMED,
    Absent,
    Agreeable,
    Copycat,
    Denier,
    HalfSigner,
    LastWord,
    NeverReveals,
    NoBallot,
    SecondThoughts,
    TwoBallots,
    TwoVotes,
    YesterdaysVotes,
    dawdler,
    elsewhere,
    enrol,
    forged_vote,
    guess,
    lucky,
)
from reperform.tests.protocol.dishonest_keepers import CROOKS, Crook
from reperform.tests.protocol.lying_filers import (
    JunkRelease,
    Liar,
    NoOpenings,
    NoRelease,
    WrongInput,
    WrongOutputKey,
    WrongPanelKey,
    liar,
)
from reperform.tests.protocol.network import Hub, Link, Memory, Posted
from reperform.tests.protocol.play import another_model, attested, edited, next_deadline, verified
from reperform.tests.protocol.remembered import remembering
from reperform.tests.world import BANK, DOCKET, FILER, ROOTS, World, honest, model

SCHEDULES: Final = int(os.environ.get("REPERFORM_SCHEDULES", "200"))
FIRST: Final = int(os.environ.get("REPERFORM_FIRST_SCHEDULE", "0"))
CHUNKS: Final = min(SCHEDULES, 20)  # tests that workers can share among them
SIZES: Final = (3, 3, 3, 3, 3, 3, 5, 5, 5, 7)  # organisations
MAX_ROUNDS: Final = 200
SKEW: Final = CLOCKS // 2 - 1  # how far a clock may be off, so that no two differ by more than the protocol allows
LAG: Final = 200  # milliseconds until a document is everywhere, in a calm schedule
# Where time goes when nothing else happens: around the next deadline.
AROUND: Final = (-CLOCKS - 60, -CLOCKS // 2, 0, 1, 1, CLOCKS)


@dataclass(frozen=True)
class Character:
    """A way to cheat, and the verdicts that its votes may contradict."""

    cls: type[Node]
    replay: Replay
    contradicts: tuple[Verdict, ...] = ()


UPHELD, REFUTED = Verdict.UPHELD, Verdict.REFUTED
CHARACTERS: Final = (
    Character(Agreeable, guess, (REFUTED,)),
    Character(Agreeable, honest, (REFUTED,)),
    Character(Node, guess, (UPHELD, REFUTED)),
    Character(Denier, honest, (UPHELD,)),
    Character(Denier, guess, (UPHELD, REFUTED)),
    Character(Node, lucky),
    Character(Copycat, honest),
    Character(TwoVotes, lucky, (UPHELD, REFUTED)),
    Character(TwoBallots, honest),
    Character(NoBallot, honest),
    Character(NeverReveals, guess),
    Character(Absent, honest),
    Character(HalfSigner, honest),
    Character(LastWord, honest, (UPHELD,)),
    Character(SecondThoughts, honest),
    Character(YesterdaysVotes, honest),
    *(Character(dawdler(delay), honest, (UPHELD,)) for delay in (-CLOCKS - 20, -SKEW, 0, 1, SKEW, CLOCKS)),
    *(Character(elsewhere(change), honest) for change in NAMED.values()),
)
HONEST: Final = Character(Node, honest)
FILERS: Final = (WrongInput, WrongPanelKey, WrongOutputKey, JunkRelease, NoOpenings, NoRelease)


@cache
def ring(_: str) -> KeyRing:
    """Everybody keeps their keys through all schedules of a process."""
    return KeyRing.generate()


@dataclass
class Party:
    """Somebody who acts from time to time, by a clock of their own."""

    act: Callable[[int], object]
    skew: int


class Schedule:
    """One random case. `calm` is one in which every honest party acts before its deadline."""

    def __init__(self, number: int, folder: Path) -> None:
        self.random = random = Random(number)  # noqa: S311 -- a simulation, repeatable by its number
        size = random.choice(SIZES)
        quorum = random.randint(size // 2 + 1, size)
        self.names = tuple(f"organisation {i}" for i in range(size))
        self.calm = random.random() < 0.7
        self.true_filer = random.random() < 0.85
        self.true_docket = random.random() < 0.7
        self.loss = random.choice([0.0, 0.0, 0.1])
        self.hub = Hub(lambda: self.world.now, 6 * size + 10)
        self.world = World(
            folder,
            panel=self.names,
            quorum=quorum,
            patience=Patience(*[10_000] * 5),
            make_docket=lambda _: self.link(honest_path=True),
            rings={name: ring(name) for name in (BANK, DOCKET, FILER, *ROOTS, *self.names)},
        )
        answer = random.choice([model, model, edited, another_model])
        self.truth = UPHELD if answer is model else REFUTED
        self.filed = self.world.filing(self.world.decision(answer))
        cheats = random.randint(0, quorum - 1)
        self.characters = [random.choice(CHARACTERS) for _ in range(cheats)]
        self.honest = self.names[cheats:]
        self.books = {name: Memory() for name in self.names}
        self.links = {name: self.link(hides=not self.true_docket) for name in self.names}
        self.nodes = {name: self.node(name) for name in self.names}
        self.shown: dict[str, set[Digest]] = {name: set() for name in self.names}  # whose votes, in time
        kind: type[Filer] = Filer
        self.alike = True  # the filer treats all alike
        if not self.true_filer:
            lied_to = random.sample(self.names, random.randint(1, size))
            lying: type[Liar] = random.choice(FILERS)
            self.alike = lying in (NoOpenings, NoRelease) or len(lied_to) == size
            kind = liar(self.world, lying, lied_to)
        self.filer_link = self.link()
        kind(self.world.docket, self.world.filer_keys, self.filed).file()
        self.filer = kind(self.filer_link, self.world.filer_keys, self.filed)
        self.quorate = self.calm and self.true_docket and self.alike and len(self.honest) >= quorum
        self.expected = (
            self.quorate
            and self.true_filer
            and not any(self.truth in character.contradicts for character in self.characters)
        )

    def link(self, *, honest_path: bool = False, hides: bool = False) -> Link:
        """A way to the docket. The docket's own keeper is where the documents are."""
        if honest_path:
            return Link(self.hub, self.random)
        lag = LAG if self.calm else 3000
        random = self.random
        hidden = random.sample(list(Slot), random.randint(0, 2)) if hides and random.random() < 0.4 else []

        def shows(posted: Posted) -> bool:
            return posted.slot not in hidden or random.random() < 0.5

        return Link(self.hub, self.random, lag, self.loss, shows)

    def node(self, name: str) -> Node:
        """A panel member's node, as it is started and started again."""
        at = self.names.index(name)
        character = self.characters[at] if at < len(self.characters) else HONEST
        book = self.books[name]
        return enrol(self.world, name, character.cls, character.replay, docket=self.links[name], notebook=book)

    def run(self) -> None:
        """Until nobody has anything more to say, and all deadlines have passed."""
        parties = list(self.parties())
        quiet = 0
        for _ in range(MAX_ROUNDS):
            before = len(self.hub.posted)
            self.hub.lossy = not quiet  # nothing is lost for ever
            self.random.shuffle(parties)
            for party in parties:
                if quiet or self.random.random() < 0.75:
                    party.act(self.world.now + party.skew)
                    self.world.now += self.random.randint(0, 3) if self.calm else self.random.randint(0, 1500)
            if len(self.hub.posted) != before:
                quiet = 0
                continue
            quiet += 1
            if quiet == 1:  # once more when everything has arrived, and nobody is passed over
                self.world.now += LAG + (RETRY if self.loss else 0)
                continue
            proceeding = self.world.proceeding(self.filed.filing_id)
            if proceeding.case is None or phase(proceeding, self.world.now - SKEW) is Phase.CLOSED:
                return
            ahead = next_deadline(proceeding.case.document, self.world.now - SKEW) + self.random.choice(AROUND)
            self.world.now, quiet = max(ahead, self.world.now + CLOCKS), 0
        raise AssertionError(f"still not closed after {MAX_ROUNDS} rounds")

    def parties(self) -> Iterator[Party]:
        """Everybody."""
        world = self.world
        yield Party(self.keeper_step(world.keeper), self.skew())
        yield Party(self.filer_step, 0)
        for name in self.names:
            yield Party(self.node_step(name), self.skew())
        if self.random.random() < 0.3:
            yield Party(self.bank, 0)
        if self.random.random() < 0.3:
            yield Party(self.mischief(), 0)
        if not self.true_docket:
            for kind in self.random.sample(CROOKS, self.random.randint(1, 2)):
                keys = world.rings[DOCKET]
                crook: Crook = kind(world.docket, keys, world.roster, self.filed.filing_id, self.random)
                yield Party(crook.step, self.skew())

    def skew(self) -> int:
        """How far somebody's clock is off."""
        return self.random.randint(-SKEW, SKEW)

    def keeper_step(self, keeper: Keeper) -> Callable[[int], object]:
        """The docket's own rounds; a crook need not keep them."""
        idle = not self.true_docket and self.random.random() < 0.5

        def step(now: int) -> None:
            if not idle or self.random.random() < 0.2:
                keeper.step(now)

        return step

    def node_step(self, name: str) -> Callable[[int], object]:
        """A node's rounds. From time to time it is killed and started again."""

        def step(now: int) -> None:
            if self.random.random() < 0.05:
                self.nodes[name] = self.node(name)
            self.links[name].latest = None
            with suppress(DocketError):  # it tries again
                self.nodes[name].step(now)
            if name in self.honest and not self.true_docket:
                self.note(name, self.links[name].latest, now)

        return step

    def note(self, name: str, read: Mapping[Slot, tuple[Envelope, ...]] | None, now: int) -> None:
        """Note whose votes a node was shown in time, of those with a listed ballot."""
        if not read or not read[Slot.VOTE] or not self.books[name].pages:
            return
        proceeding = assemble(self.filed.filing_id, read, [self.world.roster])
        if proceeding.case is not None and now <= proceeding.case.document.deadlines.votes - CLOCKS:
            listed = {signed.document.node for signed in proceeding.listed_ballots()}
            self.shown[name] |= listed & {signed.document.node for signed in proceeding.votes}

    def filer_step(self, _: int) -> None:
        """The filer's part, as far as it can be done with what it sees."""
        with suppress(ReperformError):  # lost, or not all here yet
            self.filer.step(collect(self.filer_link, self.filed.filing_id, [self.world.roster]))

    def bank(self, _: int) -> None:
        """The bank's own node, which has the opening, votes as well."""
        proceeding = self.world.proceeding(self.filed.filing_id)
        if proceeding.ballot_list is None or any(r.slot is Slot.VOTE for r in proceeding.refused):
            return
        opening = self.filed.decision.opening
        ballot, vote = forged_vote(self.world, proceeding, BANK, opening.input, self.filed.panel_key)
        signers = self.world.rings[BANK].signers
        somebody = replace(vote, node=self.world.rings[self.random.choice(self.names)].signing.public.key_id)
        for slot, document in ((Slot.BALLOT, ballot), (Slot.VOTE, vote), (Slot.VOTE, somebody)):
            self.hub.post(self.filed.filing_id, {slot: Envelope.sign(document, signers)})

    def mischief(self) -> Callable[[int], object]:
        """Somebody posts a few things again, in other places, damaged, or under a name of their own."""
        left = [4]

        def step(_: int) -> None:
            posted, target = self.random.choice(self.hub.posted), self.random.choice(list(Slot))
            if left[0] == 0:
                return
            left[0] -= 1
            envelope = posted.envelope
            match self.random.randrange(3):
                case 0:
                    damaged = bytearray(envelope.payload)
                    damaged[self.random.randrange(len(damaged))] ^= 1 << self.random.randrange(8)
                    envelope, target = replace(envelope, payload=bytes(damaged)), posted.slot
                case 1:
                    keys = [self.world.rings[self.random.choice((BANK, FILER))].signing]
                    envelope, target = Envelope.sign_bytes(envelope.payload_type, envelope.payload, keys), posted.slot
            self.hub.post(self.filed.filing_id, {target: envelope})

        return step

    # What must hold.

    def check(self) -> None:
        """All that must hold."""
        whole = self.world.proceeding(self.filed.filing_id)
        wrong = REFUTED if self.truth is UPHELD else UPHELD
        for proceeding in (whole, *self.views()):
            assert attested(proceeding) is not wrong
        verdict = attested(whole)
        if self.quorate:
            assert verdict is not None, "an honest docket and an honest quorum, and nobody signed"
        if self.expected:
            assert verdict is self.truth
        if verdict in (UPHELD, REFUTED):
            own = self.filer.answer(whole) if verdict is REFUTED else None
            assert verified(self.world, whole, self.filed, own).verdict is verdict
            if own is not None:
                assert from_bytes(Output, own) == model(self.filed.decision.opening.input)
        self.check_signers()
        self.check_faults(whole)

    def views(self) -> Iterator[Proceeding]:
        """What those see to whom a dishonest docket does not show everything."""
        if not self.true_docket:
            for link in self.links.values():
                link.loss = 0.0
                try:
                    yield collect(link, self.filed.filing_id, [self.world.roster])
                except ReperformError:
                    continue  # not even the filing

    def check_signers(self) -> None:
        """No honest node signed over a list that leaves out somebody whose vote it was shown in time."""
        for name in self.honest:
            for page in map(partial(from_bytes, Page), self.books[name].pages.values()):
                if page.attestation is None or not self.shown[name]:
                    continue
                predicate = json.loads(page.attestation.payload)["predicate"]
                ballots = self.listed(Slot.BALLOT, ballot_id, self.list_of(Slot.BALLOT_LIST, predicate["ballots"]))
                votes = self.listed(Slot.VOTE, vote_id, self.list_of(Slot.VOTE_LIST, predicate["votes"]))
                assert self.world.rings[name].signing.public.key_id in votes | self.silent_of(page)
                assert not self.shown[name] & (ballots - votes), f"{name} signed over a list without one whom it saw"

    def silent_of(self, page: Page) -> frozenset[Digest]:
        """Everybody, for a page without a vote."""
        return frozenset() if page.vote is not None else frozenset(n.node_id for n in self.world.roster.panel())

    def list_of(self, slot: Slot, name: str) -> frozenset[Digest]:
        """What stands on the list of this name."""
        kind: type[BallotList | VoteList] = BallotList if slot is Slot.BALLOT_LIST else VoteList
        for posted in self.hub.posted:
            if posted.slot is slot and posted.envelope.payload_type == payload_type(kind):
                closed = posted.envelope.parse(kind)
                if str(closed.list_id) == name:
                    return frozenset(closed.ballots if isinstance(closed, BallotList) else closed.votes)
        raise AssertionError(f"a list {name} that nobody closed")

    def listed(self, slot: Slot, name_of: Callable[[Envelope], Digest], listed: frozenset[Digest]) -> frozenset[Digest]:
        """The nodes of what stands on a list."""
        kind: type[Ballot | Vote] = Ballot if slot is Slot.BALLOT else Vote
        found = (p.envelope for p in self.hub.posted if p.slot is slot and name_of(p.envelope) in listed)
        return frozenset(from_bytes(kind, envelope.payload).node for envelope in found)

    def check_faults(self, whole: Proceeding) -> None:
        """Nobody honest is proved to be at fault; who contradicts itself in public is."""
        found = faults((posted.envelope for posted in self.hub.posted), [self.world.roster])
        innocent = {self.world.rings[name].signing.public.key_id for name in self.honest}
        docket = self.world.rings[DOCKET].signing.public.key_id
        if self.true_docket:
            innocent.add(docket)
        for proof in found:
            if proof.fault is not Fault.UNLISTED_VOTE:  # late, or left out: one of two
                assert not innocent & set(proof.nodes), f"{proof.fault} of the honest"
        lists = [s for s in (Slot.BALLOT_LIST, Slot.VOTE_LIST) if s in whole.taken]
        proved = {(proof.fault, node) for proof in found for node in proof.nodes}
        for slot, fault in ((Slot.BALLOT_LIST, Fault.TWO_BALLOT_LISTS), (Slot.VOTE_LIST, Fault.TWO_VOTE_LISTS)):
            contradicts = any(r.slot is slot and "contradict each other" in r.cause for r in whole.refused)
            assert slot in lists or not contradicts
            assert contradicts <= ((fault, docket) in proved)
        for signed in whole.votes:
            others = [v for v in whole.votes if v.document.node == signed.document.node]
            assert (len(others) > 1) <= ((Fault.TWO_VOTES, signed.document.node) in proved)


@pytest.fixture(autouse=True)
def quickly() -> Iterator[None]:
    """What was verified once need not be verified again, and nobody reads thousands of logs."""
    logging.disable(logging.WARNING)
    with remembering():
        yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_in_no_schedule_does_anything_happen_that_must_not(tmp_path: Path, chunk: int) -> None:
    for number in range(FIRST + chunk, FIRST + SCHEDULES, CHUNKS):
        schedule = Schedule(number, tmp_path)
        try:
            schedule.run()
            schedule.check()
        except (AssertionError, ReperformError) as error:
            raise AssertionError(f"schedule {number}: {error}") from error


def test_most_schedules_have_something_to_get_wrong(tmp_path: Path) -> None:
    """Or the test above would pass by never getting anywhere."""
    schedules = [Schedule(number, tmp_path) for number in range(100)]
    assert sum(schedule.quorate for schedule in schedules) >= 25
    assert sum(schedule.expected for schedule in schedules) >= 15
    assert sum(not schedule.true_docket for schedule in schedules) >= 20
    assert sum(bool(schedule.characters) for schedule in schedules) >= 50
    assert {schedule.truth for schedule in schedules} == {UPHELD, REFUTED}
