"""Every float32 input of every function, tried: the source of reference/midpoints.py and docs/exhaustive.md (§1).

    python -m reperform.executor.arithmetic.exhaustive [FUNCTION...] [--write] [--state DIRECTORY]

1. The reference evaluates a function in float64 at all its inputs. Where the value lies so near to a midpoint between
   two float32 values that rounding is not certain, mpmath settles the answer, and the input is listed if the exact
   value is within 2^-48 of the midpoint. The SHA-256 over all results is the same for all that conform.
2. The kernels for CPUs compute all results again, and must give the same SHA-256.

Each slice of 2^24 inputs that step 1 has finished is kept under the state directory, so that an interrupted run goes on
where it stopped; step 2 takes minutes and is never kept. With no function named, all are tried, and what was found is
written to docs/exhaustive.md.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from math import log2
from pathlib import Path
from typing import Any

import mpmath  # type: ignore[import-untyped]
import numpy as np
import torch
from rich.progress import Progress
from torch import Tensor

from .reference import midpoints
from .reference.functions import EVALUATIONS, LARGEST_ANGLE, reciprocal
from .reference.midpoints import MIDPOINTS
from .reference.roots import rsqrt64, sqrt64
from .reference.rounding import Evaluation

# Candidates are wider than what is listed, so that the evaluation's own 2^-50 cannot hide one.
_CANDIDATE = 2.0**-47.5
_LISTED = mpmath.mpf(2) ** -48
_PROMISED = mpmath.mpf(2) ** -50
_PRECISION = 256

_SLICE = 1 << 24
_SLICES = 1 << 8
_PIECE = 1 << 16

EXACT: dict[str, Callable[[Any], Any]] = {
    "exp": mpmath.exp,
    "log": mpmath.log,
    "sin": mpmath.sin,
    "cos": mpmath.cos,
    "tanh": mpmath.tanh,
    "erf": mpmath.erf,
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
    "silu": lambda x: x / (1 + mpmath.exp(-x)),
    "gelu": lambda x: x * mpmath.erfc(-x / mpmath.sqrt(2)) / 2,
    "gelu_tanh": lambda x: x / (1 + mpmath.exp(-mpmath.sqrt(8 / mpmath.pi) * (x + x**3 * 44715 / 10**6))),
    "softplus": lambda x: mpmath.log1p(mpmath.exp(x)),
}


# These need no list (docs/arithmetic.md), and are tried like the others.
_EVALUATIONS: dict[str, Evaluation] = {**EVALUATIONS, "sqrt": sqrt64, "rsqrt": rsqrt64, "reciprocal": reciprocal}
_EXACT: dict[str, Callable[[Any], Any]] = {
    **EXACT,
    "sqrt": mpmath.sqrt,
    "rsqrt": lambda x: 1 / mpmath.sqrt(x),
    "reciprocal": lambda x: 1 / x,
}


@dataclass(frozen=True)
class Slice:
    """What one slice of 2^24 bit patterns gave; inputs are eight hexadecimal digits."""

    inputs: int
    toward_zero: list[str]
    away_from_zero: list[str]
    largest_error: float
    digest: str


@dataclass(frozen=True)
class Found:
    """What all slices of a function gave, and the first slice for which the kernels for CPUs have another digest."""

    name: str
    inputs: int
    toward_zero: str
    away_from_zero: str
    largest_error: float
    digest: str
    disagreement: int | None

    @property
    def listed(self) -> int:
        """Inputs within 2^-48 of a midpoint."""
        return len(self.toward_zero.split()) + len(self.away_from_zero.split())

    @property
    def faults(self) -> Iterator[str]:
        """What is not as it should be."""
        if self.disagreement is not None:
            yield f"{self.name}: the kernels for CPUs differ from the reference in the slice {self.disagreement:02x}"
        source = [part.split() for part in MIDPOINTS.get(self.name, ("", ""))]
        if self.name in EXACT and [self.toward_zero.split(), self.away_from_zero.split()] != source:
            yield f"{self.name}: the list in reference/midpoints.py differs from what was found"


def main(arguments: list[str]) -> int:
    """Try the named functions, or all; 1 if anything is not as it should be."""
    parser = argparse.ArgumentParser(prog="exhaustive", description=__doc__.splitlines()[0])
    parser.add_argument("functions", nargs="*", metavar="FUNCTION", help="one of " + " ".join(_EVALUATIONS))
    parser.add_argument("--state", type=Path, default=Path(".cache/exhaustive"))
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--write", action="store_true", help="put the lists that were found into the source")
    parser.add_argument("--report", type=Path, default=Path("docs/exhaustive.md"), help="written when all are tried")
    options = parser.parse_args(arguments)
    names = options.functions or list(_EVALUATIONS)
    if unknown := set(names) - set(_EVALUATIONS):
        parser.error(f"no such function: {' '.join(sorted(unknown))}")
    options.state.mkdir(parents=True, exist_ok=True)
    results = list(sweep(names, options.state, options.processes))
    if options.write:
        lists = {f.name: (f.toward_zero, f.away_from_zero) for f in results if f.name in EXACT}
        Path(midpoints.__file__).write_text(render({**MIDPOINTS, **lists}), encoding="utf-8")
    faults = [fault for found in results for fault in found.faults]
    if not faults and set(names) == set(_EVALUATIONS):
        options.report.write_text(report(results), encoding="utf-8")
    return 1 if faults else 0


def sweep(names: list[str], state: Path, processes: int) -> Iterator[Found]:
    """All inputs of the functions, in slices spread over processes."""
    # Forked, torch and numba would find their threads gone.
    context = multiprocessing.get_context("spawn")
    with Progress() as progress, ProcessPoolExecutor(processes, mp_context=context) as pool:
        task = progress.add_task("", total=len(names) * _SLICES)
        for name in names:
            progress.update(task, description=name)
            slices, agreed = [], []
            for found, digest in pool.map(_try_slice, [name] * _SLICES, range(_SLICES), [state] * _SLICES):
                slices.append(found)
                agreed.append(digest == found.digest)
                progress.advance(task)
            whole = Found(
                name=name,
                inputs=sum(s.inputs for s in slices),
                toward_zero=" ".join(p for s in slices for p in s.toward_zero),
                away_from_zero=" ".join(p for s in slices for p in s.away_from_zero),
                largest_error=max(s.largest_error for s in slices),
                digest=hashlib.sha256("".join(s.digest for s in slices).encode()).hexdigest(),
                disagreement=None if all(agreed) else agreed.index(False),
            )
            for line in (row(whole), *whole.faults):
                progress.console.print(line, soft_wrap=True)
            yield whole


def _try_slice(name: str, index: int, state: Path) -> tuple[Slice, str]:
    """One slice: what the reference gave, from the state directory where there, and the digest of the kernels."""
    torch.set_num_threads(1)
    kept = state / f"{name}-{index:02x}.json"
    if not kept.exists():
        partial = kept.with_suffix(".partial")
        partial.write_text(json.dumps(asdict(examine(name, index * _SLICE, _SLICE))), encoding="utf-8")
        partial.replace(kept)
    return Slice(**json.loads(kept.read_text(encoding="utf-8"))), digest_of_kernels(name, index * _SLICE, _SLICE)


def digest_of_kernels(name: str, first: int, count: int) -> str:
    """SHA-256 over what the kernels for CPUs give at the inputs of `examine`; not one where they cannot decide."""
    from .cpu.functions import ROWS  # noqa: PLC0415  # the tests' oracle, which imports this module, needs no kernels

    hasher = hashlib.sha256()
    for start in range(first, first + count, _PIECE):
        inputs = _inputs(name, start, min(_PIECE, first + count - start)).numpy()
        results = np.empty_like(inputs)
        if ROWS[name](inputs, results):
            return "undecided"  # as where the list in the source is still to be made
        hasher.update(results.tobytes())
    return hasher.hexdigest()


def examine(name: str, first: int, count: int) -> Slice:
    """The inputs with the bit patterns from `first` (unsigned) to `first + count - 1`."""
    hasher = hashlib.sha256()
    listed: dict[bool, list[str]] = {False: [], True: []}
    largest_error = mpmath.mpf(0)
    inputs = 0
    for start in range(first, first + count, _PIECE):
        x = _inputs(name, start, min(_PIECE, first + count - start))
        y = _EVALUATIONS[name](x.to(torch.float64))
        inner = (y * (1.0 - _CANDIDATE)).to(torch.float32)
        outer = (y * (1.0 + _CANDIDATE)).to(torch.float32)
        for place in (inner != outer).nonzero().flatten().tolist():
            value, away, near, error = _settle(name, x[place], y[place], inner[place], outer[place])
            inner[place] = value
            largest_error = max(largest_error, error)
            if near:
                listed[away].append(f"{int(x[place].view(torch.int32).item()) & 0xFFFFFFFF:08x}")
        hasher.update(inner.numpy().tobytes())
        inputs += x.numel()
    return Slice(inputs, listed[False], listed[True], float(largest_error), hasher.hexdigest())


def _inputs(name: str, first: int, count: int) -> Tensor:
    """Those of the bit patterns that are inputs: no NaN, none outside the domain, and no pole."""
    x = torch.arange(first, first + count, dtype=torch.int64).to(torch.int32).view(torch.float32)
    if name in {"log", "sqrt", "rsqrt"}:
        return x[(x > 0) & (x != torch.inf)]
    if name in {"sin", "cos"}:
        return x[x.abs() <= LARGEST_ANGLE]
    return x[~x.isnan()]


def _settle(name: str, x: Tensor, y: Tensor, inner: Tensor, outer: Tensor) -> tuple[Tensor, bool, bool, Any]:
    """The right one of two neighbours, whether it is the outer, whether to list it, and y's error."""
    with mpmath.workprec(_PRECISION):
        exact = _EXACT[name](mpmath.mpf(x.item()))
        # Past the largest float32 the rounding boundary is 2^128 - 2^103, the midpoint to 2^128.
        beyond = 2.0**128 * (1 if outer.item() > 0 else -1) if outer.isinf() else outer.item()
        midpoint = (mpmath.mpf(inner.item()) + mpmath.mpf(beyond)) / 2
        error = abs(mpmath.mpf(y.item()) / exact - 1)
        if exact == midpoint or error > _PROMISED:
            raise AssertionError(f"{name}({float(x.item()).hex()}): a tie, or an evaluation worse than 2^-50")
        away = bool(abs(exact) > abs(midpoint))
        return (outer if away else inner), away, bool(abs(exact / midpoint - 1) < _LISTED), error


