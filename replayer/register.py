"""What a node notes for those who run it: `reperform node status` reads it while the node works."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Final, TypeVar

from ..consensus.proceeding import Phase, Proceeding, phase
from ..evidence.digest import Digest
from ..evidence.documents import Document, from_bytes, to_bytes
from .database import Database
from .duty import Duty, Work, owed

# A contact is noted so often (milliseconds), so that a node that waits does not write all the time.
CONTACT_EVERY: Final = 10_000


@dataclass(frozen=True, slots=True)
class SelfTested:
    """The self-test at the last start (milliseconds since 1970). `failure` is empty if the machine passed."""

    KIND: ClassVar[str] = "self-tested/v1"
    time: int
    vectors: int
    kernels: str
    failure: str


@dataclass(frozen=True, slots=True)
class Contact:
    """When the docket last answered (milliseconds since 1970)."""

    KIND: ClassVar[str] = "contact/v1"
    time: int


@dataclass(frozen=True, slots=True)
class Models:
    """The pinned models that are checked and ready to run."""

    KIND: ClassVar[str] = "models/v1"
    ids: tuple[Digest, ...]


Fact = TypeVar("Fact", SelfTested, Contact, Models)


class Register:
    """The facts and the cases in a node's database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._contact = 0
        self._models: frozenset[Digest] | None = None

    def tested(self, report: SelfTested) -> None:
        """Note how the self-test went."""
        self._note(report)

    def contact(self, now: int) -> None:
        """Note that the docket answered."""
        if now - self._contact >= CONTACT_EVERY:
            self._note(Contact(now))
            self._contact = now

    def models(self, ids: Iterable[Digest]) -> None:
        """Note which models are held."""
        held = frozenset(ids)
        if held != self._models:
            self._note(Models(tuple(sorted(held))))
            self._models = held

    def case(self, proceeding: Proceeding, node: Digest, now: int) -> None:
        """Note where a case stands, and what `node` owes in it."""
        if proceeding.case is None:
            return
        duty = owed(proceeding, node, now)
        work, due = (None, None) if duty is None else (duty.work.value, duty.due)
        row = (phase(proceeding, now).value, work, due, proceeding.case.document.deadlines.attestation)
        name = proceeding.filing_id.value
        if self._database.rows("SELECT phase, owed, due, ends FROM cases WHERE filing = ?", name) != [row]:
            self._database.write("INSERT OR REPLACE INTO cases VALUES (?, ?, ?, ?, ?)", name, *row)

    def fact(self, cls: type[Fact]) -> Fact | None:
        """What was noted last."""
        rows = self._database.rows("SELECT fact FROM facts WHERE name = ?", cls.KIND)
        return from_bytes(cls, rows[0][0]) if rows else None

    def phases(self, now: int) -> Counter[Phase]:
        """How many cases are in each phase."""
        rows = self._database.rows("SELECT iif(ends < ?, ?, phase), count(*) FROM cases GROUP BY 1", now, Phase.CLOSED)
        return Counter({Phase(name): count for name, count in rows})

    def duties(self, now: int) -> list[tuple[Digest, Duty]]:
        """What is owed in the cases that are not over, the most urgent first."""
        rows = self._database.rows(
            "SELECT filing, owed, due FROM cases WHERE owed IS NOT NULL AND due >= ? ORDER BY due, filing", now
        )
        return [(Digest(filing), Duty(Work(work), due)) for filing, work, due in rows]

    def _note(self, fact: Document) -> None:
        self._database.write("INSERT OR REPLACE INTO facts VALUES (?, ?)", fact.KIND, to_bytes(fact))
