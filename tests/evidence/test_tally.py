"""The tally against an oracle written from its docstring, over every combination of findings of small panels."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from itertools import combinations_with_replacement, permutations, product

import pytest
from reperform.evidence.attestation import statement
from reperform.evidence.ballot import Ballot, Finding, Reason, Vote
from reperform.evidence.case import Ground
from reperform.evidence.documents import to_bytes
from reperform.evidence.tally import SetAside, Tally, Verdict, tally
from reperform.evidence.values import Output
from reperform.tests.evidence.scene import OTHER_OUTPUT, OUTPUT, Scene, Story, signed

THIRD_OUTPUT = to_bytes(Output("refer", ()))
# What a node can say: a letter for each. The bank committed to OUTPUT.
SAYINGS: Mapping[str, tuple[bytes | None, str]] = {
    "M": (OUTPUT, "t"),  # MATCH
    "m": (OUTPUT, "another trace"),  # MATCH by other intermediate values
    "X": (OTHER_OUTPUT, "t"),  # MISMATCH
    "x": (OTHER_OUTPUT, "another trace"),  # MISMATCH, same answer by other intermediate values
    "Y": (THIRD_OUTPUT, "t"),  # MISMATCH with another answer
    "u": (None, ""),  # INDETERMINATE: unanswered, or the run failed
    "-": (None, ""),  # silence
}


@cache
def base(panel: tuple[tuple[str, int], ...], quorum: int, ground: Ground) -> Story:
    """The story of a panel up to the opened case."""
    return Scene(panel=dict(panel), quorum=quorum, ground=ground).story()


def judged(sayings: Sequence[str], panel: Mapping[str, int], quorum: int, ground: Ground = Ground.DISPUTE) -> Tally:
    """The tally when the panel's nodes, in order, say these things."""
    before = base(tuple(panel.items()), quorum, ground)
    said = {n: s for n, s in zip(before.scene.voters, sayings, strict=True) if s != "-"}
    story = replace(before, results={node: before.scene.result(node, *SAYINGS[s]) for node, s in said.items()})
    return story.with_ballots([story.ballot(node) for node in said]).with_votes().tally()


def oracle(sayings: Mapping[str, Sequence[str]], quorum: int, ground: Ground) -> Verdict:
    """The five rules of tally.py, from each organisation's sayings."""
    everything = [saying for said in sayings.values() for saying in said]
    matches = {s for s in everything if s in "Mm"}
    mismatches = {s for s in everything if s in "XxY"}
    answers = {s.upper() for s in mismatches}
    if mismatches and (matches or len(answers) > 1):
        return Verdict.CONTESTED
    for found, verdict in ((matches, Verdict.UPHELD), (mismatches, Verdict.REFUTED)):
        for saying in found:
            behind = [o for o, said in sayings.items() if {s for s in said if s not in "u-"} == {saying}]
            if len(behind) >= quorum:
                return verdict
    unanswered = [o for o, said in sayings.items() if "u" in said]
    if ground is Ground.AUDIT and len(unanswered) >= quorum:
        return Verdict.UNANSWERED
    return Verdict.INCONCLUSIVE


THREE = {"A": 1, "B": 1, "C": 1}
FIVE = {"A": 1, "B": 1, "C": 1, "D": 1, "E": 1}


@pytest.mark.parametrize("ground", list(Ground))
@pytest.mark.parametrize("quorum", [2, 3])
def test_every_combination_of_three_organisations_is_judged_as_the_rules_say(quorum: int, ground: Ground) -> None:
    seen = set()
    for sayings in product(SAYINGS, repeat=3):
        expected = oracle(dict(zip(THREE, sayings, strict=True)), quorum, ground)
        assert judged(sayings, THREE, quorum, ground).verdict is expected, sayings
        seen.add(expected)
    assert seen == set(Verdict) - (set() if ground is Ground.AUDIT else {Verdict.UNANSWERED})


def test_every_combination_of_five_organisations_is_judged_as_the_rules_say() -> None:
    rng = random.Random(5)  # noqa: S311 - it must repeat, not surprise
    for combination in combinations_with_replacement(SAYINGS, 5):
        sayings = rng.sample(combination, 5)
        for quorum, ground in ((3, Ground.DISPUTE), (4, Ground.AUDIT)):
            expected = oracle(dict(zip(FIVE, sayings, strict=True)), quorum, ground)
            assert judged(sayings, FIVE, quorum, ground).verdict is expected, (sayings, quorum)


def test_an_organisation_with_two_nodes_counts_once_and_supports_nothing_if_they_contradict_each_other() -> None:
    panel = {"A": 2, "B": 1, "C": 1}
    for sayings in product("MmXxu-", repeat=4):
        said = {"A": sayings[:2], "B": sayings[2:3], "C": sayings[3:]}
        assert judged(sayings, panel, 2).verdict is oracle(said, 2, Ground.DISPUTE), sayings


