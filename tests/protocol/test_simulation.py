"""Random schedules: whatever the order, and whoever cheats below the quorum, no wrong verdict comes out.

Every schedule follows from its number. `REPERFORM_SCHEDULES=10000 pytest tests/protocol/test_simulation.py`
plays as many; a failure names the number, and `REPERFORM_FIRST_SCHEDULE` starts there.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

import pytest
from reperform.consensus.docket import Slot
from reperform.consensus.filer import Filer
from reperform.consensus.keeper import Patience
from reperform.consensus.proceeding import Phase, phase
from reperform.evidence.ballot import ballot_id
from reperform.evidence.documents import from_bytes
from reperform.evidence.dsse import Envelope
from reperform.evidence.errors import ReperformError
from reperform.evidence.lists import BallotList
from reperform.evidence.tally import Verdict
from reperform.evidence.values import Output
from reperform.replayer.node import Node
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
    TwoBallots,
    TwoVotes,
    elsewhere,
    enrol,
    forged_vote,
    guess,
    lucky,
)
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
from reperform.tests.protocol.memory_docket import MemoryDocket
from reperform.tests.protocol.play import another_model, attested, edited, next_deadline, verified
from reperform.tests.world import BANK, DOCKET, World, honest, model

SCHEDULES: Final = int(os.environ.get("REPERFORM_SCHEDULES", "200"))
FIRST: Final = int(os.environ.get("REPERFORM_FIRST_SCHEDULE", "0"))
CHUNKS: Final = min(SCHEDULES, 20)  # tests that workers can share among them
SIZES: Final = (3, 3, 3, 3, 3, 3, 3, 5, 5, 7)  # organisations
MAX_ROUNDS: Final = 150


@dataclass(frozen=True)
class Character:
    """A way to cheat, and the verdicts that its votes contradict."""

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
    Character(TwoVotes, lucky),
    Character(TwoBallots, honest),
    Character(NoBallot, honest),
    Character(NeverReveals, guess),
    Character(Absent, honest),
    Character(HalfSigner, honest),
    # A vote held back until some have signed can split their statements: no wrong verdict, but perhaps none.
    Character(LastWord, honest, (UPHELD, REFUTED)),
    *(Character(elsewhere(change), honest) for change in NAMED.values()),
)
FILERS: Final = (WrongInput, WrongPanelKey, WrongOutputKey, JunkRelease, NoOpenings, NoRelease)


class Schedule:
    """One random case. `calm` is one in which every honest party acts before its deadline."""

    def __init__(self, number: int, folder: Path) -> None:
        self.random = random = Random(number)  # noqa: S311 -- a simulation, repeatable by its number
        size = random.choice(SIZES)
        quorum = random.randint(size // 2 + 1, size)
        names = tuple(f"organisation {i}" for i in range(size))
        self.world = World(
            folder / str(number),
            panel=names,
            quorum=quorum,
            patience=Patience(*[10_000] * 5),
            make_docket=lambda _: MemoryDocket(random, 4 * size + 8),
        )
        self.docket = self.world.docket
        assert isinstance(self.docket, MemoryDocket)
        cheats = random.randint(0, quorum - 1)
        self.characters = [random.choice(CHARACTERS) for _ in range(cheats)]
        self.nodes = [enrol(self.world, n, c.cls, c.replay) for n, c in zip(names, self.characters, strict=False)]
        self.nodes += [enrol(self.world, name) for name in names[cheats:]]
        answer = random.choice([model, model, edited, another_model])
        self.truth = UPHELD if answer is model else REFUTED
        self.calm = random.random() < 0.7
        self.true_filer = random.random() < 0.85
        self.true_docket = random.random() < 0.85
        self.filed = self.world.filing(self.world.decision(answer))
        kind: type[Filer] = Filer
        if not self.true_filer:
            lied_to = random.sample(names, random.randint(1, size))
            lying: type[Liar] = random.choice(FILERS)
            kind = liar(self.world, lying, lied_to)
        self.filer = kind(self.docket, self.world.filer_keys, self.filed)
        self.filer.file()
        self.expected = (
            self.calm
            and self.true_filer
            and self.true_docket
            and size - cheats >= quorum
            and not any(self.truth in character.contradicts for character in self.characters)
        )

    def run(self) -> None:
        """Until nobody has anything more to say, and all deadlines have passed."""
        parties = self._parties()
        quiet = False
        for _ in range(MAX_ROUNDS):
            before = self._size()
            self.random.shuffle(parties)
            for party in parties:
                if quiet or self.random.random() < 0.75:
                    party()
                    self.world.now += self.random.randint(0, 3) if self.calm else self.random.randint(0, 1500)
            if self._size() != before:
                quiet = False
                continue
            if not quiet:
                quiet = True  # once more, and nobody is passed over
                continue
            proceeding = self.world.proceeding(self.filed.filing_id)
            where = phase(proceeding, self.world.now)
            if proceeding.case is None or where is Phase.CLOSED:
                return
            if where is Phase.ATTESTING and not proceeding.outstanding():
                return
            self.world.now, quiet = next_deadline(proceeding.case.document, self.world.now) + 1, False
        raise AssertionError(f"still not closed after {MAX_ROUNDS} rounds")

    def check(self) -> None:
        """No verdict but the true one, and the true one where the honest are enough."""
        proceeding = self.world.proceeding(self.filed.filing_id)
        wrong = REFUTED if self.truth is UPHELD else UPHELD
        verdict = attested(proceeding)
        if proceeding.vote_list is not None:
            assert proceeding.tally().verdict is not wrong
        assert verdict is not wrong
        if self.expected:
            assert verdict is self.truth
        if verdict in (UPHELD, REFUTED):
            own = self.filer.answer(proceeding) if verdict is REFUTED else None
            shown = verified(self.world, proceeding, self.filed, own)
            assert shown.verdict is verdict
            if own is not None:
                assert from_bytes(Output, own) == model(self.filed.decision.opening.input)

    def _parties(self) -> list[Callable[[], object]]:
        world = self.world
        parties: list[Callable[[], object]] = [
            lambda: world.keeper.step(world.now),
            lambda: self.filer.step(world.proceeding(self.filed.filing_id)),
        ]
        parties += [lambda node=node: node.step(world.now) for node in self.nodes]  # type: ignore[misc]
        if self.random.random() < 0.3:
            parties.append(self._bank())
        if self.random.random() < 0.3:
            parties.append(self._mischief())
        if not self.true_docket:
            parties.append(self._hasty())
        return parties

    def _size(self) -> int:
        assert isinstance(self.docket, MemoryDocket)
        return self.docket.size

    def _bank(self) -> Callable[[], object]:
        """The bank's own node, which has the opening, votes as well."""

        def step() -> None:
            proceeding = self.world.proceeding(self.filed.filing_id)
            if proceeding.ballot_list is None or any(r.slot is Slot.VOTE for r in proceeding.refused):
                return
            opening = self.filed.decision.opening
            ballot, vote = forged_vote(self.world, proceeding, BANK, opening.input, self.filed.panel_key)
            signers = self.world.rings[BANK].signers
            self.docket.post(self.filed.filing_id, Slot.BALLOT, Envelope.sign(ballot, signers))
            self.docket.post(self.filed.filing_id, Slot.VOTE, Envelope.sign(vote, signers))

        return step

    def _mischief(self) -> Callable[[], object]:
        """Somebody posts a few things again, in other places."""
        left = [4]

        def step() -> None:
            source, target = self.random.choice(list(Slot)), self.random.choice(list(Slot))
            found = self.docket.read(self.filed.filing_id)[source]
            if found and left[0]:
                left[0] -= 1
                self.docket.post(self.filed.filing_id, target, found[0])

        return step

    def _hasty(self) -> Callable[[], object]:
        """A docket that closes the list when it likes, over the ballots that it likes."""
        keys = self.world.rings[DOCKET].signers

        def step() -> None:
            proceeding = self.world.proceeding(self.filed.filing_id)
            if proceeding.case is None or self.random.random() < 0.5:
                return
            if len(self.docket.read(self.filed.filing_id)[Slot.BALLOT_LIST]) > self.random.randint(0, 1):
                return
            cast = [ballot_id(signed.envelope) for signed in proceeding.ballots]
            some = self.random.sample(cast, self.random.randint(0, len(cast)))
            closed = BallotList(proceeding.case_id, tuple(sorted(some)), self.world.now)
            self.docket.post(self.filed.filing_id, Slot.BALLOT_LIST, Envelope.sign(closed, keys))

        return step


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_no_schedule_ends_in_a_wrong_verdict(tmp_path: Path, chunk: int) -> None:
    for number in range(FIRST + chunk, FIRST + SCHEDULES, CHUNKS):
        schedule = Schedule(number, tmp_path)
        try:
            schedule.run()
            schedule.check()
        except (AssertionError, ReperformError) as error:
            raise AssertionError(f"schedule {number}: {error}") from error


def test_most_schedules_have_a_verdict_to_get_wrong(tmp_path: Path) -> None:
    """Or the test above would pass by never getting anywhere."""
    schedules = [Schedule(number, tmp_path) for number in range(60)]
    assert sum(schedule.expected for schedule in schedules) >= 15
    assert sum(bool(schedule.characters) for schedule in schedules) >= 25
    assert {schedule.truth for schedule in schedules} == {UPHELD, REFUTED}
