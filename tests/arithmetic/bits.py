"""Float32 tensors to and from bit patterns, for tests that compare bytes."""

from __future__ import annotations

import torch
from torch import Tensor


def same_bits(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors have equal shape, dtype and bytes; -0 is not +0."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    return a.detach().contiguous().numpy().tobytes() == b.detach().contiguous().numpy().tobytes()


def from_patterns(patterns: list[int]) -> Tensor:
    """Float32 values of unsigned 32-bit patterns."""
    return torch.tensor(patterns, dtype=torch.int64).to(torch.int32).view(torch.float32)


def random_patterns(count: int, seed: int) -> Tensor:
    """Float32 values of uniformly random bit patterns, NaNs left out."""
    generator = torch.Generator().manual_seed(seed)
    patterns = torch.randint(-(2**31), 2**31, (count,), generator=generator)
    values = patterns.to(torch.int32).view(torch.float32)
    return values[~values.isnan()]
