"""The executor: a receipt for every decision, an abandonment for every other number, openings for nobody else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from reperform.evidence.documents import to_bytes
from reperform.evidence.dsse import Envelope, payload_type
from reperform.evidence.errors import ReperformError
from reperform.evidence.keyfile import KeyRing
from reperform.evidence.receipt import Abandonment, AbandonReason, Receipt, open_abandonment, open_receipt
from reperform.evidence.roster import RosterRefusedError, Suite
from reperform.evidence.values import Input, Output, Record
from reperform.executor.journal import Entry, JournalError
from reperform.executor.refusal import InputError
from reperform.executor.service import LogRefusedError
from reperform.executor.vault.store import OpenVault
from reperform.tests.protocol.executors import (
    ORIGIN,
    FileLog,
    FunctionModel,
    executor_of,
    held_on_disk,
    journal_of,
    read_envelopes,
    tree_hash,
    vault_of,
    with_log,
)
from reperform.tests.world import BANK, DOCKET, PANEL, START, World, model

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


class FlakyLog(FileLog):
    """A log that fails at its next writes as often as it is told: before the write, or after it."""

    def __init__(self, path: Path) -> None:
        self.failures: list[str] = []
        super().__init__(path)

    def append(self, envelopes: Sequence[Envelope]) -> range:
        """Append, or fail."""
        failure = self.failures.pop(0) if self.failures else ""
        if failure == "lost":
            raise UnreachableError("the log is away")
        places = super().append(envelopes)
        if failure == "persisted":
            raise UnreachableError("the log is away")
        return places


class UnreachableError(ReperformError):
    """What a log over a network raises."""


@pytest.fixture
def vault(world: World) -> Iterator[OpenVault]:
    """The bank's vault."""
    with vault_of(world.folder) as opened:
        yield opened


@pytest.mark.parametrize("suite", Suite)
def test_every_decision_has_a_receipt_that_its_opening_opens(tmp_path: Path, suite: Suite) -> None:
    world = World(tmp_path, suite)
    with journal_of(world) as journal, vault_of(world.folder) as vault:
        decisions = executor_of(world, journal, vault).decide(INPUTS)
        decisions += executor_of(world, journal, vault).decide(INPUTS[:1])
        entries = list(journal.entries())
    assert [decision.sequence for decision in decisions] == [0, 1, 2, 3]
    assert [entry.envelope for entry in entries] == [decision.file.receipt for decision in decisions]
    for decision, value in zip(decisions, [*INPUTS, INPUTS[0]], strict=True):
        receipt = open_receipt(decision.file.receipt, world.roster).document
        assert decision.file.opening.check(receipt) == (value, decision.output)
        assert (receipt.sequence, receipt.time) == (decision.sequence, START)
    assert len({d.file.opening.input_key for d in decisions} | {d.file.opening.output_key for d in decisions}) == 8


def test_the_vault_keeps_the_decision_file_that_was_handed_out(world: World, vault: OpenVault) -> None:
    with journal_of(world) as journal:
        decisions = executor_of(world, journal, vault).decide(INPUTS)
    for decision in decisions:
        assert vault.find(decision.file.receipt.parse(Receipt).decision) == decision.file


def test_nothing_on_disk_holds_input_or_output_in_the_clear(world: World, vault: OpenVault) -> None:
    with journal_of(world) as journal:
        (decision,) = executor_of(world, journal, vault).decide([Record.of({"income": "731942.68"})])
        held = held_on_disk(world.folder)
    opening = decision.file.opening
    assert decision.file.receipt.payload in held
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
    world: World, vault: OpenVault, error: BaseException, reason: AbandonReason
) -> None:
    with journal_of(world) as journal:
        with pytest.raises(type(error)):
            executor_of(world, journal, vault, running=Fails(error)).decide(INPUTS)
        assert journal.open_reservations() == ()
        (decision,) = executor_of(world, journal, vault).decide(INPUTS[:1])
        entries = list(journal.entries())
    assert decision.sequence == 3
    for entry in entries[:3]:
        given_up = open_abandonment(entry.envelope, world.roster).document
        assert (given_up.sequence, given_up.reason) == (entry.sequence, reason)
    assert [kept.decision for kept in vault.everything()] == [decision.file.receipt.parse(Receipt).decision]


