"""portable-1 computed slowly from its definition: Python integers, fractions and mpmath, no tensors.

Written from docs/arithmetic.md alone. Vectors are lists of floats that hold float32 (or, where the page says so,
float64) values; results are such floats.
"""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import mpmath  # type: ignore[import-untyped]
from reperform.executor.arithmetic.exhaustive import EXACT

_PRECISION = 300

FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    **EXACT,
    "sqrt": mpmath.sqrt,
    "rsqrt": lambda x: 1 / mpmath.sqrt(x),
    "reciprocal": lambda x: 1 / x,
}


def rn32(x: Fraction) -> float:
    """RN32 of an exact value; zero comes out as +0 unless x is negative."""
    if x == 0:
        return 0.0
    magnitude = abs(x)
    exponent = max(_exponent_above(magnitude) - 24, -149)
    rounded = round(magnitude / Fraction(2) ** exponent)  # Python rounds ties to even
    value = rounded * Fraction(2) ** exponent
    return math.copysign(math.inf if value >= Fraction(2) ** 128 else float(value), x)


def rn64(x: Fraction) -> float:
    """RN64 of an exact value: Python divides integers with one rounding."""
    return x.numerator / x.denominator


def function(name: str, x: float) -> float:
    """RN32 f(x) for an x where f is finite and not zero (§1)."""
    with mpmath.workprec(_PRECISION):
        value = FUNCTIONS[name](mpmath.mpf(x))
        sign, significand, exponent, _ = value._mpf_
    return rn32((-1) ** sign * Fraction(int(significand)) * Fraction(2) ** exponent)


def scaled(v: Sequence[float], bits: int) -> tuple[list[int], int]:
    """The integers of a vector and its exponent (§2 step 1)."""
    peak = max((abs(Fraction(x)) for x in v), default=Fraction(0))
    if peak == 0:
        return [0] * len(v), 0
    e = _exponent_above(peak)
    return [round(Fraction(x) * Fraction(2) ** (bits - e)) for x in v], e


def dot(a: Sequence[float], b: Sequence[float]) -> float:
    """The dot product of §2."""
    (qa, ea), (qb, eb) = scaled(a, 20), scaled(b, 20)
    s = sum(x * y for x, y in zip(qa, qb, strict=True))
    return rn32(Fraction(float(s)) * Fraction(2) ** (ea + eb - 40)) + 0.0


def sum64(v: Sequence[float]) -> float:
    """Sum64 of §3."""
    q, e = scaled(v, 40)
    return float(Fraction(float(sum(q))) * Fraction(2) ** (e - 40))


def add32(a: float, b: float) -> float:
    """One float32 addition."""
    if math.isinf(a) or math.isinf(b) or a + b == 0:
        return a + b
    return rn32(Fraction(a) + Fraction(b))


def mul32(a: float, b: float) -> float:
    """One float32 multiplication."""
    if math.isinf(a) or math.isinf(b) or 0 in (a, b):
        return a * b
    return rn32(Fraction(a) * Fraction(b))


def layer_norm(
    x: Sequence[float], weight: Sequence[float] | None, bias: Sequence[float] | None, eps: float
) -> list[float]:
    """Layer normalisation of one row (§4)."""
    mean = sum64(x) / len(x)
    c = [v - mean for v in x]
    variance = sum64([v * v for v in c]) / len(x)
    r = function("rsqrt", rn32(Fraction(variance + eps)))
    y = [rn32(Fraction(v * r)) for v in c]
    if weight is not None:
        y = [mul32(v, w) for v, w in zip(y, weight, strict=True)]
    if bias is not None:
        y = [add32(v, b) for v, b in zip(y, bias, strict=True)]
    return [v + 0.0 for v in y]


def softmax(x: Sequence[float]) -> list[float]:
    """Softmax of one row (§5)."""
    u, z = _weights(x, max(x))
    return [rn32(Fraction(v / z)) for v in u]


def attention(
    query: Sequence[float],
    keys: Sequence[Sequence[float]],
    values: Sequence[Sequence[float]],
    added: Sequence[float],
    scale: float,
) -> list[float]:
    """One query row of attention (§5); `added` holds the mask, -inf where a key is excluded."""
    scores = [add32(mul32(dot(query, k), scale), m) for k, m in zip(keys, added, strict=True)]
    left = [j for j, s in enumerate(scores) if s != -math.inf]
    width = len(values[0])
    if not left:
        return [0.0] * width
    u, z = _weights([scores[j] for j in left], max(scores[j] for j in left))
    rows = [scaled(values[j], 20) for j in left]
    w = [0.0 if not any(h) else x * 2.0**f for x, (h, f) in zip(u, rows, strict=True)]
    q, g = scaled(w, 20)
    sums = [sum(a * h[d] for a, (h, _) in zip(q, rows, strict=True)) for d in range(width)]
    return [rn32(Fraction(float(s) * 2.0 ** (g - 40) / z)) + 0.0 for s in sums]


def mean(v: Sequence[float]) -> float:
    """The mean of §3."""
    return rn32(Fraction(sum64(v) / len(v))) + 0.0


