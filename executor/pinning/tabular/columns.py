"""The features of a model of records, each computed from one column as its library computes it.

A number stays a number. A category, and whether a value is missing, become a place in a table, so that whatever a
library makes of them (one of several elements, a code, a group, any of these standardised) is an exact look-up.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from ....evidence.inputs import CategoryColumn, Missing, NumberColumn, RecordInput, Unknown
from ..errors import PinError
from .notes import Note
from .trees import Array


@dataclass(frozen=True, slots=True)
class Number:
    """(value - mean) / scale. A missing value is taken for `stand_in`, in the column's own unit, if there is one."""

    column: str
    mean: float = 0.0
    scale: float = 1.0
    stand_in: float | str | None = None


@dataclass(frozen=True, slots=True)
class Domain:
    """The categories of a column: their texts, and what the library is given for each.

    A missing value is taken for `stand_in`, one of the texts; None refuses it.
    """

    column: str
    texts: tuple[str, ...]
    given: tuple[object, ...]
    stand_in: str | None
    unknown: Unknown


@dataclass(frozen=True, slots=True)
class Table:
    """A number for an unknown category, and then one for each of the domain's. NaN: as if no value were there."""

    domain: Domain
    values: tuple[float, ...]

    @property
    def column(self) -> str:
        """Where the category stands."""
        return self.domain.column


@dataclass(frozen=True, slots=True)
class Mark:
    """A number for a value that is there, and one for a missing value."""

    column: str
    values: tuple[float, ...] = (0.0, 1.0)


Feature = Number | Table | Mark


class Features(nn.Module):
    """Rows of a RecordInput to its features: elements as they are, and look-ups."""

    element: torch.Tensor
    told: torch.Tensor
    place: torch.Tensor
    which: torch.Tensor
    first: torch.Tensor
    table: torch.Tensor
    order: torch.Tensor

    def __init__(self, spec: RecordInput, features: Sequence[Feature]) -> None:
        super().__init__()
        widths = [0, *(column.width for column in spec.columns)]
        starts = dict(zip((c.name for c in spec.columns), np.cumsum(widths).tolist(), strict=False))
        tables = [feature for feature in features if not isinstance(feature, Number)]
        # The elements of the row that tell a feature's place: each is 1 for one place, and all are 0 for the first.
        told = [_told(feature, starts[feature.column]) for feature in tables]
        distinct = list(dict.fromkeys(told))
        ends = np.cumsum([len(elements) for elements in distinct])
        place = np.zeros((len(distinct), sum(map(len, distinct))))
        for row, (elements, end) in enumerate(zip(distinct, ends, strict=True)):
            place[row, end - len(elements) : end] = np.arange(len(elements)) + 1
        is_table = np.array([not isinstance(feature, Number) for feature in features])
        self._keep("element", np.array([starts[f.column] for f in features if isinstance(f, Number)], np.int64))
        self._keep("told", np.array([element for elements in distinct for element in elements], np.int64))
        self._keep("place", place.astype(np.float32))
        self._keep("which", np.array([distinct.index(elements) for elements in told], np.int64))
        self._keep("first", np.cumsum([0, *(len(feature.values) for feature in tables)])[:-1])
        self._keep("table", np.array([value for feature in tables for value in feature.values], np.float32))
        self._keep("order", np.argsort(np.argsort(is_table, kind="stable")))

    def forward(self, row: torch.Tensor) -> torch.Tensor:
        """float32 [batch, width] to float32 [batch, features]."""
        parts = []
        if len(self.element):
            parts.append(row.index_select(1, self.element))
        if len(self.which):
            # Ones times whole numbers: exact.
            place = nn.functional.linear(row.index_select(1, self.told), self.place).to(torch.int64)
            parts.append(self.table[place.index_select(1, self.which) + self.first])
        return torch.cat(parts, 1).index_select(1, self.order)

    def _keep(self, name: str, table: Array) -> None:
        self.register_buffer(name, torch.from_numpy(np.ascontiguousarray(table)))


def _told(feature: Table | Mark, start: int) -> tuple[int, ...]:
    return (start + 1,) if isinstance(feature, Mark) else tuple(range(start, start + len(feature.domain.texts)))