def test_a_model_that_loses_an_answer_decides_nothing(world: World, vault: OpenVault) -> None:
    with journal_of(world) as journal:
        with pytest.raises(ValueError, match="shorter"):
            executor_of(world, journal, vault, running=Forgets()).decide(INPUTS)
        kinds = {entry.envelope.payload_type for entry in journal.entries()}
        assert (kinds, journal.open_reservations()) == ({payload_type(Abandonment)}, ())


def test_what_a_crash_left_open_is_abandoned_at_the_next_start(world: World, vault: OpenVault) -> None:
    with journal_of(world) as journal:
        reserved = journal.reserve(2)
    with journal_of(world) as journal:
        executor_of(world, journal, vault)
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
def test_a_roster_that_is_not_in_force_is_refused(
    world: World, vault: OpenVault, moment: Callable[[World], int], cause: str
) -> None:
    with journal_of(world) as journal:
        running = executor_of(world, journal, vault)
        world.now = moment(world)
        for attempt in (lambda: executor_of(world, journal, vault), lambda: running.decide(INPUTS)):
            with pytest.raises(RosterRefusedError, match=cause):
                attempt()
        assert list(journal.entries()) == []
        assert journal.open_reservations() == ()


@pytest.mark.parametrize("name", [DOCKET, PANEL[0]])
def test_a_key_that_is_no_operators_is_refused(world: World, vault: OpenVault, name: str) -> None:
    world.rings[BANK] = world.rings[name]
    with journal_of(world) as journal, pytest.raises(RosterRefusedError, match="not operator"):
        executor_of(world, journal, vault)


def test_a_key_that_is_not_on_the_roster_is_refused(world: World, vault: OpenVault) -> None:
    world.rings[BANK] = KeyRing.generate()
    with journal_of(world) as journal, pytest.raises(RosterRefusedError, match="is not on epoch 1"):
        executor_of(world, journal, vault)


def test_receipts_name_the_roster_in_force(world: World, vault: OpenVault) -> None:
    second = replace(world.roster, epoch=2, previous=world.roster.roster_id)
    with journal_of(world) as journal:
        (first,) = executor_of(world, journal, vault).decide(INPUTS[:1])
        world.roster = second
        (later,) = executor_of(world, journal, vault).decide(INPUTS[:1])
    assert later.file.receipt.parse(Receipt).roster == second.roster_id
    with pytest.raises(RosterRefusedError, match="another roster"):
        open_receipt(first.file.receipt, second)
    open_receipt(later.file.receipt, second)


def test_an_empty_batch_takes_no_numbers(world: World, vault: OpenVault) -> None:
    with journal_of(world) as journal:
        assert executor_of(world, journal, vault).decide([]) == []
        assert list(journal.entries()) == []


def test_receipts_and_abandonments_stand_in_the_log_and_name_what_it_was_before(world: World, vault: OpenVault) -> None:
    world.roster, log = with_log(world), FileLog(world.folder / "log")
    with journal_of(world) as journal:
        decisions = executor_of(world, journal, vault, log).decide(INPUTS)
        with pytest.raises(RuntimeError):
            executor_of(world, journal, vault, log, Fails(RuntimeError())).decide(INPUTS[:1])
        decisions += executor_of(world, journal, vault, log).decide(INPUTS[:1])
        entries = list(journal.entries())
    assert [entry.index for entry in entries] == [0, 1, 2, 3, 4]
    envelopes = read_envelopes(log)
    assert envelopes == [entry.envelope for entry in entries]
    assert [envelopes[decision.sequence] for decision in decisions] == [d.file.receipt for d in decisions]
    before = [
        envelope.parse(Abandonment).checkpoint if entry.abandoned else envelope.parse(Receipt).checkpoint
        for envelope, entry in zip(envelopes, entries, strict=True)
    ]
    assert [seen and (seen.origin, seen.size) for seen in before] == [(ORIGIN, size) for size in (0, 0, 0, 3, 4)]
    for seen in before:
        assert seen is not None
        assert seen.root.value == tree_hash(log.entries[: seen.size])


@pytest.mark.parametrize("failures", [["lost"], ["persisted"], ["lost", "lost"], ["lost", "persisted"]])
def test_what_the_log_did_not_take_is_entered_once_later_and_not_handed_out_before(
    world: World, vault: OpenVault, failures: list[str]
) -> None:
    world.roster, log = with_log(world), FlakyLog(world.folder / "log")
    with journal_of(world) as journal:
        executor = executor_of(world, journal, vault, log)
        log.failures = failures
        for _ in tuple(failures):
            with pytest.raises(UnreachableError):
                executor.decide(INPUTS)
        executor.decide(INPUTS[:1])
        entries = list(journal.entries())
    assert [entry.index for entry in entries] == [0, 1, 2, 3]
    assert read_envelopes(log) == [entry.envelope for entry in entries]
    assert len(vault.everything()) == len(entries)