@pytest.mark.parametrize("sayings", sorted(set(permutations("MMMMX"))))
def test_a_mismatch_is_never_outvoted(sayings: tuple[str, ...]) -> None:
    result = judged(sayings, FIVE, 3)
    assert result.verdict is Verdict.CONTESTED
    assert result.answer is None


@pytest.mark.parametrize("ground", list(Ground))
def test_empty_is_never_success(ground: Ground) -> None:
    assert judged("---", THREE, 2, ground).verdict is Verdict.INCONCLUSIVE
    assert judged("-----", FIVE, 3, ground).verdict is Verdict.INCONCLUSIVE


def test_two_nodes_of_one_organisation_are_one_voice() -> None:
    assert judged("MM--", {"A": 2, "B": 1, "C": 1}, 2).verdict is Verdict.INCONCLUSIVE
    assert judged("MMM-", {"A": 2, "B": 1, "C": 1}, 2).verdict is Verdict.UPHELD


def test_equal_answers_by_different_traces_do_not_add_up() -> None:
    assert judged("Mm-", THREE, 2).verdict is Verdict.INCONCLUSIVE
    assert judged("Xx-", THREE, 2).verdict is Verdict.INCONCLUSIVE
    agreed = judged("Mmm", THREE, 2)
    assert agreed.verdict is Verdict.UPHELD
    assert agreed.trace == Scene().result("", OUTPUT, "another trace").trace


def test_a_verdict_names_the_answer_that_the_quorum_agreed_on() -> None:
    assert judged("MMu", THREE, 2).answer == Scene().result("", OUTPUT).answer
    assert judged("XX-", THREE, 2).answer == Scene().result("", OTHER_OUTPUT).answer
    for undecided in ("MX-", "M--", "uuu", "XYM"):
        assert judged(undecided, THREE, 2).answer is None


def test_a_run_that_failed_is_not_an_operator_who_did_not_answer() -> None:
    scene = Scene(panel=THREE, ground=Ground.AUDIT)
    story = scene.story({name: scene.result(name, None) for name in scene.voters})
    assert story.tally().verdict is Verdict.UNANSWERED
    failed = story.with_votes([story.vote(name, reason=Reason.RUN) for name in scene.voters])
    assert failed.tally().verdict is Verdict.INCONCLUSIVE


def test_the_order_of_ballots_and_votes_does_not_show() -> None:
    story = Scene(panel=FIVE, quorum=3).story()
    ballots = [signed(envelope, Ballot) for envelope in story.ballots]
    votes = [signed(envelope, Vote) for envelope in story.votes]
    listed = story.votes_closed()
    expected = tally(story.matter(), listed, ballots, votes)
    for order in permutations(range(5)):
        assert tally(story.matter(), listed, [ballots[i] for i in order], [votes[-i] for i in order]) == expected


@pytest.mark.parametrize("late", ["M", "X", "Y", "u"])
@pytest.mark.parametrize("listed", ["MM", "XX", "MX", "M", ""])
def test_what_is_not_on_the_list_moves_nothing_and_is_set_aside_as_late(listed: str, late: str) -> None:
    scene = Scene()
    sayings = dict(zip(scene.voters, listed.ljust(2, "-") + late, strict=True))
    results = {node: scene.result(node, *SAYINGS[saying]) for node, saying in sayings.items()}
    story = scene.story(results)
    closed = story.with_votes([story.vote(n) for n in scene.voters if sayings[n] != "-" and n != scene.voters[2]])
    late_too = replace(closed, votes=(*closed.votes, story.vote(scene.voters[2])))
    before, after = closed.tally(), late_too.tally()
    assert (after.verdict, after.answer, after.counted) == (before.verdict, before.answer, before.counted)
    assert [line.set_aside for line in after.lines if line.node == scene.voters[2]] == [SetAside.LATE]
    assert statement(late_too.matter(), after) == statement(closed.matter(), before)


def test_a_second_vote_after_the_list_does_not_undo_the_first() -> None:
    """Or whoever voted could take a vote back once the verdict is known."""
    story = Scene().story()
    node = story.scene.voters[0]
    second = story.vote(node, finding=Finding.MISMATCH, sealed_answer=b"sealed to the filer")
    result = replace(story, votes=(*story.votes, second)).tally()
    assert result.verdict is Verdict.UPHELD
    assert {line.set_aside for line in result.lines if line.node == node} == {None, SetAside.LATE}
    both = story.with_votes([*story.votes, second]).tally()
    assert {line.set_aside for line in both.lines if line.node == node} == {SetAside.TWO_VOTES}


def test_a_large_panel_is_tallied_without_encoding_the_roster_for_every_vote() -> None:
    scene = Scene(panel={"A": 100, "B": 100, "C": 100})
    story = scene.story()
    ballots = [signed(envelope, Ballot) for envelope in story.ballots]
    votes = [signed(envelope, Vote) for envelope in story.votes]
    start = time.process_time()
    assert tally(story.matter(), story.votes_closed(), ballots, votes).verdict is Verdict.UPHELD
    assert time.process_time() - start < 1
