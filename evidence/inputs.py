"""What a model takes, as data: how a committed input (values.py) becomes the tensors that the graph is given.

Real numbers stand in their shortest decimal text. Computed in binary64, each step rounded to nearest, and rounded to
binary32 at the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Final

from .encoding import MalformedError
from .values import MAX_RANK, Channels, DType, parse_canonical

MAX_RATE: Final = 768_000  # samples per second; the highest that audio converters have
BATCH: Final = "batch"


class Missing(StrEnum):
    """What the model sees of a number that is missing."""

    REFUSED = "refused"  # nothing: the input is refused
    FILLED = "filled"  # the stand-in alone
    MARKED = "marked"  # the stand-in, and in a second element 1 (0 where there is a number)


class Unknown(StrEnum):
    """What the model sees of a category that it does not know."""

    REFUSED = "refused"  # nothing: the input is refused
    ZEROS = "zeros"  # 0 for every category


@dataclass(frozen=True, slots=True)
class NumberColumn:
    """A number: x = (value - mean) / scale. `stand_in` is the value that a missing one is taken for, if it is."""

    KIND: ClassVar[str] = "number-column/v1"
    name: str
    description: str
    mean: str = "0.0"
    scale: str = "1.0"
    unit: str | None = None
    missing: Missing = Missing.REFUSED
    stand_in: str | None = None

    def __post_init__(self) -> None:
        parse_canonical(self.mean)
        if not parse_canonical(self.scale) > 0:
            raise MalformedError(f"column {self.name[:40]!r} has a scale that is not positive")
        if (self.stand_in is None) is not (self.missing is Missing.REFUSED):
            raise MalformedError(f"column {self.name[:40]!r} has a stand-in if and only if it may be missing")
        if self.stand_in is not None:
            parse_canonical(self.stand_in)

    @property
    def width(self) -> int:
        """Elements of a row."""
        return 2 if self.missing is Missing.MARKED else 1


@dataclass(frozen=True, slots=True)
class CategoryColumn:
    """A category: one element for each, 1 where the text is equal, else 0.

    `stand_in` is the category that a missing value is taken for; None refuses it.
    """

    KIND: ClassVar[str] = "category-column/v1"
    name: str
    description: str
    categories: tuple[str, ...]
    unknown: Unknown = Unknown.REFUSED
    stand_in: str | None = None

    def __post_init__(self) -> None:
        if not self.categories or len(set(self.categories)) != len(self.categories):
            raise MalformedError(f"column {self.name[:40]!r} needs categories, each once")
        if self.stand_in is not None and self.stand_in not in self.categories:
            raise MalformedError(f"column {self.name[:40]!r} has a stand-in that is none of its categories")

    @property
    def width(self) -> int:
        """Elements of a row."""
        return len(self.categories)


@dataclass(frozen=True, slots=True)
class RecordInput:
    """A Record becomes one float32 row [width], the columns in this order."""

    KIND: ClassVar[str] = "record-input/v1"
    columns: tuple[NumberColumn | CategoryColumn, ...]

    def __post_init__(self) -> None:
        names = [column.name for column in self.columns]
        if not names or len(set(names)) != len(names):
            raise MalformedError("a record input needs columns, each once")

    @property
    def width(self) -> int:
        """Elements of a row."""
        return sum(column.width for column in self.columns)


@dataclass(frozen=True, slots=True)
class TextInput:
    """A Text becomes int64 token ids and an attention mask [tokens], through a pinned tokenizer.json.

    A text of more than `max_tokens` tokens is refused: cutting it would decide on something else than what
    was committed.
    """

    KIND: ClassVar[str] = "text-input/v1"
    tokenizer: str
    max_tokens: int

    def __post_init__(self) -> None:
        if self.max_tokens < 1:
            raise MalformedError("a text input allows at least one token")


class Layout(StrEnum):
    """How the sizes of an image's tensor are ordered."""

    CHANNELS_FIRST = "channels-first"  # [channels, height, width]
    CHANNELS_LAST = "channels-last"  # [height, width, channels]


