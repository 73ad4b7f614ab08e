"""The kernels for CPUs are correctly rounded: their coefficients, evaluations and results against mpmath (§1)."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import mpmath  # type: ignore[import-untyped]
import numpy as np
import pytest
import torch
from reperform.executor.arithmetic import exhaustive
from reperform.executor.arithmetic.cpu import activations, exponential, functions, normal, trigonometric
from reperform.executor.arithmetic.cpu.compile import FEATURES
from reperform.executor.arithmetic.cpu.rounding import Status, listed, rounded_row
from reperform.executor.arithmetic.errors import RefusedArithmeticError, UndecidedRoundingError
from reperform.executor.arithmetic.reference.midpoints import MIDPOINTS
from reperform.tests.arithmetic import oracle
from reperform.tests.arithmetic.bits import from_patterns, random_patterns, same_bits
from torch import Tensor

# What holds of a function whoever computes it is in test_functions.py, which these kernels pass too.
NAMES = sorted(functions.ROWS)
INFINITY = math.inf

EVALUATIONS: dict[str, Callable[[float], float]] = {
    "exp": exponential.exp64,
    "log": exponential.log64,
    "sin": trigonometric.sin64,
    "cos": trigonometric.cos64,
    "tanh": activations.tanh64,
    "erf": normal.erf64,
    "sigmoid": activations.sigmoid64,
    "silu": activations.silu64,
    "gelu": activations.gelu64,
    "gelu_tanh": activations.gelu_tanh64,
    "softplus": activations.softplus64,
}


@pytest.fixture(scope="module", autouse=True)
def served_by() -> None:
    """Once is enough: these tests name the kernels that they are about."""


def function(name: str) -> Callable[[Tensor], Tensor]:
    if name == "gelu_tanh":
        return lambda x: functions.gelu(x, approximate="tanh")
    implementation: Callable[[Tensor], Tensor] = getattr(functions, name)
    return implementation


def ordinary_inputs(name: str, count: int) -> Tensor:
    """Inputs of every size at which the function is finite, not zero and not constant after rounding."""
    generator = torch.Generator().manual_seed(23)
    spread = torch.randn(count, generator=generator) * torch.tensor([0.1, 1.0, 4.0, 30.0]).repeat(count // 4)
    x = torch.cat([spread, random_patterns(count, 29)])
    x = x[(x.abs() > 2.0**-126) & (x.abs() < 1e30)]
    if name in {"log", "sqrt", "rsqrt"}:
        return x.abs()
    if name in {"sin", "cos"}:
        return x[x.abs() <= 2.0**24]
    low, high = {"gelu": (-13.0, 1e30), "gelu_tanh": (-10.0, 1e30), "reciprocal": (-1e30, 1e30)}.get(
        name, (-80.0, 80.0)
    )
    return x[(x > low) & (x < high)]


def expected(name: str, x: Tensor) -> Tensor:
    return torch.tensor([oracle.function(name, v) for v in x.tolist()])


@pytest.mark.parametrize("name", NAMES)
def test_random_inputs_are_correctly_rounded(name: str) -> None:
    x = ordinary_inputs(name, 600)
    assert same_bits(function(name)(x), expected(name, x))


@pytest.mark.parametrize("name", sorted(EVALUATIONS))
def test_evaluations_in_float64_keep_what_they_promise(name: str) -> None:
    arguments = evaluated(name)
    check_evaluations(name, arguments, [EVALUATIONS[name](x) for x in arguments])


def evaluated(name: str) -> list[float]:
    x = ordinary_inputs(name, 300)
    x = x[x.abs() > 2.0**-100] if name in {"silu", "gelu", "gelu_tanh"} else x
    return [float(v) for v in (x[x.abs() < 4.0] if name == "erf" else x)]


def check_evaluations(name: str, arguments: list[float], values: list[float]) -> None:
    with mpmath.workprec(120):
        for argument, value in zip(arguments, values, strict=True):
            exact = exhaustive.EXACT[name](mpmath.mpf(argument))
            assert abs(value - exact) < abs(exact) * 2.0**-50, argument.hex()


_UNFUSED = """
import json, sys
from reperform.executor.arithmetic.cpu import compile
compile.FEATURES["fma"] = False
from reperform.tests.arithmetic.right.test_cpu_functions import EVALUATIONS, evaluated
print(json.dumps([[EVALUATIONS[name](x) for x in evaluated(name)] for name in sys.argv[1:]]))
"""


@pytest.mark.skipif(not FEATURES.get("fma"), reason="this processor has no fused multiply-add to do without")
def test_evaluations_keep_what_they_promise_without_fused_multiply_add() -> None:
    names = ["exp", "sin", "cos", "gelu_tanh"]  # whose reductions must be exact either way
    command = [sys.executable, "-c", _UNFUSED, *names]
    output = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300).stdout
    for name, values in zip(names, json.loads(output), strict=True):
        check_evaluations(name, evaluated(name), values)


def test_the_quick_evaluation_of_gelu_is_as_near_as_it_says() -> None:
    generator = torch.Generator().manual_seed(31)
    spread = torch.randn(4000, generator=generator) * torch.tensor([1e-20, 1e-3, 1.0, 3.0]).repeat(1000)
    last = np.nextafter(np.float32(normal.QUICK_FARTHEST), np.float32(0))
    for x in [float(v) for v in (*spread[spread.abs() < last].tolist(), last, -last)]:
        value, error = activations.gelu_quick(x)
        with mpmath.workprec(120):  # half is for the rounding of the ends
            assert abs(value - exhaustive.EXACT["gelu"](mpmath.mpf(x))) < error / 2, x.hex()


def test_the_quick_evaluation_of_gelu_is_x_or_claims_nothing_farther_out() -> None:
    for x in (normal.QUICK_FARTHEST, 6.0, np.float32(19.3), 1e5, np.float32(3e38)):
        value, error = activations.gelu_quick(float(x))
        assert (
            np.float32(value - error) == np.float32(value + error) == np.float32(x) == oracle.function("gelu", float(x))
        )
        value, error = activations.gelu_quick(-float(x))
        assert error >= float(x)


def test_a_doubtful_input_changes_nothing_for_those_beside_it() -> None:
    for size in (1, 31, 32, 33, 256, 257, 1000):
        x = torch.linspace(-9.0, 9.0, size).numpy()
        alone = np.array([functions.gelu(torch.tensor([v])).item() for v in x], np.float32)
        assert functions.gelu_row(x, x) == Status.ROUNDED
        assert x.tobytes() == alone.tobytes()


def artanh_part(u: Any) -> Any:
    """(artanh(s)/s - 1)/s² at u = s²."""
    s = mpmath.sqrt(u)
    return (mpmath.atanh(s) / s - 1) / u


@pytest.mark.parametrize(
    ("coefficients", "exact", "low", "high"),
    [
        (exponential.EXP, lambda r: (mpmath.expm1(r) - r) / r**2, "-0.3466", "0.3466"),
        (exponential.LOG, artanh_part, "0", "0.0295"),
        (exponential.LOG1P, artanh_part, "0", mpmath.fraction(1, 9)),
        (trigonometric.SIN, lambda w: (mpmath.sin(mpmath.sqrt(w)) / mpmath.sqrt(w) - 1) / w, "0", "2.468"),
        (normal.ERF, lambda v: mpmath.erf(mpmath.sqrt(8 + 8 * v)) / mpmath.sqrt(8 + 8 * v), "-1", "1"),
        (normal.NORMAL, lambda v: mpmath.erf(mpmath.sqrt(8 + 8 * v)) / (8 * mpmath.sqrt(1 + v)), "-1", "1"),
        (normal.TAIL, lambda s: scaled_tail(6 * (1 + s) / (1 - s)), "-1", mpmath.fraction(17, 41)),
    ],
    ids=["EXP", "LOG", "LOG1P", "SIN", "ERF", "NORMAL", "TAIL"],
)
def test_coefficients_are_those_of_the_interpolant(
    coefficients: tuple[float, ...], exact: Callable[[Any], Any], low: Any, high: Any
) -> None:
    with mpmath.workprec(300):
        assert [float(c) for c in interpolant(exact, mpmath.mpf(low), mpmath.mpf(high), len(coefficients))] == list(
            coefficients
        )


def scaled_tail(x: Any) -> Any:
    """(6 + x)·(1 - Φ(x))·e^(x²/2)."""
    return (6 + x) * mpmath.erfc(x / mpmath.sqrt(2)) / 2 * mpmath.exp(x**2 / 2)


def interpolant(exact: Callable[[Any], Any], low: Any, high: Any, count: int) -> list[Any]:
    """The polynomial through `count` Chebyshev nodes, by Newton's divided differences, lowest coefficient first."""
    nodes = [(low + high + (high - low) * mpmath.cos(mpmath.pi * (2 * k + 1) / (2 * count))) / 2 for k in range(count)]
    differences = [exact(x) for x in nodes]
    for order in range(1, count):
        for i in range(count - 1, order - 1, -1):
            differences[i] = (differences[i] - differences[i - 1]) / (nodes[i] - nodes[i - order])
    result = [mpmath.mpf(0)] * count
    for node, difference in zip(reversed(nodes), reversed(differences), strict=True):
        result = [below - node * c for below, c in zip([mpmath.mpf(0), *result], result, strict=False)]
        result[0] += difference
    return result


