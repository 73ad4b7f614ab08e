"""How the loops of this package are compiled, and on how many threads they run.

Strict IEEE 754 throughout: numba is given no licence to reassociate, contract or approximate, so a loop means what
its source says on every processor. Where a fused multiply-add is wanted it is asked for by name, and only where the
result is rounded correctly, or is exact, with and without it.

Compiled code is kept in the user's cache directory, under a digest of all the sources it may have been made from:
numba by itself asks only whether the file of the outermost function has changed.
"""

from __future__ import annotations

import functools
import hashlib
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import llvmlite.binding as llvm
import numba
import torch
from llvmlite import ir
from numba.extending import intrinsic

P = ParamSpec("P")
R = TypeVar("R")

# numba's own variables NUMBA_CPU_NAME and NUMBA_CPU_FEATURES name another processor, to try its loops on this one.
if not numba.config.CPU_NAME:
    numba.config.CPU_NAME = llvm.get_host_cpu_name()
    numba.config.CPU_FEATURES = llvm.get_host_cpu_features().flatten()
FEATURES = {f[1:]: f[0] == "+" for f in (numba.config.CPU_FEATURES or "").split(",") if f}

llvm.initialize_native_asmparser()  # tiles.py names an instruction

# LLVM prefers vectors of 256 bits where those of 512 once slowed the clock; in these loops they cost a third.
if FEATURES.get("avx512f"):
    numba.config.CPU_FEATURES += ",-prefer-256-bit"

# Where both use OpenMP they share its threads, and numba's first use of them would undo torch.set_num_threads.
_given = torch.get_num_threads()
numba.get_num_threads()
torch.set_num_threads(_given)

OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": False}

# Elements that one thread goes through in the time that it takes to wake another.
_SMALL = 1 << 12

# numba's simplest threads must not be entered twice, and two loops at once would share the cores anyway.
_ONE_AT_A_TIME = threading.Lock()


def _cache_folder() -> str | None:
    """Where compiled code is kept; None if nothing can be written there, and every process compiles for itself."""
    sources = [*sorted(Path(__file__).parent.glob("*.py")), Path(__file__).parents[1] / "reference" / "midpoints.py"]
    stamp = hashlib.sha256(b"".join(hashlib.sha256(source.read_bytes()).digest() for source in sources)).hexdigest()
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(numba.config.CACHE_DIR or Path(caches) / "reperform" / "kernels") / stamp[:16]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return str(folder) if os.access(folder, os.W_OK) else None


_CACHE = _cache_folder()


def _compiled(function: Callable[P, R], **options: Any) -> Callable[P, R]:
    elsewhere, numba.config.CACHE_DIR = numba.config.CACHE_DIR, _CACHE or ""
    try:
        result: Callable[P, R] = numba.njit(cache=_CACHE is not None, **OPTIONS, **options)(function)
    finally:
        numba.config.CACHE_DIR = elsewhere
    return result


def threads() -> int:
    """The threads that a parallel kernel runs on: as many as torch was given."""
    return int(min(torch.get_num_threads(), numba.config.NUMBA_NUM_THREADS))


def tasks_for(rows: int, length: int) -> int:
    """Into how many tasks rows of so many elements are divided: one, where waking other threads would cost more."""
    return 1 if rows * length < _SMALL else min(rows, 4 * threads())


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a loop that runs on the thread that calls it, allocates nothing and gives back no array.

    numba then counts no references, which for a short row takes longer than its arithmetic.
    """
    return _compiled(function, _nrt=False)


def allocating_kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a loop that runs on the thread that calls it, with memory of its own."""
    return _compiled(function)


def parallel_kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a loop over numba.prange that runs on as many threads as torch was given; called from Python only."""
    compiled = _compiled(function, parallel=True)

    @functools.wraps(function)
    def run(*arguments: P.args, **keywords: P.kwargs) -> R:
        with _ONE_AT_A_TIME:
            numba.set_num_threads(threads())
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
