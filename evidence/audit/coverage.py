"""What a log held when it was audited: entries, decisions, numbers that were given up, and what is irregular."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, TypeVar

from ..accounts import Finding, Irregularity
from ..digest import Digest
from ..encoding import MalformedError
from ..receipt import AbandonReason

MAX_GAPS: Final = 1000  # gaps that are listed one by one; all are counted

K = TypeVar("K", bound=str)


@dataclass(frozen=True, slots=True)
class Count:
    """How many there are of something; what, says the field where it stands."""

    KIND: ClassVar[str] = "audit-count/v1"
    of: str
    number: int

    def __post_init__(self) -> None:
        if self.number <= 0:
            raise MalformedError("what there is none of is not counted")


@dataclass(frozen=True, slots=True)
class Gap:
    """Numbers of an executor, the first and the last, that are missing below one that is there, at `entry`."""

    KIND: ClassVar[str] = "audit-gap/v1"
    executor: Digest
    first: int
    last: int
    entry: int

    def __post_init__(self) -> None:
        if not 0 <= self.first <= self.last or self.entry < 0:
            raise MalformedError("a gap goes from a number to a later one")


@dataclass(frozen=True, slots=True)
class Coverage:
    """What the log held, from its first entry to the frozen checkpoint.

    `decisions` are those of the population. Numbers given up are counted by `AbandonReason`, and what is irregular by
    the name of its `Irregularity`, a gap as one; `missing` is how many numbers are in all gaps.
    """

    KIND: ClassVar[str] = "audit-coverage/v1"
    entries: int
    decisions: int
    abandoned: tuple[Count, ...]
    irregular: tuple[Count, ...]
    missing: int
    gaps: tuple[Gap, ...]

    def __post_init__(self) -> None:
        check_counts(self.abandoned, AbandonReason)
        check_counts(self.irregular, Irregularity.__members__)
        told = sum(gap.last - gap.first + 1 for gap in self.gaps)
        there = number_of(self.irregular, Irregularity.MISSING.name)
        untold = there - len(self.gaps)
        if (
            len(self.gaps) != min(there, MAX_GAPS)
            or self.missing - told < untold
            or (not untold and self.missing > told)
        ):
            raise MalformedError(f"the gaps are not those that are counted, up to {MAX_GAPS} of them")
        if not 0 <= self.decisions <= self.entries:
            raise MalformedError("decisions are among the entries")

    @classmethod
    def of(
        cls,
        entries: int,
        decisions: int,
        *,
        abandoned: Mapping[AbandonReason, int],
        irregular: Mapping[str, int],
        missing: int,
        gaps: Iterable[Finding],
    ) -> Coverage:
        """From what evidence/accounts.py counted; of `gaps`, findings of numbers that are missing, the first ones."""
        told = [
            Gap(gap.executor, *gap.numbers, gap.entry)
            for gap in gaps
            if gap.kind is Irregularity.MISSING and gap.executor is not None and gap.numbers is not None
        ]
        return cls(
            entries,
            decisions,
            counts(abandoned, AbandonReason),
            counts(irregular, Irregularity.__members__),
            missing,
            tuple(told[:MAX_GAPS]),
        )


def counts(numbers: Mapping[K, int], names: Iterable[K]) -> tuple[Count, ...]:
    """Numbers by name as a document has them: in the order of `names`, and none that are 0."""
    return tuple(Count(str(name), number) for name in names if (number := numbers.get(name, 0)))


def check_counts(found: Sequence[Count], names: Iterable[str]) -> None:
    """Raises MalformedError unless these are counts as `counts` makes them."""
    order = [str(name) for name in names]
    given = [count.of for count in found]
    if given != [name for name in order if name in given]:
        raise MalformedError(f"counts are of {', '.join(order)}, in this order")


def number_of(found: Sequence[Count], name: str) -> int:
    """How many there are of this."""
    return sum(count.number for count in found if count.of == name)
