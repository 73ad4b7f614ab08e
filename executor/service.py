"""The executor: reserve a number, run the pinned model, commit, sign, keep the opening encrypted, enter it in the log.

Each step is on disk before the next begins. Whatever a process leaves behind when it dies, the next one finishes: a
number with a decision file in the vault has its receipt, any other was abandoned; and what is settled enters the log
once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from ..evidence.commitment import Commitment, Role, new_key
from ..evidence.digest import Digest
from ..evidence.documents import to_bytes
from ..evidence.dsse import Envelope
from ..evidence.errors import ReperformError
from ..evidence.keyfile import KeyRing
from ..evidence.manifest import Manifest
from ..evidence.receipt import Abandonment, AbandonReason, DecisionFile, Opening, Receipt
from ..evidence.roster import OrganisationRole, Roster
from ..evidence.tlog.checkpoint import Checkpoint
from ..evidence.values import Input, Output
from .journal import Entry, Journal, JournalError, Reservation
from .refusal import InputError
from .vault.store import OpenVault

# How many entries are looked up in the log at once, after a crash.
LOG_BATCH: Final = 1000

Clock = Callable[[], int]


class Model(Protocol):
    """What an executor needs of a pinned model; `model.PinnedModel` is one."""

    @property
    def manifest(self) -> Manifest: ...

    @property
    def model_id(self) -> Digest: ...

    def run(self, inputs: Sequence[Input]) -> list[Output]:
        """One output per input; the results do not depend on the batch. Raises InputError, or ReperformError."""
        ...


class Log(Protocol):
    """What an executor needs of the log that its roster names. Entries are envelopes."""

    @property
    def origin(self) -> str:
        """The log's name."""
        ...

    def seen(self) -> Checkpoint | None:
        """The newest checkpoint of the log that has been seen; None before the first."""
        ...

    def find(self, envelopes: Sequence[Envelope]) -> Sequence[int | None]:
        """Where entries with exactly these bytes stand in the log; None for one that does not."""
        ...

    def append(self, envelopes: Sequence[Envelope]) -> Sequence[int]:
        """Enter them; their indices. When it returns, they stand there whatever happens to this machine."""
        ...


class LogRefusedError(ReperformError):
    """A log that is not the one that the roster names, or has lost what was entered in it."""


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision as its subject gets it."""

    sequence: int
    output: Output
    file: DecisionFile


class Executor:
    """Decides with one pinned model, under one key, one journal, one vault, and the roster in force with its log.

    `clock` gives milliseconds since 1970.
    """

    def __init__(
        self,
        model: Model,
        keys: KeyRing,
        roster: Roster,
        *,
        journal: Journal,
        vault: OpenVault,
        log: Log | None,
        clock: Clock,
    ) -> None:
        roster.member_as(keys.signing.public.key_id, OrganisationRole.OPERATOR)
        roster.check_time(clock())
        _check_origin(roster, log)
        self._signers = roster.signers(keys)
        self._model = model
        self._keys = keys
        self._roster = roster
        self._journal = journal
        self._vault = vault
        self._log = log
        self._clock = clock
        self._finish()
        vault.forget(journal.abandoned(), clock())

    def decide(self, inputs: Sequence[Input]) -> list[Decision]:
        """Decide a batch; one receipt each. If the run fails, the numbers are abandoned and the error is raised.

        Raises ReperformError; whatever else a model raises is passed on, after the numbers are accounted for.
        """
        self._roster.check_time(self._clock())
        self._finish()  # a disk or a log may have failed under the batch before
        seen = self._seen()
        reserved = self._journal.reserve(len(inputs))
        try:
            outputs = self._model.run(inputs)
            decisions = [
                Decision(number.sequence, output, self._receipt(number, value, output, seen))
                for number, value, output in zip(reserved, inputs, outputs, strict=True)
            ]
        except BaseException as error:
            refused = isinstance(error, InputError)
            reason = AbandonReason.INPUT_REFUSED if refused else AbandonReason.RUN_FAILED
            self._settle([self._abandonment(number, reason, seen) for number in reserved])
            raise
        self._vault.keep([decision.file for decision in decisions], self._clock())
        self._settle([Entry(decision.sequence, decision.file.receipt) for decision in decisions])
        return decisions

    def _finish(self) -> None:
        """Settle every number that is open, and enter in the log what does not stand in it."""
        seen = self._seen()
        self._journal.record([self._found(number, seen) for number in self._journal.open_reservations()])
        while self._log is not None and (waiting := self._journal.unlogged(LOG_BATCH)):
            places = self._log.find([entry.envelope for entry in waiting])
            pairs = list(zip(waiting, places, strict=True))
            self._journal.place({entry.sequence: place for entry, place in pairs if place is not None})
            self._enter([entry for entry, place in pairs if place is None])

    def _found(self, number: Reservation, seen: Checkpoint | None) -> Entry:
        """What became of a number that a process left open. It has been signed if its decision file is in the vault."""
        file = self._vault.find(number.decision)
        if file is None:
            return self._abandonment(number, AbandonReason.CRASHED, seen)
        if file.receipt.parse(Receipt).sequence != number.sequence:
            raise JournalError(f"number {number.sequence} of the journal is another in the vault")
        return Entry(number.sequence, file.receipt)

    def _settle(self, entries: Sequence[Entry]) -> None:
        self._journal.record(entries)
        self._enter(entries)

    def _enter(self, entries: Sequence[Entry]) -> None:
        if self._log is not None and entries:
            places = self._log.append([entry.envelope for entry in entries])
            self._journal.place({entry.sequence: at for entry, at in zip(entries, places, strict=True)})

    def _seen(self) -> Checkpoint | None:
        """The log's newest checkpoint. Raises LogRefusedError if the log is smaller than it was."""
        seen = None if self._log is None else self._log.seen()
        if self._log is not None and (seen.size if seen else 0) < self._journal.logged():
            raise LogRefusedError(
                f"the log {self._log.origin} has lost entries that it had acknowledged",
                advice="decide nothing more; restore the log, and run `reperform log fsck`",
            )
        return seen

    def _receipt(self, number: Reservation, value: Input, output: Output, seen: Checkpoint | None) -> DecisionFile:
        opening = Opening(to_bytes(value), new_key(), to_bytes(output), new_key())
        receipt = Receipt(
            decision=number.decision,
            executor=self._keys.signing.public.key_id,
            sequence=number.sequence,
            model=self._model.model_id,
            execution_class=self._model.manifest.execution_class,
            input=Commitment.make(Role.INPUT, opening.input, opening.input_key),
            output=Commitment.make(Role.OUTPUT, opening.output, opening.output_key),
            roster=self._roster.roster_id,
            time=self._clock(),
            checkpoint=seen,
        )
        return DecisionFile(Envelope.sign(receipt, self._signers), opening)

    def _abandonment(self, number: Reservation, reason: AbandonReason, seen: Checkpoint | None) -> Entry:
        abandonment = Abandonment(
            decision=number.decision,
            executor=self._keys.signing.public.key_id,
            sequence=number.sequence,
            reason=reason,
            roster=self._roster.roster_id,
            time=self._clock(),
            checkpoint=seen,
        )
        return Entry(number.sequence, Envelope.sign(abandonment, self._signers))


def _check_origin(roster: Roster, log: Log | None) -> None:
    named = None if roster.log is None else roster.log.origin
    given = None if log is None else log.origin
    if given is None and named is not None:
        raise LogRefusedError(f"the roster names the log {named}, and none is given", advice="give it with --log")
    if given != named:
        raise LogRefusedError(
            f"{given} is not the log that the roster names", advice=f"give {named}" if named else "give none"
        )
