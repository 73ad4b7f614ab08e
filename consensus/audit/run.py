"""The examination by the lead's own organisation: openings come from the operator, and are run again in batches.

What an operator does not hand over is open until the plan's time for it has passed, and then a deviation, if it was
asked before. What is found is written down as it is found, so an audit that dies goes on with what is left; which item
is examined when, and where, has no influence on what is found.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from ...evidence.audit.answers import Broken, NotHeld, Opened
from ...evidence.audit.draw import Drawn
from ...evidence.audit.examined import Examined
from ...evidence.audit.exhibit import Exhibit, exhibit_id
from ...evidence.audit.strata import ByAmount, ByOutcome
from ...evidence.documents import to_bytes
from ...evidence.encoding import MalformedError
from ...evidence.errors import ReperformError
from ...evidence.files import write_file
from ...evidence.receipt import DecisionFile, Receipt
from .ledger import Item, Ledger, Settled
from .replays import Event, Job, Outcome, Replays

AT_ONCE: Final = 64  # items that are asked for together
WRITE_EVERY: Final = 1.0  # seconds


class Source(Protocol):
    """Where openings come from."""

    def __call__(self, entries: Sequence[int]) -> Mapping[int, Opened]:
        """What the operator says about these entries, verified; nothing about those that it has not answered yet."""
        ...


@dataclass(slots=True)
class Examination:
    """One run over what is open in a ledger."""

    ledger: Ledger
    drawn: Drawn
    folder: Path  # for evidence
    clock: Callable[[], int]
    asks: bool = True  # whether the source is the operator's; where none was named, nobody is asked
    _under_way: dict[int, tuple[Item, DecisionFile]] = field(default_factory=dict)
    _settled: list[Settled] = field(default_factory=list)
    _events: list[Event] = field(default_factory=list)
    _written: float = field(default_factory=time.monotonic)

    def run(self, source: Source, replays: Replays) -> Iterator[int]:
        """Examine what can be examined now; how many items were settled, each time some are. Raises ReperformError."""
        try:
            for said in replays(self._jobs(source)):
                if isinstance(said, Event):
                    self._events.append(said)
                else:
                    self._settled.append(self._judge(said))
                if time.monotonic() - self._written > WRITE_EVERY:
                    yield self._write()
        except ReperformError:
            self._write()  # an operator or a cluster that is away takes nothing from what was found before
            raise
        yield self._write()

    def _jobs(self, source: Source) -> Iterator[Job]:
        after = -1
        while items := self.ledger.open_items(after, AT_ONCE):
            after = items[-1].entry
            answers = self._ask(source, [item.entry for item in items])
            for item in items:
                answer = answers.get(item.entry)
                if answer is None:
                    if self.clock() >= self.drawn.plan.answer_by:
                        self.ledger.check_asked()
                        self._settled.append(Settled(item.entry, Examined.MISSING, "no answer in time"))
                elif isinstance(answer, NotHeld):
                    self._settled.append(
                        Settled(item.entry, Examined.MISSING, f"the operator says that it has no opening: {answer}")
                    )
                elif isinstance(answer, Broken):
                    self._settled.append(self._broken(item, answer))
                else:
                    self._under_way[item.entry] = (item, answer)
                    yield Job(item.entry, answer.receipt.parse(Receipt), answer.opening.input)

    def _ask(self, source: Source, entries: Sequence[int]) -> Mapping[int, Opened]:
        """An operator that is away, or refuses, was asked all the same."""
        now = self.clock()
        try:
            return source(entries)
        finally:
            if self.asks and now < self.drawn.plan.answer_by:
                self.ledger.ask(now)

    def _broken(self, item: Item, answer: Broken) -> Settled:
        if answer.decision is None:
            return Settled(item.entry, Examined.BROKEN, answer.cause)
        return self._kept(item, Examined.BROKEN, answer.cause, Exhibit(answer.decision, None))

    def _judge(self, outcome: Outcome) -> Settled:
        item, decision = self._under_way.pop(outcome.entry)
        exhibit = Exhibit(decision, outcome.output)
        if outcome.output is None:
            return self._kept(item, Examined.INDETERMINATE, f"{outcome.reason}: {outcome.cause}", exhibit)
        if outcome.output != decision.opening.output:
            return self._kept(item, Examined.MISMATCH, "the pinned model gives another output", exhibit)
        strata = self.drawn.plan.strata
        if isinstance(strata, ByOutcome | ByAmount) and self._label(strata, decision) != item.stratum:
            return self._kept(item, Examined.MISLABELLED, "it belongs to another stratum than disclosed", exhibit)
        return Settled(item.entry, Examined.MATCH)

    @staticmethod
    def _label(strata: ByOutcome | ByAmount, decision: DecisionFile) -> str | None:
        try:
            return strata.label(*decision.opening.check(decision.receipt.parse(Receipt)))
        except MalformedError:
            return None

    def _kept(self, item: Item, finding: Examined, cause: str, exhibit: Exhibit) -> Settled:
        data = to_bytes(exhibit)
        write_file(self.folder / f"{item.entry:012d}.exhibit", data, mode=0o600)
        return Settled(item.entry, finding, cause, exhibit_id(data))

    def _write(self) -> int:
        self.ledger.settle(self._settled, self._events)
        done = len(self._settled)
        self._settled.clear()
        self._events.clear()
        self._written = time.monotonic()
        return done
