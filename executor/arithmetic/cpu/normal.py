"""The normal distribution and the error function in float64, one element at a time (§1)."""

from __future__ import annotations

from .compile import fma
from .exponential import clamped, exp64
from .inline import inlined, polynomial

# (6 + x)·(1 - Φ(x))·e^(x²/2) on [0, 14.5] as a polynomial in s = (x - 6)/(x + 6) = 1 - 12/(x + 6): the interpolant on
# [-1, 17/41], as in exponential.py; relative error below 2^-52.9. One division gives the variable and the factor.
_CENTRE = 6.0
TAIL = (
    float.fromhex("0x1.8e010d2b8a0eap-1"),
    float.fromhex("-0x1.66eaa7d096414p-1"),
    float.fromhex("0x1.234fe3fd924d1p-1"),
    float.fromhex("-0x1.a7d6577269656p-2"),
    float.fromhex("0x1.1267d7384615fp-2"),
    float.fromhex("-0x1.38b069dbc9c4ap-3"),
    float.fromhex("0x1.33e777723f600p-4"),
    float.fromhex("-0x1.fba9d52f3b262p-6"),
    float.fromhex("0x1.48a83d75d6965p-7"),
    float.fromhex("-0x1.1764c7e988c0dp-9"),
    float.fromhex("0x1.13b02dd2e8aabp-15"),
    float.fromhex("0x1.7c5247b05625cp-13"),
    float.fromhex("-0x1.0f8521b24188bp-14"),
    float.fromhex("0x1.2df32059cc7d4p-20"),
    float.fromhex("0x1.c841bce50380dp-18"),
    float.fromhex("-0x1.fe90dd6737007p-20"),
    float.fromhex("-0x1.1d0ac17672827p-21"),
    float.fromhex("0x1.63c953951b872p-22"),
    float.fromhex("0x1.95d93bdd8fd2fp-24"),
)

# x·Φ(x) rounds to -0 in float32 from here down.
FARTHEST = 14.5

# erf(x)/x as a polynomial in v = x²/8 - 1, the interpolant on [-1, 1]: relative error below 2^-54, no exponential, no
# division. From 4 up erf(x) rounds to 1 in float32.
ERF = (
    float.fromhex("0x1.6a040781a499cp-2"),
    float.fromhex("-0x1.69a0ccda3df49p-3"),
    float.fromhex("0x1.0dabaf0613e2ap-3"),
    float.fromhex("-0x1.b92e95c19360ep-4"),
    float.fromhex("0x1.717efc78457e7p-4"),
    float.fromhex("-0x1.3215d8b745a7ap-4"),
    float.fromhex("0x1.ea97f14b420bbp-5"),
    float.fromhex("-0x1.76e8649bebc19p-5"),
    float.fromhex("0x1.0ed52c03dee75p-5"),
    float.fromhex("-0x1.7034f9b43cc01p-6"),
    float.fromhex("0x1.d635292cb29c0p-7"),
    float.fromhex("-0x1.1a023db4ebcc5p-7"),
    float.fromhex("0x1.3e151489766b4p-8"),
    float.fromhex("-0x1.51ee6c72c23e3p-9"),
    float.fromhex("0x1.52d98ccb291c3p-10"),
    float.fromhex("-0x1.41606b1648eebp-11"),
    float.fromhex("0x1.20ef7627e8655p-12"),
    float.fromhex("-0x1.ed8ac74d0fc95p-14"),
    float.fromhex("0x1.913d534d36fafp-15"),
    float.fromhex("-0x1.3728169dc20fdp-16"),
    float.fromhex("0x1.cd6aaa7b79215p-18"),
    float.fromhex("-0x1.47444a4a1a4a2p-19"),
    float.fromhex("0x1.bafc888241c90p-21"),
    float.fromhex("-0x1.21b9cea5adef1p-22"),
    float.fromhex("0x1.7980eb7b0550fp-24"),
    float.fromhex("-0x1.c5e03b56a51a8p-26"),
    float.fromhex("0x1.a625455973945p-28"),
    float.fromhex("-0x1.ea364033e8f1bp-30"),
    float.fromhex("0x1.05023ee0de3b5p-30"),
    float.fromhex("-0x1.0aea43c7e1374p-32"),
)
_ERF_FARTHEST = 4.0

# (Φ(x) - 1/2)/x as a polynomial in v = x²/16 - 1, the interpolant on [-1, 1], which ends at x = √32: the error of Φ(x)
# is below 2^-47.8. QUICK_FARTHEST is √32 cut to a few bits.
NORMAL = (
    float.fromhex("0x1.fff7b294355a8p-4"),
    float.fromhex("-0x1.ff6b5dcd1e896p-5"),
    float.fromhex("0x1.7d5f333d7f2fap-5"),
    float.fromhex("-0x1.37f677bd51ddep-5"),
    float.fromhex("0x1.0545ed83a0dd1p-5"),
    float.fromhex("-0x1.b0deba9fdb0a8p-6"),
    float.fromhex("0x1.5ae6ea0639ae2p-6"),
    float.fromhex("-0x1.091990091f075p-6"),
    float.fromhex("0x1.7f03ea1cb24b5p-7"),
    float.fromhex("-0x1.045c8196e2c35p-7"),
    float.fromhex("0x1.4c7ca3bd490b5p-8"),
    float.fromhex("-0x1.8ed36d03ed979p-9"),
    float.fromhex("0x1.c1d6ded21e964p-10"),
    float.fromhex("-0x1.ddd6e5c9f6627p-11"),
    float.fromhex("0x1.df2afc66f4a05p-12"),
    float.fromhex("-0x1.c713752127fccp-13"),
    float.fromhex("0x1.98f16b77003d8p-14"),
    float.fromhex("-0x1.59a0766596984p-15"),
    float.fromhex("0x1.19d4f7db5093ap-16"),
    float.fromhex("-0x1.d1c9ac3026844p-18"),
    float.fromhex("0x1.54b028c351261p-19"),
    float.fromhex("-0x1.52cbd757c290cp-21"),
    float.fromhex("0x1.e894e92450879p-23"),
    float.fromhex("-0x1.724afa37a31f1p-23"),
    float.fromhex("0x1.be9ebe8f0773ep-25"),
)
QUICK_FARTHEST = 5.65625


@inlined
def tail64(x: float) -> float:
    """1 - Φ(x) for 0 ≤ x ≤ 14.5 of at most 24 bits."""
    t = 1.0 / (x + _CENTRE)
    scaled: float = polynomial(fma(-2.0 * _CENTRE, t, 1.0), TAIL)
    return scaled * t * exp64(-0.5 * (x * x))


@inlined
def erf64(x: float) -> float:
    """Erf x for x of at most 24 bits, held at its value at ±4 beyond."""
    z = clamped(x, -_ERF_FARTHEST, _ERF_FARTHEST)
    slope: float = polynomial(fma(z * z, 0.125, -1.0), ERF)
    return z * slope


@inlined
def normal64(x: float) -> float:
    """Φ(x) for x of at most 24 bits within ±5.65, and its value there beyond; absolute error below 2^-47.

    No exponential, no division.
    """
    z = clamped(x, -QUICK_FARTHEST, QUICK_FARTHEST)
    slope: float = polynomial(fma(z * z, 0.0625, -1.0), NORMAL)
    value: float = fma(z, slope, 0.5)
    return value
