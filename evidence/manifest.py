"""The model manifest: a model as data, with a digest for every part. Its own digest is the model id."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from math import prod
from typing import ClassVar, Final

from .digest import Digest, Domain, digest
from .documents import to_bytes
from .encoding import MalformedError
from .inputs import InputSpec, TextInput
from .origin import Origin
from .rules import Rule
from .values import DType

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

    @property
    def nbytes(self) -> int:
        """How many bytes it has."""
        return self.dtype.size * prod(self.shape)


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A file that the model needs besides graph and weights, such as tokenizer.json."""

    KIND: ClassVar[str] = "file-entry/v1"
    name: str
    digest: Digest


@dataclass(frozen=True, slots=True)
class Manifest:
    """A pinned model. `outputs` names the graph's outputs in order; `rule` reads a decision from the first.

    origin: who signed the files that it was pinned from, if anybody did.
    """

    KIND: ClassVar[str] = "manifest/v1"
    name: str
    execution_class: ExecutionClass
    graph: Digest
    tensors: tuple[TensorEntry, ...]
    files: tuple[FileEntry, ...]
    input: InputSpec
    outputs: tuple[str, ...]
    rule: Rule | None
    origin: Origin | None = None

    def __post_init__(self) -> None:
        tensors, files = [t.name for t in self.tensors], [f.name for f in self.files]
        if tensors != sorted(set(tensors)) or files != sorted(set(files)):
            raise MalformedError("a manifest lists each tensor and file once, sorted by name")
        if not all(_PLAIN_NAME.fullmatch(name) for name in files):
            raise MalformedError("a manifest's file names are plain names without a path")
        if isinstance(self.input, TextInput) and self.input.tokenizer not in files:
            raise MalformedError("the tokenizer is not among the manifest's files")
        if self.origin is not None and self.origin.signature not in files:
            raise MalformedError("the signature of the model's origin is not among the manifest's files")
        if not self.outputs:
            raise MalformedError("a model has at least one output")

    @property
    def model_id(self) -> Digest:
        """The digest of this manifest's bytes."""
        return digest(Domain.MANIFEST, to_bytes(self))


def tensor_digest(dtype: DType, shape: tuple[int, ...], data: bytes | memoryview) -> Digest:
    """SHA-256 over dtype, sizes and little-endian bytes of one tensor."""
    header = f"{dtype}{list(shape)}".encode() + b"\x00"
    return digest(Domain.TENSOR, header, memoryview(data))
