"""The files that hold a pinned model's weights: one, or numbered shards if they are large."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from ..evidence.manifest import TensorEntry

WEIGHTS: Final = "weights.safetensors"
# Bytes of tensors in a file, but for a tensor that has more. Whoever fetches a model by its manifest asks for the files
# that follow from this number.
SHARD: Final = 4 << 30

_SHARD: Final = re.compile(r"weights-(\d{5})-of-(\d{5})\.safetensors")


def is_shard(file: str) -> bool:
    """Whether a file has the name of a shard."""
    return _SHARD.fullmatch(file) is not None


def set_of(shard: str) -> tuple[str, ...]:
    """The names of all the shards that belong together with this one, in order."""
    matched = _SHARD.fullmatch(shard)
    return _names(int(matched[2])) if matched else ()


def planned(tensors: Sequence[TensorEntry], limit: int = SHARD) -> dict[str, tuple[TensorEntry, ...]]:
    """Which file has which tensors: in their order, a new file before the one with which this would pass `limit`."""
    parts = tuple(_cut(tensors, limit))
    return dict(zip(_names(len(parts)) if len(parts) > 1 else (WEIGHTS,), parts, strict=True))


def _cut(tensors: Sequence[TensorEntry], limit: int) -> Iterator[tuple[TensorEntry, ...]]:
    part: list[TensorEntry] = []
    size = 0
    for tensor in tensors:
        if part and size + tensor.nbytes > limit:
            yield tuple(part)
            part, size = [], 0
        part.append(tensor)
        size += tensor.nbytes
    yield tuple(part)


def _names(count: int) -> tuple[str, ...]:
    return tuple(f"weights-{i + 1:05}-of-{count:05}.safetensors" for i in range(count))