@dataclass(frozen=True, slots=True)
class ImageInput:
    """An Image of exactly this size becomes float32 x = (pixel / divisor - mean) / scale, by channel.

    Decoding and resizing come before commitment: what is committed is what the model sees. `order` names the
    committed channels in the order in which the model takes them ("BGR"); mean and scale are in that order.
    """

    KIND: ClassVar[str] = "image-input/v1"
    width: int
    height: int
    channels: Channels
    order: str
    layout: Layout
    divisor: str
    mean: tuple[str, ...]
    scale: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise MalformedError("an image input has at least one pixel")
        if sorted(self.order) != sorted(self.channels):
            raise MalformedError(f"an image's order is not one of the channels {self.channels}")
        if len(self.mean) != len(self.order) or len(self.scale) != len(self.order):
            raise MalformedError("an image input has one mean and one scale for each channel")
        if not all(parse_canonical(number) > 0 for number in (self.divisor, *self.scale)):
            raise MalformedError("an image input has a divisor or a scale that is not positive")
        for number in self.mean:
            parse_canonical(number)


@dataclass(frozen=True, slots=True)
class AudioInput:
    """An Audio of `least` to `most` samples at this rate becomes float32 x = sample / divisor [samples]."""

    KIND: ClassVar[str] = "audio-input/v1"
    rate: int
    least: int
    most: int
    divisor: str

    def __post_init__(self) -> None:
        if not 0 < self.rate <= MAX_RATE:
            raise MalformedError(f"an audio input has a rate of 1 to {MAX_RATE} samples per second")
        if not 1 <= self.least <= self.most:
            raise MalformedError("an audio input allows at least one sample")
        if not parse_canonical(self.divisor) > 0:
            raise MalformedError("an audio input has a divisor that is not positive")


@dataclass(frozen=True, slots=True)
class Size:
    """A size that may differ from input to input, wherever this name stands."""

    KIND: ClassVar[str] = "size/v1"
    name: str
    least: int
    most: int

    def __post_init__(self) -> None:
        if not self.name.isidentifier() or self.name == BATCH:
            raise MalformedError(f"{self.name[:40]!r} is no name of a size")
        if not 1 <= self.least <= self.most:
            raise MalformedError(f"size {self.name[:40]!r} is not a range from 1 up")


@dataclass(frozen=True, slots=True)
class TensorColumn:
    """One of the tensors that a model takes as they are."""

    KIND: ClassVar[str] = "tensor-column/v1"
    name: str
    description: str
    dtype: DType
    shape: tuple[int | str, ...]

    def __post_init__(self) -> None:
        if len(self.shape) >= MAX_RANK:  # the batch is one dimension more
            raise MalformedError(f"tensor {self.name[:40]!r} has {len(self.shape)} dimensions")
        if any(isinstance(size, int) and size < 1 for size in self.shape):
            raise MalformedError(f"tensor {self.name[:40]!r} has a size below one")
        if self.dtype in (DType.F64, DType.F16, DType.BF16):
            raise MalformedError(f"tensor {self.name[:40]!r} is {self.dtype}; portable-1 takes F32, I64, I32 and BOOL")


@dataclass(frozen=True, slots=True)
class TensorsInput:
    """Tensors become themselves, in this order."""

    KIND: ClassVar[str] = "tensors-input/v1"
    tensors: tuple[TensorColumn, ...]
    sizes: tuple[Size, ...]

    def __post_init__(self) -> None:
        _unique("tensors", [tensor.name for tensor in self.tensors])
        _unique("sizes", [size.name for size in self.sizes])
        used = {size for tensor in self.tensors for size in tensor.shape if isinstance(size, str)}
        if not self.tensors or used != {size.name for size in self.sizes}:
            raise MalformedError("a tensors input has tensors, and names just the sizes that they use")


InputSpec = RecordInput | TextInput | ImageInput | AudioInput | TensorsInput


def _unique(what: str, names: Sequence[str]) -> None:
    if len(set(names)) != len(names):
        raise MalformedError(f"a tensors input names its {what} once each")