_REPORT = """# Every input, tried

A function of one variable has at most 2^32 float32 inputs, so that its results can all be computed, and were. For each
function of §1 of [the arithmetic](arithmetic.md):

1. The reference evaluated it in float64 at every input (NaN, and what is outside the domain, left out; for `log`,
   `sqrt` and `rsqrt` also ±0 and infinity, which the tests cover). Every input whose value was within 2^-47.5 of a
   midpoint between two float32 values was settled by mpmath at 256 bits.
2. The kernels for CPUs, which use other formulas and other code, computed every result again.

Both gave the SHA-256 in the table: over the results in the order of the inputs' bit patterns, as little-endian float32,
by slices of 2^24 patterns, and then over the slices' hexadecimal digests. "Near" counts the inputs whose exact value is
within 2^-48 of a midpoint; for all but `sqrt`, `rsqrt` and `reciprocal`, which need no list, these are the entries of
`executor/arithmetic/reference/midpoints.py`, and the same as there. The largest error is that of the reference's
float64 values, relative, over the inputs that were settled.

| function | inputs | near | largest error | SHA-256 of all results, reference and kernels |
|---|---|---|---|---|
{rows}

To repeat it: `make exhaustive`, which also writes this page. It goes on where it was interrupted; on one core the
first step takes more than an hour, the second some ten minutes.
"""


