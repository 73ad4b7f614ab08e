"""The executor: a receipt for every decision, an abandonment for every other number, openings for nobody else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from reperform.evidence.documents import from_bytes
from reperform.evidence.dsse import payload_type
from reperform.evidence.errors import ReperformError
from reperform.evidence.keyfile import KeyRing
from reperform.evidence.receipt import Abandonment, AbandonReason, Opening, Receipt, open_abandonment, open_receipt
from reperform.evidence.roster import RosterRefusedError, Suite
from reperform.evidence.sealing import Purpose, SealBrokenError
from reperform.evidence.values import Input, Output, Record
from reperform.executor.journal import Journal
from reperform.executor.refusal import InputError
from reperform.executor.service import Executor
from reperform.tests.protocol.killed_executor import FunctionModel
from reperform.tests.world import BANK, DOCKET, PANEL, START, World

INPUTS = [Record.of({"income": str(1000 + i)}) for i in range(3)]


class Fails(FunctionModel):
    """A model that cannot run."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def run(self, inputs: Sequence[Input]) -> list[Output]:  # noqa: ARG002 -- it never gets that far
        """Never."""
        raise self.error


class Forgets(FunctionModel):
    """A model that answers one input less than it was given."""

    def run(self, inputs: Sequence[Input]) -> list[Output]:
        """All but the last."""
        return super().run(inputs)[:-1]


def journal_of(world: World) -> Journal:
    """The bank's journal."""
    return Journal(world.folder / "journal", world.rings[BANK].signing.public.key_id)


def executor(world: World, journal: Journal, model: FunctionModel | None = None) -> Executor:
    """The bank's executor."""
    return Executor(model or FunctionModel(), world.rings[BANK], world.roster, journal, lambda: world.now)


@pytest.mark.parametrize("suite", Suite)
def test_every_decision_has_a_receipt_that_its_opening_opens(tmp_path: Path, suite: Suite) -> None:
    world = World(tmp_path, suite)
    with journal_of(world) as journal:
        decisions = executor(world, journal).decide(INPUTS)
        decisions += executor(world, journal).decide(INPUTS[:1])
        entries = list(journal.entries())
    assert [decision.sequence for decision in decisions] == [0, 1, 2, 3]
    assert [entry.envelope for entry in entries] == [decision.file.receipt for decision in decisions]
    for decision, value in zip(decisions, [*INPUTS, INPUTS[0]], strict=True):
        receipt = open_receipt(decision.file.receipt, world.roster).document
        assert decision.file.opening.check(receipt) == (value, decision.output)
        assert (receipt.sequence, receipt.time) == (decision.sequence, START)
    assert len({d.file.opening.input_key for d in decisions} | {d.file.opening.output_key for d in decisions}) == 8


def test_stored_openings_unseal_with_the_executors_key_only_and_open_their_receipts(world: World) -> None:
    with journal_of(world) as journal:
        decisions = executor(world, journal).decide(INPUTS)
        entries = list(journal.entries())
    receipts = [entry.envelope.parse(Receipt) for entry in entries]
    for entry, decision, receipt in zip(entries, decisions, receipts, strict=True):
        sealed = entry.sealed_opening
        assert sealed is not None
        own = world.rings[BANK].sealing
        message = own.open(sealed, purpose=Purpose.STORED_OPENING, context=receipt.decision)
        opening = from_bytes(Opening, message)
        assert opening == decision.file.opening
        opening.check(receipt)
        strangers = [world.rings[name].sealing for name in (DOCKET, *PANEL)] + [KeyRing.generate().sealing]
        for key in strangers:
            with pytest.raises(SealBrokenError):
                key.open(sealed, purpose=Purpose.STORED_OPENING, context=receipt.decision)
        for context in (other.decision for other in receipts if other != receipt):
            with pytest.raises(SealBrokenError):
                own.open(sealed, purpose=Purpose.STORED_OPENING, context=context)


