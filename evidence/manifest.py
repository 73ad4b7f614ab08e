"""The model manifest: a model as data, with a digest for every part. Its own digest is the model id."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Final

from .digest import Digest, Domain, digest
from .documents import to_bytes
from .encoding import MalformedError
from .values import DType, parse_canonical

# A name that means the same in every file system, and never a path, a device or an option.
_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")


class ExecutionClass(StrEnum):
    """What must be equal for bits to be equal."""

    PORTABLE_1 = "portable-1"  # nothing: any machine (docs/arithmetic.md)
    PINNED = "pinned"  # the same GPU model, driver, libraries and flags


@dataclass(frozen=True, slots=True)
class TensorEntry:
    """A weight: the digest is over its little-endian bytes, under its dtype and shape (see tensor_digest)."""

    KIND: ClassVar[str] = "tensor-entry/v1"
    name: str
    dtype: DType
    shape: tuple[int, ...]
    digest: Digest


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A file that the model needs besides graph and weights, such as tokenizer.json."""

    KIND: ClassVar[str] = "file-entry/v1"
    name: str
    digest: Digest


@dataclass(frozen=True, slots=True)
class NumberColumn:
    """A number: x = (value - mean) / scale in binary64, each step rounded, then rounded to binary32.

    `missing` stands in for a missing value, which is refused where there is none. Reals in shortest text.
    """

    KIND: ClassVar[str] = "number-column/v1"
    name: str
    description: str
    mean: str
    scale: str
    missing: str | None

    def __post_init__(self) -> None:
        parse_canonical(self.mean)
        if not parse_canonical(self.scale) > 0:
            raise MalformedError(f"column {self.name[:40]!r} has a scale that is not positive")
        if self.missing is not None:
            parse_canonical(self.missing)


@dataclass(frozen=True, slots=True)
class CategoryColumn:
    """A category: one tensor element for each, 1 where the text is equal, else 0."""

    KIND: ClassVar[str] = "category-column/v1"
    name: str
    description: str
    categories: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.categories or len(set(self.categories)) != len(self.categories):
            raise MalformedError(f"column {self.name[:40]!r} needs categories, each once")


@dataclass(frozen=True, slots=True)
class RecordInput:
    """A record becomes one float32 row, the columns in this order."""

    KIND: ClassVar[str] = "record-input/v1"
    columns: tuple[NumberColumn | CategoryColumn, ...]

    def __post_init__(self) -> None:
        names = [column.name for column in self.columns]
        if not names or len(set(names)) != len(names):
            raise MalformedError("a record input needs columns, each once")


@dataclass(frozen=True, slots=True)
class TextInput:
    """A text becomes int64 token ids and an attention mask, through a pinned tokenizer.json.

    A text of more than `max_tokens` tokens is refused: cutting it would decide on something else than what
    was committed.
    """

    KIND: ClassVar[str] = "text-input/v1"
    tokenizer: str
    max_tokens: int

    def __post_init__(self) -> None:
        if self.max_tokens < 1:
            raise MalformedError("a text input allows at least one token")


@dataclass(frozen=True, slots=True)
class Threshold:
    """The decision on a scalar output y (binary32): `at_or_above` if y >= at, otherwise `below`."""

    KIND: ClassVar[str] = "threshold/v1"
    at: str
    at_or_above: str
    below: str

    def __post_init__(self) -> None:
        parse_canonical(self.at)


@dataclass(frozen=True, slots=True)
class Manifest:
    """A pinned model. `outputs` names the graph's outputs in order; `rule` reads a decision from the first."""

    KIND: ClassVar[str] = "manifest/v1"
    name: str
    execution_class: ExecutionClass
    graph: Digest
    tensors: tuple[TensorEntry, ...]
    files: tuple[FileEntry, ...]
    input: RecordInput | TextInput
    outputs: tuple[str, ...]
    rule: Threshold | None

    def __post_init__(self) -> None:
        tensors, files = [t.name for t in self.tensors], [f.name for f in self.files]
        if tensors != sorted(set(tensors)) or files != sorted(set(files)):
            raise MalformedError("a manifest lists each tensor and file once, sorted by name")
        if not all(_PLAIN_NAME.fullmatch(name) for name in files):
            raise MalformedError("a manifest's file names are plain names without a path")
        if isinstance(self.input, TextInput) and self.input.tokenizer not in files:
            raise MalformedError("the tokenizer is not among the manifest's files")
        if not self.outputs:
            raise MalformedError("a model has at least one output")

    @property
    def model_id(self) -> Digest:
        """The digest of this manifest's bytes."""
        return digest(Domain.MANIFEST, to_bytes(self))


def tensor_digest(dtype: DType, shape: tuple[int, ...], data: bytes | memoryview) -> Digest:
    """SHA-256 over dtype, sizes and little-endian bytes of one tensor."""
    header = f"{dtype}{list(shape)}".encode() + b"\x00"
    return digest(Domain.TENSOR, header + bytes(data))
