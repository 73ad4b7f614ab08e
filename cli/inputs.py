"""Inputs in files as people have them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from ..evidence.encoding import MalformedError
from ..evidence.files import FileError, read_file
from ..evidence.values import DType, Input, Record, Tensor, Tensors, Text
from . import netpbm, sounds


def read_inputs(path: Path) -> list[Input]:
    """The inputs of a file, or of all files of a folder in the order of their names.

    Raises FileError, or MalformedError naming file and line.
    """
    files = _files(path) if path.is_dir() else [path]
    values = [value for file in files for value in _read(file)]
    if not values:
        raise MalformedError(f"{path} has no inputs")
    return values


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise FileError(f"{folder} cannot be read: {error.strerror}") from error


def _read(path: Path) -> list[Input]:
    if path.suffix in _WHOLE:
        try:
            return [_WHOLE[path.suffix](read_file(path))]
        except MalformedError as error:
            raise MalformedError(f"{path}: {error.cause}", advice=error.advice) from error
    if path.suffix not in _LINES:
        known = ", ".join((*_LINES, *_WHOLE))
        raise FileError(f"{path} is none of {known}", advice="rename or convert it (docs/models.md)")
    try:
        text = read_file(path).decode("utf-8-sig")  # spreadsheets put a byte order mark in front
    except UnicodeDecodeError as error:
        raise MalformedError(f"{path} is not UTF-8 text") from error
    return list(_LINES[path.suffix](text, path))


def _lines(text: str, path: Path) -> Iterator[tuple[int, str]]:
    """Numbered lines. Only a line feed ends one: Unicode has more line ends, which may stand inside a text."""
    for number, line in enumerate(text.removesuffix("\n").split("\n") if text else [], start=1):
        if not line.strip():
            raise MalformedError(f"{path}, line {number} is empty", advice="remove it")
        yield number, line.removesuffix("\r")


def _csv_records(text: str, path: Path) -> Iterator[Record]:
    """An empty field is a missing value."""
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(rows, [])
        if len(set(header)) != len(header):
            raise MalformedError(f"{path} has the same column twice")
        for row in rows:
            if len(row) != len(header):
                cause = f"{path}, line {rows.line_num} has {len(row)} fields, and the header {len(header)}"
                raise MalformedError(cause)
            yield Record.of({column: value or None for column, value in zip(header, row, strict=True)})
    except csv.Error as error:
        raise MalformedError(f"{path}, line {rows.line_num} is not CSV: {error}") from error


def _json_record(line: str, path: Path, number: int) -> Record:
    """Numbers are kept as the text that stands in the file."""
    try:
        row = json.loads(line, parse_int=str, parse_float=str, parse_constant=str, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise MalformedError(f"{path}, line {number} is not JSON, or has the same column twice") from error
    if not isinstance(row, dict) or not all(value is None or type(value) is str for value in row.values()):
        raise MalformedError(f"{path}, line {number} is not an object of numbers, texts and nulls")
    return Record.of(row)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) != len(pairs):
        raise ValueError
    return row


def _tensors(data: bytes) -> Tensors:
    """The tensors of a .safetensors file, in the order of their names."""
    import safetensors

    read: Callable[[bytes], Any] = safetensors.deserialize
    try:
        found: Mapping[str, Any] = dict(read(data))
    except safetensors.SafetensorError as error:
        raise MalformedError(f"it is not a .safetensors file: {error!s:.200}") from error
    unknown = sorted({one["dtype"] for one in found.values()} - set(DType))
    if unknown:
        raise MalformedError(f"it has elements of type {unknown[0]}; the types are {', '.join(DType)}")
    tensors = (
        Tensor(name, DType(one["dtype"]), tuple(one["shape"]), bytes(one["data"])) for name, one in found.items()
    )
    return Tensors(tuple(sorted(tensors, key=lambda tensor: tensor.name)))


def _texts(text: str, path: Path) -> Iterator[Text]:
    return (Text(line) for _, line in _lines(text, path))


def _json_records(text: str, path: Path) -> Iterator[Record]:
    return (_json_record(line, path, number) for number, line in _lines(text, path))


# Many inputs a file, and one.
_LINES: Final[Mapping[str, Callable[[str, Path], Iterator[Input]]]] = {
    ".csv": _csv_records,
    ".jsonl": _json_records,
    ".txt": _texts,
}
_WHOLE: Final[Mapping[str, Callable[[bytes], Input]]] = {
    ".pgm": netpbm.parse,
    ".ppm": netpbm.parse,
    ".wav": sounds.parse,
    ".safetensors": _tensors,
}
