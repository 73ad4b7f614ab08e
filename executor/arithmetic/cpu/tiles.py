"""Tiles of a matrix product, as vector instructions: the innermost loop of §2.

A tile is ROWS rows of one operand times some columns of the other, accumulated in registers over a block of their
length. Two kinds, both exact: float64, whose sums are integers below 2^53, with or without fused multiply-add; and
pairs of int16 into int32, one instruction where the processor has VNNI (the form that does not saturate), a few
elsewhere. LLVM is given the vectors explicitly, since no compiler finds this loop by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import llvmlite.binding as llvm
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .compile import FEATURES

_I8, _I32, _I64, _F64 = ir.IntType(8), ir.IntType(32), ir.IntType(64), ir.DoubleType()

_X86 = llvm.get_process_triple().startswith("x86_64")
_AVX512 = bool(FEATURES.get("avx512f") and FEATURES.get("avx512vl") and FEATURES.get("avx512dq"))
_AVX2 = bool(FEATURES.get("avx2") and FEATURES.get("fma"))
# Twice the multiplications of float64 per instruction, times two: worth three products of digits.
HAS_INT16_DOT = (_AVX512 and bool(FEATURES.get("avx512vnni"))) or (_AVX2 and bool(FEATURES.get("avxvnni")))

_BYTES = 64 if _AVX512 else 32 if _AVX2 else 16
# Registers: rows x vectors of accumulators, the vectors of one step, and one broadcast, out of 32 or 16.
ROWS = 8 if _AVX512 or not _X86 else 4
_VECTORS = 3 if _BYTES > 16 or not _X86 else 2


@dataclass(frozen=True)
class Tile:
    """One kind of tile.

    multiply(c, c_at, c_stride, a, a_at, a_stride, b, b_at, steps, ahead, pace) writes c[c_at + r·c_stride + j] =
    Σ_s a[a_at + r·a_stride + s]·b[b_at + s·columns + j]; an element of a and b is one float64, or two int16 that are
    multiplied pairwise, held as one int32. Meanwhile it has the bytes of the array b from `ahead` on, `pace` a step,
    fetched into the second-level cache. block: the largest number of values in a row.
    """

    columns: int
    block: int
    multiply: Callable[..., None]


class Ahead(NamedTuple):
    """What is fetched while a tile is multiplied: the bytes of the panels from `at` on, `pace` a step."""

    at: int
    pace: int


LINE = 64


def _ask(builder: Any, place: Any, *, to_write: bool, level: int) -> None:
    kind = ir.FunctionType(ir.VoidType(), [place.type, _I32, _I32, _I32])
    function = _declared(builder, "llvm.prefetch.p0", kind)
    builder.call(function, (place, _I32(int(to_write)), _I32(4 - level), _I32(1)))


def _prefetch(*, to_write: bool) -> Any:
    @intrinsic  # type: ignore[untyped-decorator]
    def prefetch(_: Any, array: Any, at: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
            place = builder.bitcast(builder.gep(data, [arguments[1]]), _I8.as_pointer())
            _ask(builder, place, to_write=to_write, level=1)
            return context.get_dummy_value()

        return types.void(array, types.int64), generate

    return prefetch


# Ask for the line of cache that holds array[at], soon to be read or written; array[at] need not exist.
prefetch_to_read, prefetch_to_write = _prefetch(to_write=False), _prefetch(to_write=True)


def _tile(element: Any, lanes: int, vectors: int, multiply_add: Callable[[Any, Any, Any, Any], Any]) -> Any:
    """The intrinsic for `vectors` vectors of `lanes` elements; multiply_add(builder, sum, a, b) gives sum + a·b."""
    vector = ir.VectorType(element, lanes)
    size = _BYTES // lanes  # vectors stand where their elements may

    @intrinsic  # type: ignore[untyped-decorator]
    def multiply(  # noqa: PLR0917
        _: Any,
        c: Any,
        c_at: Any,
        c_stride: Any,
        a: Any,
        a_at: Any,
        a_stride: Any,
        b: Any,
        b_at: Any,
        steps: Any,
        ahead: Any,
        pace: Any,
    ) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            def pointer(i: int, kind: Any) -> Any:
                data = context.make_array(signature.args[i])(context, builder, arguments[i]).data
                return builder.bitcast(builder.gep(data, [arguments[i + 1]]), kind.as_pointer())

            pc, pa, pb, steps = pointer(0, element), pointer(3, element), pointer(6, vector), arguments[8]
            data = context.make_array(signature.args[6])(context, builder, arguments[6]).data
            soon = builder.gep(builder.bitcast(data, _I8.as_pointer()), [arguments[9]])
            rows = [builder.gep(pa, [builder.mul(arguments[5], _I64(row))]) for row in range(ROWS)]
            before, loop, after = builder.block, builder.append_basic_block(), builder.append_basic_block()
            builder.branch(loop)
            builder.position_at_end(loop)
            step = builder.phi(_I64)
            step.add_incoming(_I64(0), before)
            sums = [builder.phi(vector) for _ in range(ROWS * vectors)]
            for total in sums:
                total.add_incoming(ir.Constant(vector, None), before)
            first = builder.mul(step, _I64(vectors))
            columns = [builder.load(builder.gep(pb, [builder.add(first, _I64(j))]), align=size) for j in range(vectors)]
            lane0 = ir.Constant(ir.VectorType(_I32, lanes), None)
            undefined = ir.Constant(vector, ir.Undefined)
            _ask(builder, builder.gep(soon, [builder.mul(step, arguments[10])]), to_write=False, level=2)
            new = []
            for row in range(ROWS):
                value = builder.load(builder.gep(rows[row], [step]))
                spread = builder.shuffle_vector(builder.insert_element(undefined, value, _I32(0)), undefined, lane0)
                for j in range(vectors):
                    new.append(multiply_add(builder, sums[row * vectors + j], spread, columns[j]))
            following = builder.add(step, _I64(1))
            step.add_incoming(following, loop)
            for total, value in zip(sums, new, strict=True):
                total.add_incoming(value, loop)
            builder.cbranch(builder.icmp_signed("<", following, steps), loop, after)
            builder.position_at_end(after)
            for place, value in enumerate(new):
                row, column = divmod(place, vectors)
                at = builder.add(builder.mul(arguments[2], _I64(row)), _I64(column * lanes))
                builder.store(value, builder.bitcast(builder.gep(pc, [at]), vector.as_pointer()), align=size)
            return context.get_dummy_value()

        i64 = types.int64
        return types.void(c, i64, i64, a, i64, i64, b, i64, i64, i64, i64), generate

    return multiply


def _multiply_add_float64(builder: Any, total: Any, a: Any, b: Any) -> Any:
    if _X86 and not _AVX2:
        return builder.fadd(total, builder.fmul(a, b))
    name = f"llvm.fma.v{a.type.count}f64"
    return builder.call(_declared(builder, name, _of_three(a.type)), (a, b, total))


def _multiply_add_int16(builder: Any, total: Any, a: Any, b: Any) -> Any:
    if HAS_INT16_DOT:
        # As assembly, for from its own intrinsic LLVM makes two instructions where it thinks the sum is waited for.
        name, register = ("vpdpwssd", "v") if _AVX512 else ("{vex} vpdpwssd", "x")
        constraints = f"={register},0,{register},{register}"
        return builder.asm(_of_three(a.type), f"{name} $3, $2, $0", constraints, (total, a, b), False)
    half = ir.Constant(a.type, [_I32(16)] * a.type.count)
    high = builder.mul(builder.ashr(a, half), builder.ashr(b, half))
    low = builder.mul(*(builder.ashr(builder.shl(v, half), half) for v in (a, b)))
    return builder.add(total, builder.add(low, high))


def _of_three(vector: Any) -> Any:
    return ir.FunctionType(vector, [vector] * 3)


def _declared(builder: Any, name: str, kind: Any) -> Any:
    return builder.module.globals.get(name) or ir.Function(builder.module, kind, name)


def _make(element: Any, size: int, vectors: int, block: int, multiply_add: Callable[[Any, Any, Any, Any], Any]) -> Tile:
    lanes = _BYTES // size
    return Tile(lanes * vectors, block, _tile(element, lanes, vectors, multiply_add))


# Eight rows of a block fit in the first-level cache.
FLOAT64 = _make(_F64, 8, _VECTORS, 512, _multiply_add_float64)
# Two vectors: heads of attention have multiples of 16 components.
NARROW = _make(_F64, 8, 2, 512, _multiply_add_float64)
# Digits below 1,537 in size: 896 products of theirs stay below 2^31.
INT16 = _make(_I32, 4, _VECTORS, 768, _multiply_add_int16)
