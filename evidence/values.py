"""What people commit to: a record, a text, an image, a sound, tensors; an output. Facts as a person would state them.

A number in a record is kept as the decimal text that a person would read, an image as its pixels; how they become
tensors is the pinned model's business (inputs.py), so that both stand in the evidence.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Final

from .encoding import MalformedError

# JSON's grammar for numbers (RFC 8259 §6). Python's float() would also take "1_000", " 7" and "nan".
_DECIMAL: Final = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")


def parse_decimal(text: str) -> float:
    """The binary64 number nearest to a decimal text. Raises MalformedError if it is none, or not finite.

    The error does not show the text, which may be part of an opening.
    """
    if not _DECIMAL.fullmatch(text):
        raise MalformedError("a text is not a decimal number")
    number = float(text)
    if math.isinf(number):
        raise MalformedError("a number is too large for 64 bits")
    return number


def parse_canonical(text: str) -> float:
    """A binary64 number in its shortest decimal text, which is how documents carry real numbers."""
    number = parse_decimal(text)
    if repr(number) != text:
        raise MalformedError("a number is not written in its shortest decimal text")
    return number


@dataclass(frozen=True, slots=True)
class Entry:
    """One column of a record. A missing value is None."""

    KIND: ClassVar[str] = "entry/v1"
    column: str
    value: str | None


@dataclass(frozen=True, slots=True)
class Record:
    """Named columns with the text that stands in them, in the order of their names."""

    KIND: ClassVar[str] = "record/v1"
    entries: tuple[Entry, ...]

    def __post_init__(self) -> None:
        names = [entry.column for entry in self.entries]
        if names != sorted(set(names)):
            raise MalformedError("a record's columns must be unique and sorted by name")

    @classmethod
    def of(cls, row: dict[str, str | None]) -> Record:
        """A record from a row."""
        return cls(tuple(Entry(name, row[name]) for name in sorted(row)))


@dataclass(frozen=True, slots=True)
class Text:
    """A text, exactly as given: no normalisation."""

    KIND: ClassVar[str] = "text/v1"
    text: str


class Channels(StrEnum):
    """What an image holds of each pixel, in this order, 8 bits each."""

    GREY = "L"
    COLOUR = "RGB"


@dataclass(frozen=True, slots=True)
class Image:
    """A decoded image: row by row from the top, pixel by pixel from the left, one byte for each channel."""

    KIND: ClassVar[str] = "image/v1"
    width: int
    height: int
    channels: Channels
    pixels: bytes

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise MalformedError("an image has at least one pixel")
        if len(self.pixels) != self.width * self.height * len(self.channels):
            raise MalformedError(f"an image has {len(self.pixels)} bytes of pixels, not what its size says")


@dataclass(frozen=True, slots=True)
class Audio:
    """One channel of sound: signed 16-bit samples, little-endian, `rate` of them per second."""

    KIND: ClassVar[str] = "audio/v1"
    rate: int
    samples: bytes

    def __post_init__(self) -> None:
        if self.rate < 1:
            raise MalformedError("a sound has at least one sample per second")
        if not self.samples or len(self.samples) % 2:
            raise MalformedError(f"a sound has {len(self.samples)} bytes, which are no 16-bit samples")


MAX_RANK: Final = 64  # torch's own limit; keeps the product of the sizes a small number


class DType(StrEnum):
    """Element types of tensors, with safetensors' names."""

    F32 = "F32"
    F64 = "F64"
    F16 = "F16"
    BF16 = "BF16"
    I64 = "I64"
    I32 = "I32"
    BOOL = "BOOL"

    @property
    def size(self) -> int:
        """Bytes per element."""
        return {"F64": 8, "I64": 8, "F32": 4, "I32": 4, "F16": 2, "BF16": 2, "BOOL": 1}[self.value]


@dataclass(frozen=True, slots=True)
class Tensor:
    """Elements in row-major order, little-endian."""

    KIND: ClassVar[str] = "tensor/v1"
    name: str
    dtype: DType
    shape: tuple[int, ...]
    data: bytes

    def __post_init__(self) -> None:
        if len(self.shape) > MAX_RANK:
            raise MalformedError(f"tensor {self.name[:40]!r} has {len(self.shape)} dimensions; the limit is {MAX_RANK}")
        if any(size < 0 for size in self.shape):
            raise MalformedError(f"tensor {self.name[:40]!r} has a negative size")
        if len(self.data) != math.prod(self.shape) * self.dtype.size:
            raise MalformedError(f"tensor {self.name[:40]!r} has {len(self.data)} bytes, not what its shape says")


@dataclass(frozen=True, slots=True)
class Tensors:
    """Tensors as such, where a model takes nothing that a person would name otherwise."""

    KIND: ClassVar[str] = "tensors/v1"
    tensors: tuple[Tensor, ...]

    def __post_init__(self) -> None:
        names = [tensor.name for tensor in self.tensors]
        if not names or len(set(names)) != len(names):
            raise MalformedError("an input of tensors needs tensors, each name once")


Input = Record | Text | Image | Audio | Tensors


@dataclass(frozen=True, slots=True)
class Output:
    """What the model answered: its tensors, and the decision that a pinned rule reads from them."""

    KIND: ClassVar[str] = "output/v1"
    decision: str | None
    tensors: tuple[Tensor, ...]
