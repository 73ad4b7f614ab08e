"""Records to rows of float32."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch

from ...evidence.encoding import MalformedError
from ...evidence.inputs import BATCH, CategoryColumn, Missing, NumberColumn, RecordInput, Unknown
from ...evidence.values import DType, Input, Record, parse_decimal
from ..refusal import InputError
from .encoder import REFUSED, Shape

Reader = Callable[[str | None], Sequence[float]]


class RecordEncoder:
    """One float32 tensor [records, width], as a RecordInput says."""

    takes = Record
    at_once = 4096

    def __init__(self, spec: RecordInput) -> None:
        self._readers = {c.name: _category(c) if isinstance(c, CategoryColumn) else _number(c) for c in spec.columns}
        # The column that each element of a row comes from.
        self._origin = [column.name for column in spec.columns for _ in range(column.width)]
        self.signature: tuple[tuple[DType, Shape], ...] = ((DType.F32, (BATCH, spec.width)),)
        self.sizes: Mapping[str, tuple[int, int]] = {}

    def alike(self, _: Input) -> tuple[int, ...]:
        """Any records run together."""
        return ()

    def tensors(self, records: Sequence[Record]) -> tuple[torch.Tensor, ...]:
        """The rows. Raises InputError, naming the column."""
        rows = np.array([self._row(record) for record in records], dtype=np.float64)
        with np.errstate(over="ignore"):  # refused by name below
            single = rows.astype(np.float32)
        if not np.isfinite(single).all():
            column = self._origin[int(np.argwhere(~np.isfinite(single))[0][1])]
            raise InputError(f"column {column!r} has a value too large for the model", advice=REFUSED)
        return (torch.from_numpy(single),)

    def _row(self, record: Record) -> list[float]:
        values = {entry.column: entry.value for entry in record.entries}
        if undeclared := sorted(values.keys() - self._readers.keys()):
            raise InputError(f"column {undeclared[0]!r:.60} is not one that the model declares", advice=REFUSED)
        row: list[float] = []
        for name, read in self._readers.items():
            if name not in values:
                raise InputError(f"column {name!r} is not in the record", advice=REFUSED)
            row += read(values[name])
        return row


def _category(column: CategoryColumn) -> Reader:
    rows = {category: [float(category == c) for c in column.categories] for category in column.categories}
    zeros = [0.0] * column.width

    def read(value: str | None) -> Sequence[float]:
        text = column.stand_in if value is None else value
        if text is None:
            raise InputError(f"column {column.name!r} has no value", advice=REFUSED)
        if text not in rows and column.unknown is Unknown.REFUSED:
            raise InputError(f"column {column.name!r} has a category that the model does not know", advice=REFUSED)
        return rows.get(text, zeros)

    return read


def _number(column: NumberColumn) -> Reader:
    mean, scale = float(column.mean), float(column.scale)
    marked = column.missing is Missing.MARKED

    def read(value: str | None) -> Sequence[float]:
        text = column.stand_in if value is None else value
        if text is None:
            cause = f"column {column.name!r} has no value, and the model has no stand-in for it"
            raise InputError(cause, advice=REFUSED)
        try:
            number = parse_decimal(text)
        except MalformedError:
            # Not chained: the cause could carry the value.
            cause = f"column {column.name!r} has a value that is not a finite number"
            raise InputError(cause, advice=REFUSED) from None
        x = (number - mean) / scale
        return (x, float(value is None)) if marked else (x,)

    return read
