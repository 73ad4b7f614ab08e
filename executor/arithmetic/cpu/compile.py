"""How the loops of this package are compiled, and on how many threads they run.

Strict IEEE 754 throughout: numba is given no licence to reassociate, contract or approximate, so a loop means what
its source says on every processor. Where a fused multiply-add is wanted it is asked for by name, and only where the
result is rounded correctly, or is exact, with and without it. Compiled code is kept beside the source, or in the
user's cache directory where that cannot be written.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import llvmlite.binding as llvm
import numba
import torch
from llvmlite import ir
from numba.extending import intrinsic

P = ParamSpec("P")
R = TypeVar("R")

FEATURES: dict[str, bool] = dict(llvm.get_host_cpu_features())

# LLVM prefers vectors of 256 bits where those of 512 once slowed the clock; in these loops they cost a third.
numba.config.CPU_NAME = llvm.get_host_cpu_name()
numba.config.CPU_FEATURES = llvm.get_host_cpu_features().flatten() + (
    ",-prefer-256-bit" if FEATURES.get("avx512f") else ""
)

_OPTIONS: dict[str, Any] = {"nogil": True, "cache": True, "error_model": "numpy", "fastmath": False}

# numba's simplest threads must not be entered twice, and two loops at once would share the cores anyway.
_ONE_AT_A_TIME = threading.Lock()


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a loop that runs on the thread that calls it."""
    compiled: Callable[P, R] = numba.njit(**_OPTIONS)(function)
    return compiled


def parallel_kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a loop over numba.prange that runs on as many threads as torch was given; called from Python only."""
    compiled = numba.njit(parallel=True, **_OPTIONS)(function)

    @functools.wraps(function)
    def run(*arguments: P.args, **keywords: P.kwargs) -> R:
        with _ONE_AT_A_TIME:
            numba.set_num_threads(min(torch.get_num_threads(), numba.config.NUMBA_NUM_THREADS))
            result: R = compiled(*arguments, **keywords)
            return result

    return run


@intrinsic  # type: ignore[untyped-decorator]
def fma(typing_context: Any, a: Any, b: Any, c: Any) -> Any:  # noqa: ARG001
    """a·b + c of float64, in one instruction where the processor has it and in two where not."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        if FEATURES.get("fma") or llvm.get_process_triple().startswith("aarch64"):
            double = ir.DoubleType()
            function = builder.module.declare_intrinsic(
                "llvm.fma", [double], ir.FunctionType(double, [double, double, double])
            )
            return builder.call(function, arguments)
        return builder.fadd(builder.fmul(arguments[0], arguments[1]), arguments[2])

    f64 = numba.types.float64
    return f64(f64, f64, f64), generate