def test_the_journal_holds_nothing_of_input_or_output_in_the_clear(world: World) -> None:
    with journal_of(world) as journal:
        (decision,) = executor(world, journal).decide([Record.of({"income": "731942.68"})])
        held = b"".join(path.read_bytes() for path in world.folder.glob("journal*"))
    opening = decision.file.opening
    for secret in (b"731942.68", opening.input, opening.input_key, opening.output, opening.output_key):
        assert secret not in held


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (InputError("a column is missing"), AbandonReason.INPUT_REFUSED),
        (ReperformError("the run stopped"), AbandonReason.RUN_FAILED),
        (RuntimeError("a bug"), AbandonReason.RUN_FAILED),
        (MemoryError(), AbandonReason.RUN_FAILED),
        (KeyboardInterrupt(), AbandonReason.RUN_FAILED),
    ],
)
def test_a_failing_run_abandons_its_numbers_and_the_next_goes_on(
    world: World, error: BaseException, reason: AbandonReason
) -> None:
    with journal_of(world) as journal:
        with pytest.raises(type(error)):
            executor(world, journal, Fails(error)).decide(INPUTS)
        assert journal.open_reservations() == ()
        (decision,) = executor(world, journal).decide(INPUTS[:1])
        entries = list(journal.entries())
    assert decision.sequence == 3
    for entry in entries[:3]:
        given_up = open_abandonment(entry.envelope, world.roster).document
        assert (given_up.sequence, given_up.reason) == (entry.sequence, reason)
        assert entry.sealed_opening is None


def test_a_model_that_loses_an_answer_decides_nothing(world: World) -> None:
    with journal_of(world) as journal:
        with pytest.raises(ValueError, match="shorter"):
            executor(world, journal, Forgets()).decide(INPUTS)
        kinds = {entry.envelope.payload_type for entry in journal.entries()}
        assert (kinds, journal.open_reservations()) == ({payload_type(Abandonment)}, ())


def test_what_a_crash_left_open_is_abandoned_at_the_next_start(world: World) -> None:
    with journal_of(world) as journal:
        reserved = journal.reserve(2)
    with journal_of(world) as journal:
        executor(world, journal)
        entries = list(journal.entries())
    found = [open_abandonment(entry.envelope, world.roster).document for entry in entries]
    assert [(a.sequence, a.decision, a.reason) for a in found] == [
        (number.sequence, number.decision, AbandonReason.CRASHED) for number in reserved
    ]


@pytest.mark.parametrize(
    ("moment", "cause"),
    [
        (lambda world: world.roster.valid_until + 1, "has expired; get the current epoch"),
        (lambda world: world.roster.valid_from - 1, "is not in force yet"),
    ],
)
def test_a_roster_that_is_not_in_force_is_refused(world: World, moment: Callable[[World], int], cause: str) -> None:
    with journal_of(world) as journal:
        running = executor(world, journal)
        world.now = moment(world)
        for attempt in (lambda: executor(world, journal), lambda: running.decide(INPUTS)):
            with pytest.raises(RosterRefusedError, match=cause):
                attempt()
        assert list(journal.entries()) == []
        assert journal.open_reservations() == ()


@pytest.mark.parametrize("name", [DOCKET, PANEL[0]])
def test_a_key_that_is_no_operators_is_refused(world: World, name: str) -> None:
    ring = world.rings[name]
    with (
        Journal(world.folder / name, ring.signing.public.key_id) as journal,
        pytest.raises(RosterRefusedError, match="not operator"),
    ):
        Executor(FunctionModel(), ring, world.roster, journal, lambda: world.now)


def test_a_key_that_is_not_on_the_roster_is_refused(world: World) -> None:
    ring = KeyRing.generate()
    with (
        Journal(world.folder / "journal", ring.signing.public.key_id) as journal,
        pytest.raises(RosterRefusedError, match="is not on epoch 1"),
    ):
        Executor(FunctionModel(), ring, world.roster, journal, lambda: world.now)


def test_receipts_name_the_roster_in_force(world: World) -> None:
    second = replace(world.roster, epoch=2, previous=world.roster.roster_id)
    with journal_of(world) as journal:
        (first,) = executor(world, journal).decide(INPUTS[:1])
        world.roster = second
        (later,) = executor(world, journal).decide(INPUTS[:1])
    assert later.file.receipt.parse(Receipt).roster == second.roster_id
    with pytest.raises(RosterRefusedError, match="another roster"):
        open_receipt(first.file.receipt, second)
    open_receipt(later.file.receipt, second)


def test_an_empty_batch_takes_no_numbers(world: World) -> None:
    with journal_of(world) as journal:
        assert executor(world, journal).decide([]) == []
        assert list(journal.entries()) == []