def report(results: list[Found]) -> str:
    """The text of docs/exhaustive.md."""
    return _REPORT.format(rows="\n".join(row(found) for found in results))


def row(found: Found) -> str:
    """One row of the table."""
    error = f"2^{log2(found.largest_error):.2f}" if found.largest_error else "none"
    return f"| `{found.name}` | {found.inputs:,} | {found.listed} | {error} | `{found.digest}` |"


def render(found: dict[str, tuple[str, str]]) -> str:
    """The text of reference/midpoints.py."""
    lines = [
        '"""Inputs whose exact value lies within 2^-48 (relative) of a midpoint between two float32 values (§1).',
        "",
        "Each is a hexadecimal bit pattern, in increasing order: first those that round toward zero, then those that",
        "round away from it. Written by `python -m reperform.executor.arithmetic.exhaustive --write FUNCTION...`.",
        '"""',
        "",
        "MIDPOINTS: dict[str, tuple[str, str]] = {",
    ]
    for name, lists in sorted(found.items()):
        lines.append(f'    "{name}": (')
        for listed in lists:
            patterns = listed.split()
            lines.append('        """')
            lines += ["        " + " ".join(patterns[i : i + 11]) for i in range(0, len(patterns), 11)]
            lines.append('        """,')
        lines.append("    ),")
    return "\n".join([*lines, "}", ""])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
