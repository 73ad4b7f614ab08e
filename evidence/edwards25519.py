"""The group of Ed25519 (RFC 8032 §5.1), as far as it takes to judge a public key.

Nothing here is secret, so nothing here needs to run in constant time.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from .encoding import MalformedError

P: Final = 2**255 - 19
ORDER: Final = 2**252 + 27742317777372353535851937790883648493
D: Final = -121665 * pow(121666, -1, P) % P
SQRT_MINUS_ONE: Final = pow(2, (P - 1) // 4, P)

Point = tuple[int, int, int, int]  # extended homogeneous coordinates (X, Y, Z, T), RFC 8032 §5.1.4
NEUTRAL: Final[Point] = (0, 1, 1, 0)


@lru_cache(maxsize=4096)
def check_prime_order(encoded: bytes) -> None:
    """Raise MalformedError unless these 32 bytes are the one encoding of a point of prime order.

    Refuses y >= p, points off the curve, x = 0 with the sign bit set (RFC 8032 §5.1.3), the neutral
    element, and every point outside the prime-order subgroup, so also all eight points of low order.
    """
    point = _decompress(encoded)
    if _equal(point, NEUTRAL) or not _equal(_multiply(ORDER, point), NEUTRAL):
        raise MalformedError("an Ed25519 public key of low or mixed order, which can verify forged signatures")


def _decompress(encoded: bytes) -> Point:
    number = int.from_bytes(encoded, "little")
    sign, y = number >> 255, number & (2**255 - 1)
    if y >= P:
        raise MalformedError("an Ed25519 public key in a non-canonical encoding")
    u, v = (y * y - 1) % P, (D * y * y + 1) % P
    x = u * pow(v, 3, P) * pow(u * pow(v, 7, P), (P - 5) // 8, P) % P
    if (v * x * x - u) % P:
        x = x * SQRT_MINUS_ONE % P
    if (v * x * x - u) % P:
        raise MalformedError("an Ed25519 public key that is not a point on the curve")
    if x == 0 and sign:
        raise MalformedError("an Ed25519 public key in a non-canonical encoding")
    if x & 1 != sign:
        x = P - x
    return x, y, 1, x * y % P


def _add(a: Point, b: Point) -> Point:
    p, q = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    r, s = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    e, f, g, h = q - p, s - r, s + r, q + p
    return e * f % P, g * h % P, f * g % P, e * h % P


def _multiply(scalar: int, point: Point) -> Point:
    result = NEUTRAL
    while scalar:
        if scalar & 1:
            result = _add(result, point)
        point = _add(point, point)
        scalar >>= 1
    return result


def _equal(a: Point, b: Point) -> bool:
    return (a[0] * b[2] - b[0] * a[2]) % P == 0 and (a[1] * b[2] - b[1] * a[2]) % P == 0
