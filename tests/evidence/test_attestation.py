"""The attestation: the same bytes whoever signs, over exactly the listed votes, in the form that other tools read."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest
from reperform.evidence.attestation import PAYLOAD_TYPE, check_quorum, sign_statement, statement, summary
from reperform.evidence.ballot import Finding, Reason
from reperform.evidence.keys import SignatureRefusedError
from reperform.evidence.roster import Suite
from reperform.evidence.tally import Verdict
from reperform.tests.evidence.scene import BANK, OUTPUT, Scene, Story, refuted, upheld

A, B, C = "Audit House", "Consumer Union", "Finance Authority"


def statements(story: Story) -> tuple[bytes, bytes]:
    return statement(story.matter(), story.tally()), summary(story.matter(), story.tally())


@pytest.mark.parametrize("story", [upheld(), refuted()], ids=["upheld", "refuted"])
def test_the_bytes_say_over_which_votes_even_where_the_verdict_is_the_same(story: Story) -> None:
    """Or signatures over one list could be shown as signatures over another, with a dissent or a helper less."""
    subsets = [some for size in (2, 3) for some in combinations(story.votes, size)]
    assert len({story.with_votes(some).tally().verdict for some in subsets}) == 1
    for part in zip(*(statements(story.with_votes(some)) for some in subsets), strict=True):
        assert len(set(part)) == len(subsets)
    assert str(story.votes_closed().list_id).encode() in statements(story)[0]


@pytest.mark.parametrize("story", [upheld(), refuted()], ids=["upheld", "refuted"])
def test_whatever_else_was_seen_the_bytes_are_the_same(story: Story) -> None:
    late = story.vote(C, finding=Finding.INDETERMINATE, reason=Reason.RUN, sealed_answer=b"")
    assert statements(replace(story, votes=(*story.votes, late))) == statements(story)


def test_another_case_verdict_or_answer_gives_other_bytes() -> None:
    stories = [
        upheld(),
        refuted(),
        upheld(name="another case"),
        upheld(suite=Suite.ED25519_ML_DSA_44),
        upheld(quorum=3),
    ]
    assert len({part for story in stories for part in statements(story)}) == 2 * len(stories)


def test_the_statement_has_the_fields_that_in_toto_requires() -> None:
    # in-toto attestation framework v1: _type, subject with digests, predicateType, predicate
    story = upheld()
    body: Any = json.loads(statements(story)[0])
    assert body["_type"] == "https://in-toto.io/Statement/v1"
    (subject,) = body["subject"]
    assert subject["digest"] == {"sha256": hashlib.sha256(story.receipt.payload).hexdigest()}
    assert ":" in body["predicateType"]
    predicate = body["predicate"]
    assert predicate["verdict"] == "UPHELD"
    assert predicate["roster"]["epoch"] == 1
    assert predicate["quorum"] == 2


@pytest.mark.parametrize(("story", "result"), [(upheld(), "PASSED"), (refuted(), "FAILED")])
def test_the_summary_has_the_fields_that_slsa_requires(story: Story, result: str) -> None:
    # slsa.dev/verification_summary/v1
    body: Any = json.loads(statements(story)[1])
    assert body["predicateType"] == "https://slsa.dev/verification_summary/v1"
    predicate = body["predicate"]
    assert predicate.keys() >= {
        "verifier", "timeVerified", "resourceUri", "policy", "verificationResult", "verifiedLevels"
    }  # fmt: skip
    assert predicate["verifier"]["id"].startswith("urn:")
    assert predicate["timeVerified"] == "2026-09-21T14:13:24Z"
    assert predicate["verificationResult"] == result
    assert predicate["verifiedLevels"] == ["REPERFORM_UPHELD" if result == "PASSED" else "FAILED"]
    digests = [attestation["digest"]["sha256"] for attestation in predicate["inputAttestations"]]
    signed = [statements(story)[0], story.receipt.payload]
    assert digests == [hashlib.sha256(payload).hexdigest() for payload in signed]


@pytest.mark.parametrize("verdict", list(Verdict))
def test_nothing_but_upheld_passes(verdict: Verdict) -> None:
    story = upheld()
    body: Any = json.loads(summary(story.matter(), replace(story.tally(), verdict=verdict)))
    assert (body["predicate"]["verificationResult"] == "PASSED") is (verdict is Verdict.UPHELD)


def test_a_quorum_is_counted_in_organisations() -> None:
    scene = Scene(panel={A: 2, B: 1, C: 1})
    payload = b"statement"

    def signed(*nodes: str) -> tuple[str, ...]:
        keys = [key for node in nodes for key in scene.signers(node)]
        return check_quorum(sign_statement(payload, keys), payload, scene.roster)

    assert signed(f"{A} 1", B) == (A, B)
    assert signed(f"{A} 1", f"{A} 2", C) == (A, C)
    assert signed(f"{A} 2", B, C) == (A, B, C)
    for short in ((f"{A} 1",), (f"{A} 1", f"{A} 2"), (C,)):
        with pytest.raises(SignatureRefusedError, match="signed by 1 organisations"):
            signed(*short)
    with pytest.raises(SignatureRefusedError, match="no say here"):
        signed(A + " 1", B, BANK)


def test_a_quorum_over_other_bytes_or_another_type_is_none() -> None:
    scene = Scene()
    keys = [key for node in scene.voters for key in scene.signers(node)]
    envelope = sign_statement(b"statement", keys)
    assert envelope.payload_type == PAYLOAD_TYPE
    with pytest.raises(SignatureRefusedError, match="not the one that follows"):
        check_quorum(envelope, b"another statement", scene.roster)
    with pytest.raises(SignatureRefusedError, match="not the one that follows"):
        check_quorum(replace(envelope, payload_type="application/json"), b"statement", scene.roster)


def test_the_statement_shows_neither_input_nor_output() -> None:
    for part in statements(upheld()):
        assert b"4211" not in part
        assert OUTPUT not in part
        assert b"decline" not in part
