"""Receipts and abandonments: by the operator alone, while the roster is in force, about one hidden decision."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from reperform.evidence.commitment import CommitmentBrokenError
from reperform.evidence.digest import Digest
from reperform.evidence.documents import to_bytes
from reperform.evidence.dsse import Envelope
from reperform.evidence.encoding import MalformedError
from reperform.evidence.keys import SignatureRefusedError
from reperform.evidence.receipt import Abandonment, AbandonReason, Opening, open_abandonment, open_receipt, receipt_id
from reperform.evidence.roster import RosterRefusedError
from reperform.evidence.times import LATEST
from reperform.evidence.values import Text
from reperform.tests.evidence.scene import BANK, DOCKET, INPUT, OTHER_OUTPUT, OUTPUT, START, Scene

SCENE = Scene()
RECEIPT = SCENE.receipt()
OPENING = Opening(INPUT, SCENE.key("input"), OUTPUT, SCENE.key("output"))
ABANDONED = Abandonment(
    bytes(16), SCENE.node_id(BANK), 3, AbandonReason.CRASHED, SCENE.roster.roster_id, START, checkpoint=None
)


def signed(document: Any, by: str = BANK) -> Envelope:
    return Envelope.sign(document, SCENE.signers(by))


def test_the_banks_receipt_and_abandonment_open() -> None:
    assert open_receipt(signed(RECEIPT), SCENE.roster).document == RECEIPT
    assert open_abandonment(signed(ABANDONED), SCENE.roster).document == ABANDONED


def test_an_abandonment_cannot_be_taken_for_a_receipt_nor_a_receipt_for_an_abandonment() -> None:
    with pytest.raises(MalformedError, match=r"expected application/vnd\.reperform\.receipt"):
        open_receipt(signed(ABANDONED), SCENE.roster)
    with pytest.raises(MalformedError, match=r"expected application/vnd\.reperform\.abandonment"):
        open_abandonment(signed(RECEIPT), SCENE.roster)


@pytest.mark.parametrize(("document", "opens"), [(RECEIPT, open_receipt), (ABANDONED, open_abandonment)])
def test_only_an_operator_signs_them_under_the_roster_that_they_name_and_in_its_time(document: Any, opens: Any) -> None:
    for author in (DOCKET, "Audit House"):
        theirs = replace(document, executor=SCENE.node_id(author))
        with pytest.raises(RosterRefusedError, match="not operator"):
            opens(signed(theirs, author), SCENE.roster)
    with pytest.raises(RosterRefusedError, match="is not on epoch 1"):
        opens(signed(replace(document, executor=SCENE.node_id("stranger"))), SCENE.roster)
    with pytest.raises(SignatureRefusedError, match="no say here"):
        opens(signed(document, "Audit House"), SCENE.roster)
    with pytest.raises(RosterRefusedError, match="names another roster"):
        opens(signed(replace(document, roster=Digest(bytes(32)))), SCENE.roster)
    for time, message in ((SCENE.roster.valid_from - 1, "not in force"), (SCENE.roster.valid_until + 1, "expired")):
        with pytest.raises(RosterRefusedError, match=message):
            opens(signed(replace(document, time=time)), SCENE.roster)


@pytest.mark.parametrize("document", [RECEIPT, ABANDONED])
@pytest.mark.parametrize(
    "changes",
    [
        {"decision": bytes(15)},
        {"decision": bytes(17)},
        {"decision": b""},
        {"sequence": -1},
        {"time": -1},
        {"time": LATEST + 1},
    ],
    ids=str,
)
def test_numbers_out_of_range_are_refused(document: Any, changes: dict[str, Any]) -> None:
    with pytest.raises(MalformedError):
        replace(document, **changes)


def test_a_receipt_is_named_by_its_signed_bytes_and_not_by_its_signatures() -> None:
    envelope = signed(RECEIPT)
    assert receipt_id(envelope) == receipt_id(signed(RECEIPT, "Audit House"))
    assert receipt_id(envelope) != receipt_id(signed(replace(RECEIPT, sequence=8)))


def test_an_opening_opens_its_receipt_and_no_other() -> None:
    assert [to_bytes(part) for part in OPENING.check(RECEIPT)] == [INPUT, OUTPUT]
    for changes, message in (
        ({"input": to_bytes(Text("4211.50"))}, "the input is not the one"),
        ({"output": OTHER_OUTPUT}, "the output is not the one"),
        ({"input_key": SCENE.key("output")}, "the key is not the one"),
        ({"output_key": bytes(32)}, "the key is not the one"),
    ):
        with pytest.raises(CommitmentBrokenError, match=message):
            replace(OPENING, **changes).check(RECEIPT)
    swapped = Opening(OUTPUT, SCENE.key("output"), INPUT, SCENE.key("input"))
    with pytest.raises(CommitmentBrokenError):
        swapped.check(RECEIPT)
    with pytest.raises(MalformedError, match="expected 32"):
        replace(OPENING, input_key=b"").check(RECEIPT)
