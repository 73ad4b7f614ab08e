"""What people commit to becomes tensors: a record one float32 row, a text its token ids.

Every rule stands in the manifest (evidence/manifest.py). Errors name the column and never the value: they
travel further than the personal data in it may.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np
import torch
from tokenizers import Tokenizer

from ..evidence.encoding import MalformedError
from ..evidence.manifest import CategoryColumn, NumberColumn, RecordInput, TextInput
from ..evidence.values import Record, Text, parse_decimal
from .refusal import InputError

_REFUSED: Final = "correct the input; the model cannot decide on it"


Reader = Callable[[str | None], Sequence[float]]


class RecordEncoder:
    """Records to rows, as a RecordInput says."""

    def __init__(self, spec: RecordInput) -> None:
        self._readers = {c.name: _category(c) if isinstance(c, CategoryColumn) else _number(c) for c in spec.columns}
        # The column that each element of a row comes from.
        self._origin = [c.name for c in spec.columns for _ in (c.categories if isinstance(c, CategoryColumn) else "x")]

    @property
    def width(self) -> int:
        """Elements of a row."""
        return len(self._origin)

    def tensors(self, records: Sequence[Record]) -> tuple[torch.Tensor, ...]:
        """One float32 tensor [records, width]. Raises InputError, naming the column."""
        rows = np.array([self._row(record) for record in records], dtype=np.float64)
        with np.errstate(over="ignore"):  # refused by name below
            single = rows.astype(np.float32)
        if not np.isfinite(single).all():
            column = self._origin[int(np.argwhere(~np.isfinite(single))[0][1])]
            raise InputError(f"column {column!r} has a value too large for the model", advice=_REFUSED)
        return (torch.from_numpy(single),)

    def _row(self, record: Record) -> list[float]:
        values = {entry.column: entry.value for entry in record.entries}
        if undeclared := sorted(values.keys() - self._readers.keys()):
            raise InputError(f"column {undeclared[0]!r:.60} is not one that the model declares", advice=_REFUSED)
        row: list[float] = []
        for name, read in self._readers.items():
            if name not in values:
                raise InputError(f"column {name!r} is not in the record", advice=_REFUSED)
            row += read(values[name])
        return row


def _category(column: CategoryColumn) -> Reader:
    rows = {category: [float(category == c) for c in column.categories] for category in column.categories}

    def read(value: str | None) -> Sequence[float]:
        if value is None or value not in rows:
            what = "no value" if value is None else "a category that the model does not know"
            raise InputError(f"column {column.name!r} has {what}", advice=_REFUSED)
        return rows[value]

    return read


def _number(column: NumberColumn) -> Reader:
    mean, scale = float(column.mean), float(column.scale)

    def read(value: str | None) -> Sequence[float]:
        text = column.missing if value is None else value
        if text is None:
            cause = f"column {column.name!r} has no value, and the model has no stand-in for it"
            raise InputError(cause, advice=_REFUSED)
        try:
            number = parse_decimal(text)
        except MalformedError:
            # Not chained: the cause could carry the value.
            cause = f"column {column.name!r} has a value that is not a finite number"
            raise InputError(cause, advice=_REFUSED) from None
        return ((number - mean) / scale,)

    return read


class TextEncoder:
    """Texts to token ids, through a pinned tokenizer.json."""

    def __init__(self, spec: TextInput, files: Mapping[str, bytes]) -> None:
        self._max_tokens = spec.max_tokens
        self._tokenizer = _tokenizer(spec.tokenizer, files[spec.tokenizer])

    def tensors(self, texts: Sequence[Text]) -> tuple[torch.Tensor, ...]:
        """Two int64 tensors [texts, longest]: ids and mask, 0 after a text's end. Raises InputError."""
        rows = [self._ids(text.text) for text in texts]
        shape = (len(rows), max(map(len, rows)))
        ids, mask = torch.zeros(shape, dtype=torch.int64), torch.zeros(shape, dtype=torch.int64)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = torch.tensor(row, dtype=torch.int64)
            mask[i, : len(row)] = 1
        return ids, mask

    def _ids(self, text: str) -> list[int]:
        try:
            text.encode()
        except UnicodeEncodeError:
            raise InputError("the text has half of a surrogate pair, which is no character", advice=_REFUSED) from None
        try:
            ids: list[int] = self._tokenizer.encode(text).ids
        except Exception:  # noqa: BLE001  # tokenizers raises Exception itself, and may quote the text
            raise InputError("the pinned tokenizer cannot read the text", advice=_REFUSED) from None
        if not 0 < len(ids) <= self._max_tokens:
            limits = f"the model takes 1 to {self._max_tokens}"
            raise InputError(f"the text has {len(ids)} tokens; {limits}", advice=_REFUSED)
        return ids


def _tokenizer(name: str, data: bytes) -> Tokenizer:
    try:
        tokenizer: Tokenizer = Tokenizer.from_str(data.decode())
    except UnicodeDecodeError as error:
        raise MalformedError(f"{name} is not UTF-8 text") from error
    except Exception as error:  # tokenizers raises Exception itself, no subclass
        raise MalformedError(f"{name} is not a tokenizer: {error!s:.100}") from error
    # The file's own settings would cut or pad to a length that the manifest does not name.
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


Encoder = RecordEncoder | TextEncoder


def encoder(spec: RecordInput | TextInput, files: Mapping[str, bytes]) -> Encoder:
    """The encoder that a manifest's input asks for."""
    return RecordEncoder(spec) if isinstance(spec, RecordInput) else TextEncoder(spec, files)