def convolution(  # noqa: PLR0917
    x: Sequence[Sequence[Sequence[float]]],
    filters: Sequence[Sequence[Sequence[Sequence[float]]]],
    bias: Sequence[float] | None,
    stride: tuple[int, int],
    around: tuple[tuple[int, int], tuple[int, int]],
    dilation: tuple[int, int],
    groups: int,
) -> list[list[list[float]]]:
    """The convolution of one example, channels by rows by columns (§2); `around` has the zeros on either side."""
    height, width, (top, bottom), (left, right) = len(x[0]), len(x[0][0]), *around
    tall, wide = len(filters[0][0]), len(filters[0][0][0])
    rows = range(-top, height + bottom - dilation[0] * (tall - 1), stride[0])
    columns = range(-left, width + right - dilation[1] * (wide - 1), stride[1])

    def at(channel: int, row: int, column: int) -> float:
        return x[channel][row][column] if 0 <= row < height and 0 <= column < width else 0.0

    def place(output: int, row: int, column: int) -> float:
        taps = [
            (
                at(
                    output * groups // len(filters) * len(filters[0]) + c,
                    row + dilation[0] * i,
                    column + dilation[1] * j,
                ),
                w,
            )
            for c, plane in enumerate(filters[output])
            for i, line in enumerate(plane)
            for j, w in enumerate(line)
        ]
        result = dot([v for v, _ in taps], [w for _, w in taps])
        return result if bias is None else add32(result, bias[output])

    return [[[place(o, row, column) for column in columns] for row in rows] for o in range(len(filters))]


def lstm_cell(gates: Sequence[float], cell: Sequence[float]) -> tuple[list[float], list[float]]:
    """The next hidden and cell state of an LSTM from the sums of both parts of its gates (§7)."""
    n = len(cell)
    i, f, g, o = (gates[k * n : (k + 1) * n] for k in range(4))
    kept = [mul32(function("sigmoid", a), c) for a, c in zip(f, cell, strict=True)]
    new = [mul32(function("sigmoid", a), function("tanh", b)) for a, b in zip(i, g, strict=True)]
    cells = [add32(a, b) for a, b in zip(kept, new, strict=True)]
    return [mul32(function("sigmoid", a), function("tanh", c)) for a, c in zip(o, cells, strict=True)], cells


def gru_cell(inputs: Sequence[float], hidden: Sequence[float], state: Sequence[float]) -> list[float]:
    """The next state of a GRU from the parts of its gates from the input and from the state (§7)."""
    size = len(state)
    r = [function("sigmoid", add32(inputs[k], hidden[k])) for k in range(size)]
    z = [function("sigmoid", add32(inputs[size + k], hidden[size + k])) for k in range(size)]
    n = [function("tanh", add32(inputs[2 * size + k], mul32(hidden[2 * size + k], r[k]))) for k in range(size)]
    return [add32(mul32(add32(h, -b), a), b) for h, a, b in zip(state, z, n, strict=True)]


def sample(  # noqa: PLR0917
    logits: Sequence[float], temperature: float, top_k: int | None, top_p: float | None, seed: bytes, position: int
) -> int:
    """The token drawn from one row of logits (§6)."""
    if temperature == 0:
        return logits.index(max(logits))
    divided = [x if math.isinf(x) else rn32(Fraction(x) / Fraction(float32(temperature))) for x in logits]
    u, _ = _weights(divided, max(divided))
    weights = [round(Fraction(v) * 2**40) for v in u]
    kept = sorted(range(len(weights)), key=lambda i: (-weights[i], i))[: top_k or len(weights)]
    if top_p is not None:
        least = Fraction(round(Fraction(top_p) * 2**32) * sum(weights[i] for i in kept), 2**32)
        lengths = (n for n in range(1, len(kept) + 1) if sum(weights[i] for i in kept[:n]) >= math.ceil(least))
        kept = kept[: next(lengths)]
    digest = hashlib.sha256(b"reperform/sample/v1" + b"\0" + seed + position.to_bytes(8, "big")).digest()
    threshold = int.from_bytes(digest[:8], "big") * sum(weights[i] for i in kept) // 2**64
    running = 0
    for token in sorted(kept):
        running += weights[token]
        if running > threshold:
            return token
    raise AssertionError("the threshold is below the sum")


def float32(x: float) -> float:
    """A Python float rounded to float32 by the platform, to make test inputs."""
    return float(struct.unpack("<f", struct.pack("<f", x))[0])


def _weights(scores: Sequence[float], peak: float) -> tuple[list[float], float]:
    t = [s if s == -math.inf else rn32(Fraction(s) - Fraction(peak)) for s in scores]
    u = [0.0 if v < -110 else 1.0 if v == 0 else function("exp", v) for v in t]
    return u, float(sum(round(Fraction(v) * 2**40) for v in u)) * 2.0**-40


def _exponent_above(magnitude: Fraction) -> int:
    """The e with 2^(e-1) ≤ magnitude < 2^e."""
    e = magnitude.numerator.bit_length() - magnitude.denominator.bit_length()
    return e + 1 if magnitude >= Fraction(2) ** e else e


def _check() -> None:
    """The oracle's own rounding agrees with the platform's conversion."""
    for value in (1.0, 1 / 3, 2.0**-149, 2.0**-150, 1.5 * 2.0**-149, 3.4e38, 2.0**-126 * (1 - 2.0**-25)):
        if rn32(Fraction(value)) != float32(value):
            raise AssertionError(value)


_check()
