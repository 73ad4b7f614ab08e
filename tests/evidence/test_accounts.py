"""Every number accounted for, from the entries of a log alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from reperform.evidence.accounts import Accounts, Finding, Irregularity
from reperform.evidence.digest import Digest
from reperform.evidence.documents import to_bytes
from reperform.evidence.dsse import Envelope
from reperform.evidence.receipt import Abandonment, AbandonReason
from reperform.evidence.tlog.tree import root
from reperform.tests.evidence.ledger import ORIGIN, Ledger
from reperform.tests.evidence.scene import BANK, DOCKET, START, Scene, ring

SCENE = Scene(witnesses=0)
EXECUTOR = SCENE.node_id(BANK)
EMPTY = replace(Ledger.of(ring("log"), post_quantum=False), entries=())
START_OF_LOG = EMPTY.checkpoint()


def receipt(number: int, by: str = BANK, **changes: object) -> bytes:
    document = SCENE.receipt(**{"sequence": number, "checkpoint": START_OF_LOG, **changes})
    return to_bytes(Envelope.sign(document, SCENE.signers(by)))


def abandonment(number: int) -> bytes:
    document = Abandonment(
        bytes(16), EXECUTOR, number, AbandonReason.CRASHED, SCENE.roster.roster_id, START, START_OF_LOG
    )
    return to_bytes(Envelope.sign(document, SCENE.signers(BANK)))


def findings(entries: Sequence[bytes]) -> list[Finding]:
    log = replace(EMPTY, entries=tuple(entries))
    accounts = Accounts(ORIGIN, [SCENE.roster], lambda size: root(size, log.read))
    found = [finding for index, entry in enumerate(entries) for finding in accounts.take(index, entry).findings]
    return [*found, *accounts.missing()]


def kinds(entries: Sequence[bytes]) -> list[Irregularity]:
    return [finding.kind for finding in findings(entries)]


RECEIPTS = [receipt(number) for number in range(12)]


@given(st.lists(st.integers(0, 11), max_size=16))
def test_gaps_and_doubles_are_those_of_a_set_of_numbers(numbers: list[int]) -> None:
    found = findings([RECEIPTS[number] for number in numbers])
    missing = [
        n for f in found if f.kind is Irregularity.MISSING and f.numbers for n in range(f.numbers[0], f.numbers[1] + 1)
    ]
    assert missing == sorted(set(range(max(numbers, default=-1) + 1)) - set(numbers))
    twice = [f.entry for f in found if f.kind is Irregularity.TWICE]
    assert twice == [at for at, number in enumerate(numbers) if number in numbers[:at]]


def test_a_number_that_was_given_up_is_accounted_for() -> None:
    assert findings([receipt(0), abandonment(1), receipt(2)]) == []
    assert findings([receipt(0), receipt(2)]) == [Finding(Irregularity.MISSING, 1, EXECUTOR, (1, 1))]


def test_a_gap_of_any_size_is_one_finding() -> None:
    assert findings([receipt(2**62)]) == [Finding(Irregularity.MISSING, 0, EXECUTOR, (0, 2**62 - 1))]


def test_only_what_an_executor_signed_fills_a_gap() -> None:
    forged = receipt(1, by=DOCKET)
    unknown = receipt(1, roster=Digest(bytes(32)))
    for entry in (forged, unknown):
        assert kinds([receipt(0), entry, receipt(2)]) == [Irregularity.UNSIGNED, Irregularity.MISSING]


def test_rosters_and_statements_are_about_no_number() -> None:
    roster = to_bytes(Envelope.sign(SCENE.roster, SCENE.root_keys[:2]))
    assert findings([roster, b"", b"no document", receipt(0)]) == []


def test_a_receipt_names_a_checkpoint_of_this_logs_history() -> None:
    first = receipt(0)
    grown = replace(EMPTY, entries=(first,)).checkpoint()
    assert findings([first, receipt(1, checkpoint=grown)]) == []
    for checkpoint, kind in (
        (None, Irregularity.NO_CHECKPOINT),
        (replace(grown, origin="another.example"), Irregularity.NO_CHECKPOINT),
        (replace(grown, size=2), Irregularity.AHEAD),
        (replace(grown, root=Digest(bytes(32))), Irregularity.ANOTHER_HISTORY),
    ):
        assert findings([first, receipt(1, checkpoint=checkpoint)]) == [Finding(kind, 1, EXECUTOR, (1, 1))]
