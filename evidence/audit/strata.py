"""Strata: a population in parts, each of which is examined as far as the plan wants the whole to be.

By model, a receipt itself says to which stratum it belongs. What else people ask about, outcomes and amounts, is hidden
behind its commitments; so the operator discloses a label for each decision before the sample is drawn, and the auditor
checks the labels of what is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import ClassVar, Final

from ..encoding import MalformedError
from ..receipt import Receipt
from ..values import Input, Output, Record, parse_decimal

MAX_STRATA: Final = 64
MAX_LABEL: Final = 64  # characters
ALL: Final = "all"
UNDISCLOSED: Final = "undisclosed"
MISSING: Final = "missing"


@dataclass(frozen=True, slots=True)
class ByModel:
    """A stratum for each model, by its id."""

    KIND: ClassVar[str] = "strata-by-model/v1"


@dataclass(frozen=True, slots=True)
class ByOutcome:
    """A stratum for each decision that the model's rule gives."""

    KIND: ClassVar[str] = "strata-by-outcome/v1"

    @staticmethod
    def label(_: Input, output: Output) -> str:
        """The stratum of a decision. Raises MalformedError for one that cannot be a label."""
        label = MISSING if output.decision is None else output.decision
        check_labels((label,))
        return label


@dataclass(frozen=True, slots=True)
class ByAmount:
    """A stratum for each band of a column: below the first bound, from each bound to the next, from the last on.

    Bounds are decimal texts in ascending order. Amounts are compared as the decimal numbers that they are written as.
    """

    KIND: ClassVar[str] = "strata-by-amount/v1"
    column: str
    bounds: tuple[str, ...]

    def __post_init__(self) -> None:
        if not 0 < len(self.bounds) < MAX_STRATA - 2:
            raise MalformedError(f"an amount is divided by 1 to {MAX_STRATA - 3} bounds")
        values = [_exact(bound) for bound in self.bounds]
        if any(later <= earlier for earlier, later in pairwise(values)):
            raise MalformedError("the bounds of an amount must ascend")
        check_labels(self.labels)

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the bands, from below."""
        between = (f"{low} to below {high}" for low, high in pairwise(self.bounds))
        return (f"below {self.bounds[0]}", *between, f"from {self.bounds[-1]}")

    def label(self, committed: Input, _: Output) -> str:
        """The stratum of a decision. Raises MalformedError for an amount that is no number."""
        entries = committed.entries if isinstance(committed, Record) else ()
        value = next((entry.value for entry in entries if entry.column == self.column), None)
        if value is None:
            return MISSING
        return self.labels[sum(_exact(bound) <= _exact(value) for bound in self.bounds)]


Strata = ByModel | ByOutcome | ByAmount


def check_labels(labels: Sequence[str]) -> None:
    """Raises MalformedError unless these can be names of strata: short, printable, and not what nothing is called."""
    for label in labels:
        if not 0 < len(label) <= MAX_LABEL or not label.isprintable() or label == UNDISCLOSED:
            raise MalformedError(f"{label[:MAX_LABEL]!r} cannot be the name of a stratum")


def stratum_of(receipt: Receipt, strata: Strata | None, disclosed: str | None) -> str:
    """The stratum in which a receipt is drawn; `disclosed` is what its operator says of it, if it says anything."""
    match strata:
        case None:
            return ALL
        case ByModel():
            return str(receipt.model)
    return UNDISCLOSED if disclosed is None else disclosed


def _exact(text: str) -> Decimal:
    parse_decimal(text)  # the same grammar as everywhere
    return Decimal(text)  # compared exactly, and without writing out what an exponent says