def lay_out(
    features: Sequence[Feature], notes: Mapping[str, Note], *, may_miss: bool
) -> tuple[RecordInput, Features, list[int | None]]:
    """What a model takes, and the module that computes its features and behind them marks.

    Where a feature has no value and the model takes that (`may_miss`), its mark is 1; the list says which element is
    each feature's mark. Otherwise such an input is refused. Raises PinError for two uses of a column that one column
    cannot serve.
    """
    if not features:
        raise PinError("the model has no features")
    if may_miss:
        marks = [_mark(feature) for feature in features]
        features = [_filled(feature) for feature in features]
    else:
        marks = [None] * len(features)
        features = _without_nan(features)
    at = iter(range(len(features), 2 * len(features)))
    every = [*features, *(mark for mark in marks if mark is not None)]
    spec = RecordInput(tuple(_column(uses, notes) for uses in _by_column(every).values()))
    if stray := sorted(notes.keys() - {column.name for column in spec.columns}):
        raise PinError(f"there is a note on a column {stray[0]!r:.60}, which the model does not use")
    return spec, Features(spec, every), [None if mark is None else next(at) for mark in marks]


def _by_column(features: Sequence[Feature]) -> dict[str, list[Feature]]:
    uses: dict[str, list[Feature]] = {}
    for feature in features:
        uses.setdefault(feature.column, []).append(feature)
    return uses


def _mark(feature: Feature) -> Table | Mark | None:
    """What is 1 where a feature has no value; None if it always has one."""
    if isinstance(feature, Number):
        return Mark(feature.column) if feature.stand_in is None else None
    if not any(map(math.isnan, feature.values)):
        return None
    return replace(feature, values=tuple(float(math.isnan(value)) for value in feature.values))


def _filled(feature: Feature) -> Feature:
    if isinstance(feature, Number):
        return feature if feature.stand_in is not None else replace(feature, stand_in=feature.mean)
    return replace(feature, values=tuple(0.0 if math.isnan(value) else value for value in feature.values))


def _without_nan(features: Sequence[Feature]) -> list[Feature]:
    """The same features of domains that lack what would be NaN in one of them: such an input is refused."""
    nan: dict[Domain, Array] = {}
    for feature in features:
        if isinstance(feature, Table):
            nan[feature.domain] = nan.get(feature.domain, np.False_) | np.isnan(feature.values)
    return [_without(f, nan[f.domain].tolist()) if isinstance(f, Table) else f for f in features]


def _without(table: Table, nan: Sequence[bool]) -> Table:
    domain = table.domain
    kept = [place for place, is_nan in enumerate(nan[1:]) if not is_nan]
    closed = Domain(
        domain.column,
        tuple(domain.texts[place] for place in kept),
        tuple(domain.given[place] for place in kept),
        None if domain.stand_in is None or nan[1 + domain.texts.index(domain.stand_in)] else domain.stand_in,
        Unknown.REFUSED if nan[0] else domain.unknown,
    )
    return Table(closed, (0.0 if nan[0] else table.values[0], *(table.values[1 + place] for place in kept)))


def _column(uses: Sequence[Feature], notes: Mapping[str, Note]) -> NumberColumn | CategoryColumn:
    """The column that serves all features computed from it."""
    name = uses[0].column
    note = notes.get(name, Note())
    domains = {feature.domain for feature in uses if isinstance(feature, Table)}
    numbers = {feature for feature in uses if isinstance(feature, Number)}
    marked = any(isinstance(feature, Mark) for feature in uses)
    if note.categories:
        raise PinError(f"there are categories for the column {name!r:.60}, whose own the model knows")
    if len(domains) + len(numbers) > 1 or (domains and marked):
        raise PinError(
            f"the model takes the column {name!r:.60} in two ways",
            advice="scale, fill and encode a column in one way only, or give the model a second column with a copy",
        )
    if domains:
        (domain,) = domains
        return CategoryColumn(name, note.description, domain.texts, domain.unknown, domain.stand_in)
    number = numbers.pop() if numbers else Number(name, stand_in=0.0)
    if isinstance(number.stand_in, str):
        raise PinError(f"the model takes the column {name!r:.60}, which is text, as a number", advice="encode it")
    missing = Missing.MARKED if marked else Missing.REFUSED if number.stand_in is None else Missing.FILLED
    stand_in = None if number.stand_in is None else repr(number.stand_in)
    return NumberColumn(name, note.description, repr(number.mean), repr(number.scale), note.unit, missing, stand_in)
