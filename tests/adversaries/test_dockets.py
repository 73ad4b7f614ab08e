"""A dishonest docket, and whoever sits on the wire, as processes between honest nodes and the service."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from reperform.consensus.client import HttpDocket
from reperform.evidence.dsse import Envelope
from reperform.evidence.faults import Fault
from reperform.evidence.tally import Verdict
from reperform.tests.adversaries.conftest import ALSO_GOOD, BAD, GOOD, Docket, Settled, prove_all
from reperform.tests.protocol.play import another_model
from reperform.tests.world import DOCKET

AUDIT, UNION, AUTHORITY = (name.split(maxsplit=1)[0] for name in (GOOD, ALSO_GOOD, BAD))


@pytest.fixture(scope="module")
def full(served: Docket) -> Iterator[Docket]:
    """All three nodes are honest."""
    with served.among(BAD, "honest"):
        yield served


@pytest.mark.parametrize("habit", ["drop", "delay", "reorder", "forge"])
def test_what_is_lost_late_out_of_order_or_forged_changes_no_verdict(full: Docket, habit: str) -> None:
    with full.habits(**dict.fromkeys((AUDIT, UNION, AUTHORITY), habit)):
        settled = full.settle(another_model)
    assert settled.conclusion.tally.verdict is Verdict.REFUTED
    assert len(settled.voters()) >= full.world.quorum
    assert settled.proved() == {}


def test_who_alters_a_nodes_bytes_silences_it_at_most(full: Docket) -> None:
    """Half of what it posts and a third of what it reads has one bit turned."""
    with full.habits(**{AUTHORITY: "alter"}):
        settled = full.settle(another_model)
    assert settled.conclusion.tally.verdict is Verdict.REFUTED
    assert settled.voters() >= {GOOD, ALSO_GOOD}
    assert settled.proved() == {}


def seen_by(full: Docket, settled: Settled, name: str) -> list[Envelope]:
    """What the proxy shows a node about a case."""
    posted = HttpDocket(f"{full.proxy}/{name}").read(settled.filed.filing_id)
    return [envelope for slot in posted.values() for envelope in slot]


def test_two_nodes_that_were_shown_different_cases_prove_it_when_they_compare(full: Docket) -> None:
    """Who was shown the other case is alone with it; the rest are a quorum."""
    with full.habits(**{AUTHORITY: "another case"}):
        settled = full.settle()
        mine, other = (seen_by(full, settled, name) for name in (AUDIT, AUTHORITY))
    assert settled.verdict is Verdict.UPHELD
    assert settled.voters() == {GOOD, ALSO_GOOD}
    assert prove_all(full.world, mine) == prove_all(full.world, other) == {}
    assert prove_all(full.world, [*mine, *other]) == {Fault.TWO_CASES: {DOCKET}}


def test_who_is_shown_nothing_of_the_others_signs_nothing(full: Docket) -> None:
    with full.habits(**{AUTHORITY: "hide"}):
        settled = full.settle()
    assert settled.verdict is Verdict.UPHELD
    mine = full.world.rings[BAD].signing.public.key_id
    signers = {s.key_id for envelope in settled.proceeding.attestations for s in envelope.signatures}
    assert mine not in signers
    assert settled.proved() == {}
