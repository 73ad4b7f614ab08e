"""Torch tensors at the border: element types by name, and little-endian bytes."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import torch

from ..evidence.digest import Digest
from ..evidence.encoding import MalformedError
from ..evidence.manifest import tensor_digest
from ..evidence.values import DType, Tensor

TORCH_DTYPE: Final[Mapping[DType, torch.dtype]] = MappingProxyType(
    {
        DType.F32: torch.float32,
        DType.F64: torch.float64,
        DType.F16: torch.float16,
        DType.BF16: torch.bfloat16,
        DType.I64: torch.int64,
        DType.I32: torch.int32,
        DType.BOOL: torch.bool,
    }
)
HALF: Final = (torch.float16, torch.bfloat16)
DTYPE: Final[Mapping[torch.dtype, DType]] = MappingProxyType({t: d for d, t in TORCH_DTYPE.items()})


def little_endian(tensor: torch.Tensor) -> bytes:
    """The elements of a tensor of any shape, row by row, each little-endian."""
    return bytes(_little_endian(tensor))


def _little_endian(tensor: torch.Tensor) -> memoryview:
    """The same in place, where the tensor lies so in memory."""
    size = tensor.element_size()
    raw = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
    if sys.byteorder == "big":
        raw = raw.reshape(-1, size).flip(1).reshape(-1)
    return raw.numpy().data


def from_little_endian(tensor: Tensor) -> torch.Tensor:
    """The torch tensor of these bytes, in memory of its own."""
    if not tensor.data:  # torch does not view nothing as another type
        return torch.empty(tensor.shape, dtype=TORCH_DTYPE[tensor.dtype])
    raw = torch.frombuffer(bytearray(tensor.data), dtype=torch.uint8)
    if sys.byteorder == "big":
        raw = raw.reshape(-1, tensor.dtype.size).flip(1).reshape(-1)
    if tensor.dtype is DType.BOOL and int(raw.max()) > 1:
        raise MalformedError(f"tensor {tensor.name[:40]!r} has a truth value that is neither 0 nor 1")
    return raw.view(TORCH_DTYPE[tensor.dtype]).reshape(tensor.shape)


def widened(tensor: torch.Tensor) -> torch.Tensor:
    """Half precision as F32, which is exact; others as they are."""
    return tensor.float() if tensor.dtype in HALF else tensor


def digest_of(tensor: torch.Tensor) -> Digest:
    """The tensor digest of evidence/manifest.py. KeyError for an element type outside DType."""
    return tensor_digest(DTYPE[tensor.dtype], tuple(tensor.shape), _little_endian(tensor))
