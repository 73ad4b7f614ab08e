"""The table: what it lists, what it refuses, and that its operations are torch's (§7)."""

from __future__ import annotations

import inspect
import math
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from reperform.executor import arithmetic
from reperform.executor.arithmetic.float64 import FLOAT64
from reperform.executor.arithmetic.operations import TABLE, operation
from reperform.executor.arithmetic.prepared import PREPARED
from reperform.executor.pinning.parts import PARTS, decompositions
from reperform.tests.arithmetic.bits import same_bits

PAGE = Path(__file__).parents[3] / "docs" / "arithmetic.md"
X = torch.tensor([[1.5, -2.0, 0.25], [3.0, -0.5, 7.0]])
INTEGERS = torch.tensor([[5, -3, 2], [0, 7, -1]])
TRUTH = torch.tensor([[True, False, True], [False, False, True]])
IDS = torch.tensor([2, 0])

REFUSED: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("aten.add.Tensor", (X, X), {"alpha": 2}),
    ("aten.add.Tensor", (X.double(), X), {}),
    ("aten.add.Tensor", (X.double(), 2.0), {}),
    ("aten.add.Tensor", (X.double(), INTEGERS), {}),
    ("aten.add.Tensor", (X.double(), X.double()), {"alpha": 2}),
    ("aten.mul.Tensor", (X.half(), X.half()), {}),
    ("aten.mul.Tensor", (X.bfloat16(), 2.0), {}),
    ("aten.mul.Tensor", (X.to(torch.complex64), 2.0), {}),
    ("aten.rsub.Scalar", (X, 1.0, 2), {}),
    ("aten.div.Tensor_mode", (X, X), {"rounding_mode": "floor"}),
    ("aten.remainder.Scalar", (X, 2), {}),
    ("aten.pow.Tensor_Scalar", (X, 1.5), {}),
    ("aten.pow.Tensor_Scalar", (X, 4), {}),
    ("aten.pow.Tensor_Scalar", (X, 1), {}),
    ("aten.pow.Tensor_Scalar", (INTEGERS, 2), {}),
    ("aten.exp.default", (X.double(),), {}),
    ("aten.gelu.default", (X,), {"approximate": "erf"}),
    ("aten.softplus.default", (X, 2.0), {}),
    ("aten.softplus.default", (X, 1.0, 10.0), {}),
    ("aten.linear.default", (X.double(), X.double()), {}),
    ("aten.linear.default", (INTEGERS, INTEGERS), {}),
    ("aten.addmm.default", (X[0], X, X.T), {"beta": 0.5}),
    ("aten.addmm.default", (X[0], X, X.T), {"alpha": 2}),
    ("aten.scaled_dot_product_attention.default", (X, X, X, None, 0.1), {}),
    ("aten.scaled_dot_product_attention.default", (X, X, X, torch.zeros(2, 2), 0.0, True), {}),
    ("aten.scaled_dot_product_attention.default", (X, X, X, torch.zeros(2, 2).double()), {}),
    ("aten.scaled_dot_product_attention.default", (X.expand(4, 2, 3), X.expand(2, 2, 3), X.expand(2, 2, 3)), {}),
    ("aten._softmax.default", (X, 1, True), {}),
    ("aten.softmax.int", (X, 1, torch.float64), {}),
    ("aten.layer_norm.default", (X.half(), [3]), {}),
    ("aten.batch_norm.default", (X, None, None, X[0], X[0], True, 0.1, 1e-5, False), {}),
    ("aten.batch_norm.default", (X, None, None, None, None, False, 0.1, 1e-5, False), {}),
    ("aten.instance_norm.default", (X[None], None, None, X[0], X[0], False, 0.1, 1e-5, False), {}),
    ("aten.sum.dim_IntList", (X, [0]), {"dtype": torch.float64}),
    ("aten.sum.dim_IntList", (X.double(), [0]), {"dtype": torch.float32}),
    ("aten.mean.dim", (X.double(), [0]), {"dtype": torch.float32}),
    ("aten.mean.dim", (INTEGERS, [0]), {}),
    ("aten.cumsum.default", (X, 0), {}),
    ("aten.dropout.default", (X, 0.1, True), {}),
    ("aten.to.dtype", (X, torch.float64), {}),
    ("aten.to.dtype", (X, torch.float16), {}),
    ("aten.to.dtype", (X.double(), torch.int64), {}),
    ("aten._to_copy.default", (X,), {"dtype": torch.float64}),
    ("aten.to.dtype", (torch.tensor([300.0]), torch.uint8), {}),
    ("aten.to.dtype", (torch.tensor([2**53 + 1]), torch.float32), {}),
    ("aten._to_copy.default", (X,), {"layout": torch.sparse_coo}),
    ("aten.view.dtype", (X, torch.int32), {}),
    ("aten.cat.default", ([X, INTEGERS],), {}),
    ("aten.stack.default", ([INTEGERS, TRUTH],), {}),
    ("aten.where.self", (INTEGERS, X, X), {}),
    ("aten.where.self", (TRUTH, X.double(), X), {}),
    ("aten.cat.default", ([X.double(), X],), {}),
    ("aten.masked_fill.Scalar", (INTEGERS, TRUTH, 0.5), {}),
    ("aten.full.default", ([2], 1.0), {"dtype": torch.float64}),
    ("aten.full.default", ([2], 1.5), {"dtype": torch.int64}),
    ("aten.full.default", ([2], 1.5), {"names": ["a"]}),
    ("aten.arange.default", (2.5,), {}),
    ("aten.bitwise_and.Tensor", (X, X), {}),
    ("aten.conv1d.default", (X.double(), X[:, :, None].double()), {}),
    ("aten.conv2d.padding", (X[None, None], X[None, None], None, [2, 2], "same"), {}),
    ("aten.convolution.default", (X[None], X[:, :2, None], None, [1], [0], [1], True, [0], 1), {}),
    ("aten.convolution.default", (X[None, None, None],) * 2 + (None, [1], [0], [1], False, [0], 1), {}),
    ("aten.max_pool1d.default", (INTEGERS, [2]), {}),
    ("aten.avg_pool2d.default", (X[None], [1, 1], [], 0, False, True, 3), {}),
    ("aten.adaptive_max_pool1d.default", (X.half(), [2]), {}),
    ("aten.sort.default", (X.double(),), {}),
    ("aten.topk.default", (X, 4), {}),
    ("aten.prod.dim_int", (X, 0), {}),
    ("aten.embedding_bag.padding_idx", (X, IDS, IDS * 0, False, 0, False, X[0, :2]), {}),
    ("aten.embedding_bag.padding_idx", (X, IDS, IDS * 0, False, 0, False, None, True), {}),
    ("aten.embedding_bag.padding_idx", (X, IDS, IDS * 0, False, 0, False, None, False, 1), {}),
    ("aten.embedding_bag.padding_idx", (X, IDS, IDS), {}),
    ("aten.scatter.src", (X, 1, INTEGERS * 0, X), {}),
    ("aten.scatter.src", (X, 1, INTEGERS * 0, INTEGERS), {}),
    ("aten.index_put.default", (X, [IDS * 0], X), {}),
    ("aten.index_put.default", (X, [IDS * 0], X[0, :1], True), {}),
    ("aten.slice_scatter.default", (X, INTEGERS), {}),
    ("aten.copy.default", (X, X.double()), {}),
    ("operator.mul", (X, X), {}),
    ("operator.add", (1.5, 1), {}),
    ("operator.getitem", (X, 0), {}),
]  # fmt: skip

