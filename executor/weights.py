"""Weights: one safetensors file, every tensor checked against the manifest.

The digests are over the bytes as stored. bfloat16 and float16 widen to F32, exactly, after the check.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from ..evidence.errors import ReperformError
from ..evidence.manifest import TensorEntry
from ..evidence.values import DType
from .tensors import DTYPE, digest_of

_COPY_AGAIN: Final = "take the model's files again from whoever pinned it"


class WeightsError(ReperformError):
    """Weights that are not the pinned ones."""


def entries(tensors: Mapping[str, torch.Tensor]) -> tuple[TensorEntry, ...]:
    """What a manifest says about these tensors, sorted by name."""
    return tuple(
        TensorEntry(name, DTYPE[tensor.dtype], tuple(tensor.shape), digest_of(tensor))
        for name, tensor in sorted(tensors.items())
    )


def serialize(tensors: Mapping[str, torch.Tensor]) -> bytes:
    """The safetensors file of contiguous, unshared tensors."""
    return save(dict(tensors))


def load_weights(path: Path, expected: Sequence[TensorEntry]) -> dict[str, torch.Tensor]:
    """The tensors of a safetensors file, all of them as `expected` and no others, half precision as F32.

    Raises WeightsError, naming the first tensor that is missing, superfluous or different.
    """
    return check_weights(path.name, read_weights(path), expected)


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a safetensors file as they are stored, unchecked. Raises WeightsError."""
    try:
        # Read before checking: a mapped file could change between the check and its use.
        return load(path.read_bytes())
    except OSError as error:
        raise WeightsError(f"{path.name} cannot be read: {error.strerror}", advice=_COPY_AGAIN) from error
    # KeyError: an element type that this safetensors does not know.
    except (SafetensorError, ValueError, KeyError) as error:
        raise WeightsError(f"{path.name} is not a safetensors file: {error!s:.100}", advice=_COPY_AGAIN) from error


def check_weights(
    file: str, tensors: Mapping[str, torch.Tensor], expected: Sequence[TensorEntry]
) -> dict[str, torch.Tensor]:
    """These tensors, if they are all as `expected`, with half precision as F32. Raises as load_weights does."""
    extra = sorted(tensors.keys() - {entry.name for entry in expected})
    if extra:
        raise WeightsError(f"{file} has a tensor {extra[0]!r:.80} that the manifest lacks", advice=_COPY_AGAIN)
    return {entry.name: _checked(file, entry, tensors.get(entry.name)) for entry in expected}


def _checked(file: str, entry: TensorEntry, tensor: torch.Tensor | None) -> torch.Tensor:
    where = f"{file}: tensor {entry.name!r:.80}"
    if tensor is None:
        raise WeightsError(f"{where} is missing", advice=_COPY_AGAIN)
    dtype = DTYPE.get(tensor.dtype)
    if dtype is not entry.dtype or tuple(tensor.shape) != entry.shape:
        found = f"{dtype or tensor.dtype} {list(tensor.shape)}"
        raise WeightsError(f"{where} is {found}, the manifest says {entry.dtype} {list(entry.shape)}")
    if digest_of(tensor) != entry.digest:
        raise WeightsError(f"{where} is not the pinned one: its digest differs", advice=_COPY_AGAIN)
    return tensor.float() if dtype in (DType.F16, DType.BF16) else tensor
