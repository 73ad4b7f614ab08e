"""What is compiled into the loops that use it: evaluations of one element, polynomials, a block on the stack."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array

from .compile import OPTIONS, fma

P = ParamSpec("P")
R = TypeVar("R")

# Inputs are rounded by blocks: long enough for vectors to pay, short enough to do again when one is doubtful.
BLOCK = 256

_float64 = numba.types.float64


def inlined(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function, which allocates nothing, into each loop that calls it: the loop becomes one of vectors."""
    compiled: Callable[P, R] = numba.njit(forceinline=True, _nrt=False, **OPTIONS)(function)
    return compiled


@intrinsic  # type: ignore[untyped-decorator]
def polynomial(typing_context: Any, x: Any, coefficients: Any) -> Any:  # noqa: ARG001
    """Σ c_n·x^n of float64 by Horner's rule, from a tuple of coefficients; unrolled."""

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        x, values = arguments
        step = context.get_function(context.typing_context.resolve_value_type(fma), fma_signature)
        result = builder.extract_value(values, coefficients.count - 1)
        for n in range(coefficients.count - 2, -1, -1):
            result = step(builder, (result, x, builder.extract_value(values, n)))
        return result

    fma_signature = _float64(_float64, _float64, _float64)
    return _float64(_float64, coefficients), generate


@inlined
def bits_of(x: float) -> np.int64:
    """The bit pattern of a float64, signed."""
    return np.float64(x).view(np.int64)


@inlined
def float_of(bits: np.int64) -> float:
    """The float64 of a bit pattern."""
    return np.int64(bits).view(np.float64)


@intrinsic  # type: ignore[untyped-decorator]
def block(typing_context: Any) -> Any:  # noqa: ARG001
    """BLOCK float32 values on the stack: memory that LLVM knows to be nobody else's."""

    def generate(context: Any, builder: Any, signature: Any, _arguments: Any) -> Any:
        array = context.make_array(signature.return_type)(context, builder)
        data = cgutils.alloca_once(builder, ir.FloatType(), size=BLOCK)
        size, step = (context.get_constant(numba.types.intp, n) for n in (BLOCK, 4))
        populate_array(array, data=data, shape=[size], strides=[step], itemsize=step, meminfo=None)
        return array._getvalue()  # as numba's own intrinsics do

    return numba.types.Array(numba.types.float32, 1, "C")(), generate