ACCEPTED: list[tuple[str, tuple[Any, ...], dict[str, Any], Any]] = [
    ("aten.add.Tensor", (INTEGERS, 2), {}, INTEGERS + 2),
    ("aten.add.Tensor", (X, 0.1), {"alpha": 1}, X + torch.tensor(0.1)),
    ("aten.sub.Tensor", (1.0, X), {}, 1.0 - X),
    ("aten.rsub.Scalar", (X, 1), {}, 1.0 - X),
    ("aten.mul.Tensor", (X, TRUTH), {}, X * TRUTH),
    ("aten.mul.Tensor", (INTEGERS, 0.5), {}, INTEGERS * 0.5),
    ("aten.div.Tensor", (INTEGERS, 3), {}, INTEGERS.float() / torch.tensor(3.0)),
    ("aten.div.Tensor_mode", (INTEGERS, 2), {"rounding_mode": "floor"}, INTEGERS // 2),
    ("aten.pow.Tensor_Scalar", (X, 3), {}, (X * X) * X),
    ("aten.add.Tensor", (X.double() / 3, X.double()), {}, X.double() / 3 + X.double()),
    ("aten._to_copy.default", (X.double() / 3,), {"dtype": torch.float32}, (X.double() / 3).float()),
    (
        "aten.to.dtype",
        (torch.tensor([1e39, -1e-50], dtype=torch.float64), torch.float32),
        {},
        torch.tensor([math.inf, -0.0]),
    ),
    ("aten.index.Tensor", (X.double() / 3, [IDS[1:]]), {}, X[:1].double() / 3),
    ("aten.where.self", (TRUTH, X.double(), -X.double()), {}, torch.where(TRUTH, X, -X).double()),
    ("aten.pow.Tensor_Scalar", (X.abs(), -0.5), {}, arithmetic.rsqrt(X.abs())),
    ("aten.clamp.default", (X, -1, 2.0), {}, X.clamp(-1, 2)),
    ("aten.clamp.default", (INTEGERS, None, 2), {}, INTEGERS.clamp(max=2)),
    ("aten.clamp_min.default", (X, 0), {}, X.clamp(min=0) + 0.0),
    ("aten.gt.Scalar", (X, 0), {}, X > 0),
    ("aten.eq.Tensor", (INTEGERS, INTEGERS.T.reshape(2, 3)), {}, INTEGERS.T.reshape(2, 3) == INTEGERS),
    ("aten.sum.dim_IntList", (INTEGERS, [1]), {}, INTEGERS.sum(1)),
    ("aten.sum.dim_IntList", (X, []), {}, X.sum()),
    ("aten.sum.default", (TRUTH,), {}, torch.tensor(3)),
    ("aten.cumsum.default", (INTEGERS, 1), {}, INTEGERS.cumsum(1)),
    ("aten.any.dim", (TRUTH, 1), {}, TRUTH.any(1)),
    ("aten.max.default", (X,), {}, X.max()),
    ("aten.argmax.default", (X, -1), {}, X.argmax(-1)),
    ("aten.to.dtype", (TRUTH, torch.float32), {}, TRUTH.float()),
    ("aten.to.dtype", (X, torch.int64), {}, X.long()),
    ("aten.to.dtype", (X.half(), torch.float32), {}, X),
    ("aten._to_copy.default", (INTEGERS,), {"dtype": torch.float32}, INTEGERS.float()),
    ("aten.where.self", (TRUTH, X, torch.tensor(0.1, dtype=torch.float32)), {}, torch.where(TRUTH, X, 0.1)),
    ("aten.where.ScalarOther", (TRUTH, X, -math.inf), {}, X.masked_fill(~TRUTH, -math.inf)),
    ("aten.masked_fill.Scalar", (X, TRUTH, -1e30), {}, X.masked_fill(TRUTH, -1e30)),
    ("aten.index.Tensor", (X, [None, IDS]), {}, X[:, IDS]),
    ("aten.embedding.default", (X.T.contiguous(), IDS, 0), {}, X.T[IDS]),
    ("aten.gather.default", (X, 1, INTEGERS.abs() % 3), {}, X.gather(1, INTEGERS.abs() % 3)),
    ("aten.slice.Tensor", (X, 1, None, 2), {}, X[:, :2]),
    ("aten.view.default", (X.T, [6]), {}, X.T.reshape(6)),
    ("aten.cat.default", ([X, X], 1), {}, torch.cat([X, X], 1)),
    ("aten.stack.default", ([X, X],), {}, torch.stack([X, X])),
    ("aten.constant_pad_nd.default", (X, [1, 0], 0.1), {}, torch.constant_pad_nd(X, [1, 0], 0.1)),
    ("aten.full.default", ([2], 0.1), {}, torch.full([2], 0.1)),
    ("aten.full.default", ([2], True), {}, torch.full([2], True)),
    ("aten.full_like.default", (INTEGERS, 3), {"pin_memory": False}, torch.full_like(INTEGERS, 3)),
    ("aten.zeros.default", ([2, 1],), {"dtype": torch.int64}, torch.zeros(2, 1, dtype=torch.int64)),
    ("aten.arange.start_step", (1, 9, 3), {"dtype": torch.float32}, torch.tensor([1.0, 4.0, 7.0])),
    ("aten.dropout.default", (X, 0.5, False), {}, X),
    ("aten.arange.default", (3.0,), {}, torch.arange(3.0)),
    ("aten.arange.start", (1, 3.0), {"dtype": torch.int64}, torch.arange(1, 3)),
    ("aten.__and__.Tensor", (TRUTH, ~TRUTH), {}, TRUTH & ~TRUTH),
    ("aten.bitwise_or.Scalar", (INTEGERS, 4), {}, INTEGERS | 4),
    ("aten.clamp_min.Tensor", (X, X[0]), {}, X.clamp(min=X[0])),
    ("aten.mv.default", (X, X[0]), {}, X @ X[0]),
    ("aten.dot.default", (X[0], X[1]), {}, X[0] @ X[1]),
    (
        "aten.convolution.default",
        (X[None], X[:, :, None][:, :2], None, [1], [0], [1], False, [0], 1),
        {},
        X[:, :2] @ X[None],
    ),
    ("aten._adaptive_avg_pool2d.default", (X[None], [2, 1]), {}, X.double().mean(1).float()[None, :, None]),
    ("aten.prod.dim_int", (INTEGERS, 1), {}, INTEGERS.prod(1)),
    ("aten.prod.default", (INTEGERS[0],), {}, torch.tensor(-30)),
    ("aten.topk.default", (INTEGERS, 1, 0, False, False), {}, list(INTEGERS.topk(1, 0, False))),
    ("aten.scatter.src", (X, 0, INTEGERS[:1] * 0 + 1, X[:1]), {}, torch.stack([X[0], X[0]])),
    ("aten.scatter.value", (X, 1, IDS[:, None], 0.1), {}, X.scatter(1, IDS[:, None], 0.1)),
    ("aten.index_put.default", (X, [None, IDS], X[:, :2]), {}, torch.stack([X[:, 1], X[:, 1], X[:, 0]], 1)),
    ("aten.index_put.default", (X, [TRUTH], X[0, :1]), {}, X.masked_fill(TRUTH, 1.5)),
    ("aten.slice_scatter.default", (X, X[:, :2], 1, 1), {}, torch.cat([X[:, :1], X[:, :2]], 1)),
    ("aten.select_scatter.default", (X, X[0], 0, 1), {}, torch.stack([X[0], X[0]])),
    ("aten.copy.default", (X, INTEGERS[0]), {}, INTEGERS[:1].float().expand(2, 3)),
    ("aten.unfold.default", (X, 1, 2, 1), {}, torch.stack([X[:, :2], X[:, 1:]], 1)),
    ("aten.diagonal.default", (X,), {}, torch.stack([X[0, 0], X[1, 1]])),
    ("torch.sym_sum", ([3, 5, 7],), {}, 15),
    ("operator.floordiv", (7, 2), {}, 3),
    ("operator.getitem", ([X, IDS], 1), {}, IDS),
    ("torch.sym_max", (3, 5), {}, 5),
]


def test_the_page_lists_exactly_the_table() -> None:
    section = PAGE.read_text(encoding="utf-8").split("## Operations", 1)[1].split("\n## ", 1)[0]
    listed = re.findall(r"`((?:aten|operator|torch)\.[\w.]+)`", section)
    assert sorted(listed) == sorted(TABLE)


def test_the_page_names_the_section_of_each_operation() -> None:
    section = PAGE.read_text(encoding="utf-8").split("## Operations", 1)[1].split("\n## ", 1)[0]
    for row in (line for line in section.splitlines() if line.startswith("| §")):
        named = row.split("|")[1].strip()
        for name in re.findall(r"`((?:aten|operator|torch)\.[\w.]+)`", row):
            assert TABLE[name].section == named, name


def test_the_page_lists_the_compositions() -> None:
    section = PAGE.read_text(encoding="utf-8").split("## Compositions", 1)[1].split("\n## ", 1)[0]
    assert re.findall(r"`(aten\.[\w.]+)`", section) == sorted(PARTS)
    assert not set(PARTS) & set(TABLE)
    assert {str(operation) for operation in decompositions()} == set(PARTS)


def test_every_operation_takes_the_arguments_of_its_overload() -> None:
    for name in TABLE:
        if name.startswith("aten."):
            schema = _schema(name)
            by_position = [a for a in schema.arguments if not a.kwarg_only]
            by_name = {a.name: None for a in schema.arguments if a.kwarg_only}
            inspect.signature(TABLE[name].function).bind(*by_position, **by_name)


def test_what_is_not_listed_is_refused_by_name() -> None:
    with pytest.raises(arithmetic.RefusedArithmeticError, match=r"aten\.lerp\.Scalar"):
        operation("aten.lerp.Scalar")
    assert operation("aten.add.Tensor").rounds
    assert not operation("aten.view.default").rounds


def test_the_page_lists_the_operations_on_float64() -> None:
    section = PAGE.read_text(encoding="utf-8").split("## Operands in F64", 1)[1].split("\n## ", 1)[0]
    assert re.findall(r"`((?:aten|operator|torch)\.[\w.]+)`", section) == sorted(FLOAT64)


def test_float64_is_refused_wherever_it_is_not_defined() -> None:
    for name in TABLE.keys() - FLOAT64:
        for arguments in ((X.double(),), (X, X.double()), ([X, X.double()],)):
            with pytest.raises(arithmetic.RefusedArithmeticError, match=f"{re.escape(name)}.*float64"):
                TABLE[name](*arguments)


@pytest.mark.parametrize("name", sorted(PREPARED))
def test_no_weight_of_float64_is_made_ready(name: str) -> None:
    with pytest.raises(arithmetic.RefusedArithmeticError, match="float64"):
        PREPARED[name].prepare(X.double())


@pytest.mark.parametrize(("name", "args", "keywords"), REFUSED, ids=lambda v: v if isinstance(v, str) else "")
def test_undefined_arguments_are_refused(name: str, args: tuple[Any, ...], keywords: dict[str, Any]) -> None:
    with pytest.raises(arithmetic.RefusedArithmeticError):
        TABLE[name](*args, **keywords)


@pytest.mark.parametrize(
    ("name", "args", "keywords", "expected"), ACCEPTED, ids=lambda v: v if isinstance(v, str) else ""
)
def test_defined_arguments_give_what_torch_gives(
    name: str, args: tuple[Any, ...], keywords: dict[str, Any], expected: Any
) -> None:
    result = TABLE[name](*args, **keywords)
    if isinstance(expected, list):
        assert all(same_bits(*pair) for pair in zip(result, expected, strict=True))
    else:
        assert same_bits(result, expected) if isinstance(expected, torch.Tensor) else result == expected


@pytest.mark.parametrize("mode", [0, 1, 2])
def test_bags_of_any_length(mode: int) -> None:
    weight = torch.randn(9, 4, generator=torch.Generator().manual_seed(0))
    indices, offsets = torch.tensor([3, 1, 4, 1, 5, 8, 2, 6]), torch.tensor([0, 3, 3, 5, 6])
    reduce = (arithmetic.sum, arithmetic.mean, arithmetic.amax)[mode]
    bags = [weight[bag] for bag in indices.tensor_split(offsets[1:])]
    expected = [reduce(bag, 0) if len(bag) else torch.zeros(4) for bag in bags]
    result = TABLE["aten.embedding_bag.padding_idx"](weight, indices, offsets, False, mode)
    assert same_bits(result[0], torch.stack(expected))


def _schema(name: str) -> Any:
    _, packet, overload = name.split(".")
    return getattr(getattr(torch.ops.aten, packet), overload)._schema


def test_a_python_number_is_rounded_once_to_float32() -> None:
    # 1 + 2^-24 + 2^-50 is above the midpoint, and 0.1 in float32 is not 0.1.
    one = torch.ones(1)
    assert TABLE["aten.mul.Tensor"](one, 1 + 2.0**-24 + 2.0**-50).item() == 1 + 2.0**-23
    assert bool(TABLE["aten.eq.Scalar"](torch.tensor([0.1]), 0.1))


def test_dividing_a_number_by_a_tensor_is_one_division() -> None:
    x = torch.arange(1, 20001, dtype=torch.float32)
    expected = (torch.tensor(0.7, dtype=torch.float32).double() / x.double()).float()
    assert same_bits(TABLE["aten.div.Tensor"](0.7, x), expected)


def test_max_along_a_dimension_gives_the_lowest_index() -> None:
    values, indices = TABLE["aten.max.dim"](torch.tensor([[2.0, 5.0, 5.0], [-0.0, -0.0, -1.0]]), 1)
    assert same_bits(values, torch.tensor([5.0, 0.0]))
    assert indices.tolist() == [1, 0]
