"""What the dumps of tree libraries have in common: named features become columns, and trees a Candidate."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

import torch

from ....evidence.inputs import CategoryColumn, Missing, NumberColumn, RecordInput, Unknown
from ....evidence.rules import Largest, Rule, Threshold
from ....evidence.values import Input, Record, parse_decimal
from ..candidate import Candidate
from ..errors import PinError
from .ensemble import Ensemble, Link
from .notes import Note

# Both sides compute with the same numbers; float32 and its functions leave some 1e-6 of the output's size.
TOLERANCE: Final = 1e-5

# From the features of one row as the library is given them to its raw outputs, all binary64: a category by its number,
# -1 if it is unknown, and NaN where there is no value.
Raw = Callable[[Sequence[float]], Sequence[float]]


@dataclass(frozen=True, slots=True)
class Columns:
    """The features of a dump, by name, and for each the library's numbers of its categories; None for a number.

    A number is two elements of a row: the value, 0 where it is missing, and a mark. A category is one element for
    each, and one more for a missing one.
    """

    names: Sequence[str]
    categories: Sequence[Mapping[str, int] | None]
    unknown: Unknown

    def __post_init__(self) -> None:
        if len(set(self.names)) != len(self.names) or not all(self.names):
            raise PinError("the dump does not name its features, each once", advice="train it with names of features")

    def firsts(self) -> list[int]:
        """The first element of each feature."""
        return list(accumulate((2 if known is None else len(known) + 1 for known in self.categories), initial=0))

    def spec(self, notes: Mapping[str, Note]) -> RecordInput:
        """What the model takes. Raises PinError for a note on a column that is none."""
        if stray := sorted(notes.keys() - set(self.names)):
            raise PinError(f"there is a note on a column {stray[0]!r:.60}, which the dump does not have")
        for name, known in zip(self.names, self.categories, strict=True):
            if known is None and notes.get(name, Note()).categories:
                raise PinError(f"there are categories for the column {name!r:.60}, which the dump takes as a number")
        return RecordInput(
            tuple(
                _column(name, known, notes.get(name, Note()), self.unknown)
                for name, known in zip(self.names, self.categories, strict=True)
            )
        )

    def features(self, record: Record) -> list[float]:
        """What the library would be given."""
        values = {entry.column: entry.value for entry in record.entries}
        return [_raw(values[name], known) for name, known in zip(self.names, self.categories, strict=True)]


def candidate(  # noqa: PLR0917
    name: str,
    module: Ensemble,
    columns: Columns,
    notes: Mapping[str, Note],
    examples: Sequence[Input],
    labels: Sequence[str],
    raw: Raw,
) -> Candidate:
    """A Candidate whose original is the dump itself, walked node by node: `raw` gives its raw outputs."""
    outputs = len(module.base)
    decides = module.link in (Link.SIGMOID, Link.SOFTMAX)

    def original(one: Input) -> list[torch.Tensor]:
        if not isinstance(one, Record):
            raise PinError("an example of an ensemble of trees is a record")
        given = _linked(module.link, raw(columns.features(one)))
        return [torch.tensor(given if outputs > 1 else given[0], dtype=torch.float64)]

    return Candidate(
        name,
        module,
        examples,
        columns.spec(notes),
        ["probability" if decides else "value"],
        _rule(outputs, labels) if decides else None,
        original=original,
        tolerance=TOLERANCE,
    )


def _rule(outputs: int, labels: Sequence[str]) -> Rule:
    classes = tuple(labels) or tuple(map(str, range(max(2, outputs))))
    if len(classes) != max(2, outputs):
        raise PinError(f"there are {len(classes)} labels for {max(2, outputs)} classes")
    if outputs == 1:
        return Threshold(at="0.5", at_or_above=classes[1], below=classes[0])
    return Largest(classes)


def _column(name: str, known: Mapping[str, int] | None, note: Note, unknown: Unknown) -> NumberColumn | CategoryColumn:
    if known is None:
        return NumberColumn(name, note.description, unit=note.unit, missing=Missing.MARKED, stand_in="0.0")
    missing = "missing"
    while missing in known:
        missing = f"({missing})"
    return CategoryColumn(name, note.description, (*known, missing), unknown, missing)


def _raw(value: str | None, known: Mapping[str, int] | None) -> float:
    if value is None:
        return math.nan
    if known is None:
        return parse_decimal(value)
    return float(known.get(value, -1))


def _linked(link: Link, raw: Sequence[float]) -> list[float]:
    match link:
        case Link.IDENTITY:
            return list(raw)
        case Link.SIGMOID:
            return [1 / (1 + math.exp(-max(x, -700.0))) for x in raw]
        case Link.SOFTMAX:
            powers = [math.exp(x - max(raw)) for x in raw]
            return [power / math.fsum(powers) for power in powers]
        case Link.EXP:
            return [math.exp(x) for x in raw]
