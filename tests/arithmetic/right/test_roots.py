"""√x and 1/√x for every significand of 24 bits and both parities of the exponent, in integers (§1)."""

from __future__ import annotations

import torch
from reperform.executor import arithmetic
from torch import Tensor

# x = X·2^-23 or X·2^-22 for X in [2^23, 2^24): one of each four consecutive binades' worth, since both functions
# and their float64 evaluations scale exactly with powers of four.
SIGNIFICANDS = torch.arange(1 << 23, 1 << 24, dtype=torch.int64)
PARITIES = (23, 22)


def test_square_roots_of_all_significands() -> None:
    for shift in PARITIES:
        root = arithmetic.sqrt((SIGNIFICANDS.to(torch.float64) * 2.0**-shift).to(torch.float32))
        doubled = (root.to(torch.float64) * 2.0**24).to(torch.int64)  # 2·R, root = R·2^-23
        # (2R - 1)² < 4·X·2^(46-shift) < (2R + 1)²: the root lies between the midpoints around R.
        square = SIGNIFICANDS << (48 - shift)
        assert bool(((doubled - 1) ** 2 < square).all())
        assert bool((square < (doubled + 1) ** 2).all())


def test_inverse_square_roots_of_all_significands() -> None:
    for shift in PARITIES:
        root = arithmetic.rsqrt((SIGNIFICANDS.to(torch.float64) * 2.0**-shift).to(torch.float32))
        doubled = (root.to(torch.float64) * 2.0**25).to(torch.int64)  # 2·R, root = R·2^-24 in [1/2, 1]
        # A midpoint (2R ± 1)·2^-25 is below 1/√x where its square times X is below 2^(50 + shift).
        assert bool((_compare(doubled - 1, 50 + shift) < 0).all())
        assert bool((_compare(doubled + 1, 50 + shift) > 0)[doubled < 1 << 25].all())
    assert arithmetic.rsqrt(torch.ones(1)).item() == 1.0


def test_roots_scale_with_powers_of_four() -> None:
    x = torch.rand(1000, generator=torch.Generator().manual_seed(3)) + 1
    for exponent in range(-126, 126, 2):
        scaled = x * 2.0**exponent
        assert torch.equal(arithmetic.sqrt(scaled), arithmetic.sqrt(x) * 2.0 ** (exponent // 2))
        assert torch.equal(arithmetic.rsqrt(scaled), arithmetic.rsqrt(x) * 2.0 ** (-exponent // 2))


def _compare(midpoints: Tensor, exponent: int) -> Tensor:
    """The sign of midpoint²·X - 2^exponent, though the product has 74 bits."""
    square = midpoints * midpoints
    low = (square & 0x1FFFFFF) * SIGNIFICANDS
    high = (square >> 25) * SIGNIFICANDS + (low >> 25)
    return (high - (1 << (exponent - 25))).sign() + (low & 0x1FFFFFF).sign() * (high == 1 << (exponent - 25))
