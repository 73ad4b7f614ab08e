"""The executor: reserve a number, run the pinned model, commit, sign, keep the opening encrypted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..evidence.commitment import Commitment, Role, new_key
from ..evidence.digest import Digest
from ..evidence.documents import to_bytes
from ..evidence.dsse import Envelope
from ..evidence.keyfile import KeyRing
from ..evidence.manifest import Manifest
from ..evidence.receipt import Abandonment, AbandonReason, DecisionFile, Opening, Receipt
from ..evidence.roster import OrganisationRole, Roster
from ..evidence.sealing import Purpose, seal
from ..evidence.values import Input, Output
from .journal import Entry, Journal, Reservation
from .refusal import InputError

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


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision as its subject gets it."""

    sequence: int
    output: Output
    file: DecisionFile


class Executor:
    """Decides with one pinned model, under one key, one journal and the roster in force.

    `clock` gives milliseconds since 1970.
    """

    def __init__(self, model: Model, keys: KeyRing, roster: Roster, journal: Journal, clock: Clock) -> None:
        roster.member_as(keys.signing.public.key_id, OrganisationRole.OPERATOR)
        roster.check_time(clock())
        self._signers = roster.signers(keys)
        self._model = model
        self._keys = keys
        self._roster = roster
        self._journal = journal
        self._clock = clock
        self._abandon(journal.open_reservations(), AbandonReason.CRASHED)

    def decide(self, inputs: Sequence[Input]) -> list[Decision]:
        """Decide a batch; one receipt each. If the run fails, the numbers are abandoned and the error is raised.

        Raises ReperformError; whatever else a model raises is passed on, after the numbers are accounted for.
        """
        self._roster.check_time(self._clock())
        reserved = self._journal.reserve(len(inputs))
        try:
            outputs = self._model.run(inputs)
            decisions = [
                Decision(number.sequence, output, self._receipt(number, value, output))
                for number, value, output in zip(reserved, inputs, outputs, strict=True)
            ]
        except BaseException as error:
            refused = isinstance(error, InputError)
            self._abandon(reserved, AbandonReason.INPUT_REFUSED if refused else AbandonReason.RUN_FAILED)
            raise
        self._journal.record([self._entry(*pair) for pair in zip(reserved, decisions, strict=True)])
        return decisions

    def _receipt(self, number: Reservation, value: Input, output: Output) -> DecisionFile:
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
            checkpoint=None,
        )
        return DecisionFile(Envelope.sign(receipt, self._signers), opening)

    def _entry(self, number: Reservation, decision: Decision) -> Entry:
        sealed = seal(
            to_bytes(decision.file.opening),
            self._keys.sealing.public,
            purpose=Purpose.STORED_OPENING,
            context=number.decision,
        )
        return Entry(number.sequence, decision.file.receipt, sealed)

    def _abandon(self, reserved: Sequence[Reservation], reason: AbandonReason) -> None:
        entries = []
        for number in reserved:
            abandonment = Abandonment(
                decision=number.decision,
                executor=self._keys.signing.public.key_id,
                sequence=number.sequence,
                reason=reason,
                roster=self._roster.roster_id,
                time=self._clock(),
                checkpoint=None,
            )
            entries.append(Entry(number.sequence, Envelope.sign(abandonment, self._signers), None))
        if entries:
            self._journal.record(entries)
