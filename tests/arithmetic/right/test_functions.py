"""The functions of §1 are correctly rounded: against mpmath, bit for bit."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from reperform.executor import arithmetic
from reperform.executor.arithmetic.reference.midpoints import MIDPOINTS
from reperform.tests.arithmetic import oracle
from reperform.tests.arithmetic.bits import from_patterns, random_patterns, same_bits
from torch import Tensor

NAMES = sorted(oracle.FUNCTIONS)
INFINITY = math.inf


def function(name: str) -> Callable[[Tensor], Tensor]:
    if name == "gelu_tanh":
        return lambda x: arithmetic.gelu(x, approximate="tanh")
    implementation: Callable[[Tensor], Tensor] = getattr(arithmetic, name)
    return implementation


def ordinary_inputs(name: str, count: int) -> Tensor:
    """Inputs of every size at which the function is finite, not zero and not constant after rounding."""
    generator = torch.Generator().manual_seed(7)
    spread = torch.randn(count, generator=generator) * torch.tensor([0.1, 1.0, 4.0, 30.0]).repeat(count // 4)
    x = torch.cat([spread, random_patterns(count, 11)])
    x = x[x.isfinite() & (x != 0)]
    if name in {"log", "sqrt", "rsqrt"}:
        return x.abs()
    if name in {"sin", "cos"}:
        return x[x.abs() <= 2.0**24]
    low, high = {"gelu": (-13.0, 1e30), "gelu_tanh": (-10.0, 1e30), "reciprocal": (-1e30, 1e30)}.get(
        name, (-80.0, 80.0)
    )
    return x[(x > low) & (x < high)]


@pytest.mark.parametrize("name", NAMES)
def test_random_inputs_are_correctly_rounded(name: str) -> None:
    x = ordinary_inputs(name, 1200)
    if name == "reciprocal":
        x = x[x.abs() > 2.0**-126]
    expected = torch.tensor([oracle.function(name, v) for v in x.tolist()])
    assert same_bits(function(name)(x), expected)


@pytest.mark.parametrize("name", sorted(MIDPOINTS))
def test_inputs_near_a_midpoint_are_correctly_rounded(name: str) -> None:
    listed = [int(pattern, 16) for patterns in MIDPOINTS[name] for pattern in patterns.split()]
    assert len(listed) >= 20
    x = from_patterns(listed)
    expected = torch.tensor([oracle.function(name, v) for v in x.tolist()])
    assert same_bits(function(name)(x), expected)


@pytest.mark.parametrize(
    ("name", "inputs", "outputs"),
    [
        ("sqrt", [0.0, -0.0, INFINITY, 4.0, 2.0**-148], [0.0, -0.0, INFINITY, 2.0, 2.0**-74]),
        ("rsqrt", [0.0, -0.0, INFINITY, 4.0, 2.0**-148], [INFINITY, -INFINITY, 0.0, 0.5, 2.0**74]),
        (
            "reciprocal",
            [0.0, -0.0, INFINITY, -INFINITY, 2.0**-149, 2.0**127],
            [INFINITY, -INFINITY, 0.0, -0.0, INFINITY, 2.0**-127],
        ),
        ("exp", [0.0, -0.0, INFINITY, -INFINITY, 89.0, -104.0], [1.0, 1.0, INFINITY, 0.0, INFINITY, 0.0]),
        ("log", [0.0, -0.0, INFINITY, 1.0], [-INFINITY, -INFINITY, INFINITY, 0.0]),
        ("sin", [0.0, -0.0, 2.0**-149], [0.0, -0.0, 2.0**-149]),
        ("cos", [0.0, -0.0, 2.0**-149], [1.0, 1.0, 1.0]),
        ("tanh", [0.0, -0.0, INFINITY, -INFINITY, 2.0**-149], [0.0, -0.0, 1.0, -1.0, 2.0**-149]),
        ("erf", [0.0, -0.0, INFINITY, -INFINITY, 2.0**-149], [0.0, -0.0, 1.0, -1.0, 2.0**-149]),
        ("sigmoid", [0.0, -0.0, INFINITY, -INFINITY], [0.5, 0.5, 1.0, 0.0]),
        ("softplus", [INFINITY, -INFINITY, -104.0, 1e30], [INFINITY, 0.0, 0.0, 1e30]),
        *(
            (name, [0.0, -0.0, INFINITY, -INFINITY, -200.0, -1e38, 1e38], [0.0, -0.0, INFINITY] + [-0.0] * 3 + [1e38])
            for name in ("silu", "gelu", "gelu_tanh")
        ),
    ],
)
def test_zeros_poles_and_limits(name: str, inputs: list[float], outputs: list[float]) -> None:
    assert same_bits(function(name)(torch.tensor(inputs)), torch.tensor(outputs))


@pytest.mark.parametrize("name", ["sin", "cos"])
def test_angles_nearest_to_multiples_of_a_right_angle(name: str) -> None:
    angles = [
        252.89820861816406,
        505.7964172363281,
        4.71238899230957,
        52516.43359375,
        2709675.5,
        5419351.0,
        9.42477798461914,
    ]
    x = torch.tensor([*angles, *(-angle for angle in angles)])
    expected = torch.tensor([oracle.function(name, v) for v in x.tolist()])
    assert same_bits(function(name)(x), expected)


@pytest.mark.parametrize("name", ["silu", "gelu", "gelu_tanh"])
def test_ties_among_subnormals_go_up(name: str) -> None:
    n = torch.tensor([1, 2, 3, 5, 4097, (1 << 23) - 1, (1 << 23) + 1, (1 << 24) - 1], dtype=torch.int64)
    unit = 2.0**-149
    upward, downward = ((n + 1) // 2).to(torch.float64) * unit, (n // 2).to(torch.float64) * -unit
    x = (n.to(torch.float64) * unit).to(torch.float32)
    assert same_bits(function(name)(x), upward.to(torch.float32))
    assert same_bits(function(name)(-x), downward.to(torch.float32))


@pytest.mark.parametrize("name", ["sqrt", "rsqrt", "log"])
def test_negative_numbers_have_no_root_and_no_logarithm(name: str) -> None:
    assert function(name)(torch.tensor([-1.0, -INFINITY, -(2.0**-149)])).isnan().all()


@pytest.mark.parametrize("name", NAMES)
def test_nan_stays_nan_and_shape_stays(name: str) -> None:
    x = torch.tensor([[1.0, math.nan, 1.0]]).T
    result = function(name)(x)
    assert result.shape == x.shape
    assert result.isnan().flatten().tolist() == [False, True, False]
    assert function(name)(torch.zeros(0, 3)).shape == (0, 3)


@pytest.mark.parametrize("name", ["sin", "cos"])
def test_angles_beyond_2_to_the_24_are_refused(name: str) -> None:
    function(name)(torch.tensor([2.0**24, -(2.0**24)]))
    for angle in (2.0**24 + 2, -INFINITY):
        with pytest.raises(arithmetic.RefusedArithmeticError, match=name):
            function(name)(torch.tensor([angle]))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16, torch.int64])
def test_other_dtypes_are_refused(dtype: torch.dtype) -> None:
    with pytest.raises(arithmetic.RefusedArithmeticError, match="exp"):
        arithmetic.exp(torch.ones(1, dtype=dtype))