@pytest.mark.parametrize("name", ["sin", "cos"])
def test_angles_beyond_2_to_the_24_are_refused(name: str) -> None:
    function(name)(torch.tensor([2.0**24, -(2.0**24)]))
    for angle in (2.0**24 + 2, -INFINITY):
        for x in (torch.tensor([angle]), torch.cat([torch.zeros(10_000), torch.tensor([angle])])):
            with pytest.raises(RefusedArithmeticError, match=name):
                function(name)(x)


@pytest.mark.parametrize("name", NAMES)
def test_other_dtypes_are_refused(name: str) -> None:
    for dtype in (torch.float64, torch.bfloat16, torch.int64):
        with pytest.raises(RefusedArithmeticError, match=name):
            function(name)(torch.ones(1, dtype=dtype))


def test_a_gelu_of_another_kind_is_refused() -> None:
    with pytest.raises(RefusedArithmeticError, match="sigmoid"):
        functions.gelu(torch.ones(1), approximate="sigmoid")


def test_an_input_near_a_midpoint_that_is_not_listed_is_undecided(monkeypatch: pytest.MonkeyPatch) -> None:
    x = from_patterns([int(pattern, 16) for pattern in MIDPOINTS["exp"][0].split()]).numpy()
    out = np.empty_like(x)
    assert rounded_row(exponential.exp64, listed("exp"), x, out) == Status.ROUNDED
    assert rounded_row(exponential.exp64, listed("exp")[:0], x, out) == Status.UNDECIDED
    monkeypatch.setitem(functions.ROWS, "exp", lambda *_: Status.UNDECIDED)
    with pytest.raises(UndecidedRoundingError, match="exp"):
        functions.exp(torch.ones(1))


@pytest.mark.parametrize("name", NAMES)
def test_the_exhaustive_search_compares_the_kernels_with_what_it_settled(name: str) -> None:
    first, count = 0x3F800000, 1 << 16
    assert exhaustive.digest_of_kernels(name, first, count) == exhaustive.examine(name, first, count).digest
