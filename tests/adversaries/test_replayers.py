"""Dishonest replayers as processes: the honest quorum's verdict stands, and contradictions are signed proofs."""

from __future__ import annotations

import pytest
from reperform.evidence.faults import Fault
from reperform.evidence.tally import Verdict
from reperform.tests.adversaries.conftest import ALSO_GOOD, BAD, GOOD, Docket
from reperform.tests.protocol.play import another_model
from reperform.tests.world import DOCKET


@pytest.mark.parametrize("character", ["two votes", "two ballots"])
def test_an_equivocator_changes_no_verdict_and_is_proved(served: Docket, character: str) -> None:
    fault = {"two votes": Fault.TWO_VOTES, "two ballots": Fault.TWO_BALLOTS}[character]
    with served.among(BAD, character):
        settled = served.settle()
    assert settled.verdict is Verdict.UPHELD
    assert settled.voters() >= {GOOD, ALSO_GOOD}
    proved = settled.proved()
    assert proved.pop(fault) == {BAD}
    # The docket may have closed the votes between the two: then the second is on no list, and is proved as that too.
    assert proved in ({}, {Fault.UNLISTED_VOTE: {BAD, DOCKET}})


def test_a_lazy_copier_opens_no_ballot_and_its_vote_proves_it(served: Docket) -> None:
    with served.among(BAD, "copycat"):
        settled = served.settle(another_model)
    assert settled.conclusion.tally.verdict is Verdict.REFUTED
    assert settled.voters() == {GOOD, ALSO_GOOD}
    assert settled.proved() == {Fault.BALLOT_BROKEN: {BAD}}


def test_who_commits_and_never_reveals_is_silent_in_the_pack(served: Docket) -> None:
    """Silence proves nothing: a vote can be lost. The case waits until the deadline, no longer."""
    with served.among(BAD, "never reveals"):
        settled = served.settle()
    assert settled.verdict is Verdict.UPHELD
    assert settled.proceeding.outstanding() == {served.world.rings[BAD].signing.public.key_id}
    assert settled.proved() == {}


def test_yesterdays_words_are_refused_at_the_door(served: Docket) -> None:
    with served.among(BAD, "yesterday"):
        settled = served.settle()
    assert settled.verdict is Verdict.UPHELD
    assert settled.voters() == {GOOD, ALSO_GOOD, BAD}
    assert "it belongs to another case" in served.parties.log(BAD)
    assert settled.proved() == {}


def test_a_guess_makes_the_case_contested_and_never_turns_it(served: Docket) -> None:
    """A MISMATCH is an alarm, never outvoted; a wrong verdict it is not."""
    with served.among(BAD, "guesser"):
        settled = served.settle()
    assert settled.verdict is Verdict.CONTESTED
    assert settled.proved() == {}
