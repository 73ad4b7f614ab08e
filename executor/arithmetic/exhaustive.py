"""Every float32 input of a function, tried: how the lists in reference/midpoints.py are made (§1).

    python -m reperform.executor.arithmetic.exhaustive exp gelu [--write] [--state DIRECTORY]

A function is evaluated in float64 at all its inputs. Where the value lies so near to a midpoint
between two float32 values that rounding is not certain, mpmath settles the answer, and the input
is listed if the exact value is within 2^-48 of the midpoint. Printed are the number of inputs, the
number listed, the largest error of the float64 evaluation at the inputs settled, and a SHA-256 over
all results, which is the same for every conforming implementation. Each finished slice of 2^24
inputs is kept under the state directory, so that an interrupted run goes on where it stopped.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import mpmath  # type: ignore[import-untyped]
import torch
from torch import Tensor

from .reference import midpoints
from .reference.functions import EVALUATIONS, LARGEST_ANGLE
from .reference.midpoints import MIDPOINTS

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


@dataclass(frozen=True)
class Slice:
    """What one slice of 2^24 bit patterns gave; inputs are eight hexadecimal digits."""

    inputs: int
    toward_zero: list[str]
    away_from_zero: list[str]
    largest_error: float
    digest: str


def main(arguments: list[str]) -> int:
    """Sweep the named functions; 1 if a list in the source is not what was found."""
    parser = argparse.ArgumentParser(prog="exhaustive", description=__doc__.splitlines()[1])
    parser.add_argument("functions", nargs="+", choices=sorted(EVALUATIONS), metavar="FUNCTION")
    parser.add_argument("--state", type=Path, default=Path(".cache/exhaustive"))
    parser.add_argument("--write", action="store_true", help="put what was found into the source")
    options = parser.parse_args(arguments)
    found = dict(MIDPOINTS)
    for name in options.functions:
        slices = list(sweep(name, options.state))
        found[name] = (
            " ".join(p for s in slices for p in s.toward_zero),
            " ".join(p for s in slices for p in s.away_from_zero),
        )
        digest = hashlib.sha256("".join(s.digest for s in slices).encode()).hexdigest()
        inputs = sum(s.inputs for s in slices)
        listed = sum(len(s.toward_zero) + len(s.away_from_zero) for s in slices)
        error = max(s.largest_error for s in slices)
        print(f"{name}: {inputs} inputs, {listed} listed, error {error:.3g}, sha256 {digest}")
    if options.write:
        Path(midpoints.__file__).write_text(render(found), encoding="utf-8")
        return 0
    different = [name for name in options.functions if found[name] != MIDPOINTS.get(name)]
    for name in different:
        print(f"{name}: the list in reference/midpoints.py differs from what was found")
    return 1 if different else 0


def sweep(name: str, state: Path) -> Iterator[Slice]:
    """The slices of a function in the order of bit patterns, from the state directory where there."""
    state.mkdir(parents=True, exist_ok=True)
    for index in range(_SLICES):
        kept = state / f"{name}-{index:02x}.json"
        if not kept.exists():
            partial = kept.with_suffix(".partial")
            partial.write_text(json.dumps(asdict(examine(name, index * _SLICE, _SLICE))), encoding="utf-8")
            partial.replace(kept)
        yield Slice(**json.loads(kept.read_text(encoding="utf-8")))


def examine(name: str, first: int, count: int) -> Slice:
    """The inputs with the bit patterns from `first` (unsigned) to `first + count - 1`."""
    hasher = hashlib.sha256()
    listed: dict[bool, list[str]] = {False: [], True: []}
    largest_error = mpmath.mpf(0)
    inputs = 0
    for start in range(first, first + count, _PIECE):
        patterns = torch.arange(start, min(start + _PIECE, first + count), dtype=torch.int64)
        x = _within_domain(name, patterns.to(torch.int32).view(torch.float32))
        y = EVALUATIONS[name](x.to(torch.float64))
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


def _within_domain(name: str, x: Tensor) -> Tensor:
    if name == "log":
        return x[(x > 0) & (x != torch.inf)]
    if name in {"sin", "cos"}:
        return x[x.abs() <= LARGEST_ANGLE]
    return x[~x.isnan()]


def _settle(name: str, x: Tensor, y: Tensor, inner: Tensor, outer: Tensor) -> tuple[Tensor, bool, bool, Any]:
    """The right one of two neighbours, whether it is the outer, whether to list it, and y's error."""
    with mpmath.workprec(_PRECISION):
        exact = EXACT[name](mpmath.mpf(x.item()))
        # Past the largest float32 the rounding boundary is 2^128 - 2^103, the midpoint to 2^128.
        beyond = 2.0**128 * (1 if outer.item() > 0 else -1) if outer.isinf() else outer.item()
        midpoint = (mpmath.mpf(inner.item()) + mpmath.mpf(beyond)) / 2
        error = abs(mpmath.mpf(y.item()) / exact - 1)
        if exact == midpoint or error > _PROMISED:
            raise AssertionError(f"{name}({float(x.item()).hex()}): a tie, or an evaluation worse than 2^-50")
        away = bool(abs(exact) > abs(midpoint))
        return (outer if away else inner), away, bool(abs(exact / midpoint - 1) < _LISTED), error


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