def test_what_was_settled_before_there_was_a_log_enters_it(world: World, vault: OpenVault) -> None:
    with journal_of(world) as journal:
        executor_of(world, journal, vault).decide(INPUTS)
        world.roster, log = with_log(world), FileLog(world.folder / "log")
        executor_of(world, journal, vault, log)
        assert read_envelopes(log) == [entry.envelope for entry in journal.entries()]
        assert journal.unlogged(1) == ()


def test_a_log_that_is_not_the_rosters_is_refused(world: World, vault: OpenVault) -> None:
    log = FileLog(world.folder / "log")
    with journal_of(world) as journal:
        with pytest.raises(LogRefusedError, match="is not the log that the roster names; give none"):
            executor_of(world, journal, vault, log)
        world.roster = with_log(world)
        with pytest.raises(LogRefusedError, match=r"names the log log\.harbour.*give it with --log"):
            executor_of(world, journal, vault)
        assert world.roster.log is not None
        world.roster = replace(world.roster, log=replace(world.roster.log, origin="log.example/other"))
        with pytest.raises(LogRefusedError, match=r"is not the log that the roster names; give log\.example/other"):
            executor_of(world, journal, vault, log)
        assert journal.reserve(1)[0].sequence == 0


def test_a_log_that_has_lost_entries_is_decided_into_no_more(world: World, vault: OpenVault) -> None:
    world.roster, log = with_log(world), FileLog(world.folder / "log")
    with journal_of(world) as journal:
        executor = executor_of(world, journal, vault, log)
        executor.decide(INPUTS)
        log.entries.pop()
        for attempt in (lambda: executor.decide(INPUTS), lambda: executor_of(world, journal, vault, log)):
            with pytest.raises(LogRefusedError, match="has lost entries that it had acknowledged; decide nothing more"):
                attempt()
        assert journal.open_reservations() == ()


def test_a_number_whose_receipt_is_in_the_vault_keeps_it_after_a_crash(world: World, vault: OpenVault) -> None:
    with journal_of(world) as journal:
        executor = executor_of(world, journal, vault)
        record = journal.record

        def die(entries: Sequence[Entry]) -> None:
            if entries:
                raise JournalError("the disk is away")

        journal.record = die  # type: ignore[method-assign]
        with pytest.raises(JournalError, match="away"):
            executor.decide(INPUTS)
        journal.record = record  # type: ignore[method-assign]
        kept = [vault.read(each) for each in vault.everything()]
        vault.erase(vault.everything()[1], world.now)  # then nothing says any more that it was decided
        executor_of(world, journal, vault)
        entries = list(journal.entries())
    assert [entry.abandoned for entry in entries] == [False, True, False]
    assert [entries[i].envelope for i in (0, 2)] == [kept[i].receipt for i in (0, 2)]


def test_an_opening_of_a_number_that_was_abandoned_is_erased_at_the_next_start(world: World, vault: OpenVault) -> None:
    with journal_of(world) as journal:
        running = executor_of(world, journal, vault)
        (number,) = journal.reserve(1)
        seen = running._receipt(number, INPUTS[0], model(to_bytes(INPUTS[0])), None)
        aside = world.folder / "aside"
        aside.mkdir()
        with vault_of(aside) as another:  # given by mistake after a crash, so that the number is abandoned
            executor_of(world, journal, another)
        vault.keep([seen], world.now)
        vault.hold(vault.everything()[0], world.now + 10**9)
        executor_of(world, journal, vault)
        assert [entry.abandoned for entry in journal.entries()] == [True]
    assert vault.everything() == []
    kept = vault.kept(number.decision)
    assert kept is not None
    assert kept.erased == world.now


def test_a_decision_of_another_number_in_the_vault_is_not_taken(world: World, vault: OpenVault) -> None:
    with journal_of(world) as journal:
        running = executor_of(world, journal, vault)
        (number,) = journal.reserve(1)
        wrong = replace(number, sequence=7)
        vault.keep([running._receipt(wrong, INPUTS[0], model(to_bytes(INPUTS[0])), None)], world.now)
        with pytest.raises(JournalError, match="number 0 of the journal is another in the vault"):
            executor_of(world, journal, vault)
        assert journal.open_reservations() == (number,)
