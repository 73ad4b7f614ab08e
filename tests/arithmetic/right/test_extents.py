"""What an operation is said to make is at least what it makes, and for what grows, exactly that."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from reperform.executor.arithmetic import functional
from reperform.executor.arithmetic.extents import EXTENTS
from reperform.executor.arithmetic.operations import TABLE
from reperform.executor.arithmetic.prepared import PREPARED
from reperform.tests.arithmetic.right.test_operations import ACCEPTED

ROW, COLUMN, X = torch.ones(1, 5), torch.ones(7, 1), torch.arange(12.0).reshape(3, 4)
LINE, PLANE = torch.ones(2, 3, 16), torch.ones(2, 3, 9, 8)
IDS, MASK = torch.tensor([[2, 0, 1], [1, 1, 0]]), torch.tensor([True, False, True])
HEADS = torch.ones(2, 4, 5, 3)

EXACT: list[tuple[str, tuple[Any, ...]]] = [
    ("aten.add.Tensor", (ROW, COLUMN)),
    ("aten.eq.Tensor", (ROW, COLUMN)),
    ("aten.where.self", (ROW > 0, COLUMN, torch.ones(2, 1, 1))),
    ("aten.masked_fill.Scalar", (ROW, COLUMN > 0, 1.0)),
    ("aten.full.default", ([3, 4], 1.0)),
    ("aten.new_zeros.default", (X, [3, 5])),
    ("aten.zeros.default", ([0, 4],)),
    ("aten.arange.default", (9,)),
    ("aten.arange.start", (-3, 9)),
    ("aten.arange.start_step", (9, -3, -5)),
    ("aten.repeat.default", (X, [2, 3, 1])),
    ("aten.repeat_interleave.self_int", (X, 3)),
    ("aten.constant_pad_nd.default", (X, [1, 2, 3, -1])),
    ("aten.reflection_pad1d.default", (LINE, [2, 3])),
    ("aten.replication_pad2d.default", (PLANE, [2, 3, 1, 0])),
    ("aten._pad_circular.default", (LINE, [2, 3])),
    ("aten.im2col.default", (PLANE, [3, 2], [2, 1], [1, 0], [2, 1])),
    ("aten.cat.default", ([X, X, X],)),
    ("aten.stack.default", ([X, X],)),
    ("aten.embedding.default", (X, IDS)),
    ("aten.index_select.default", (X, 1, IDS[0])),
    ("aten.index.Tensor", (X, [IDS])),
    ("aten.index.Tensor", (X, [None, IDS])),
    ("aten.index.Tensor", (X, [IDS[:, :1], IDS[:1]])),
    ("aten.linear.default", (X, torch.ones(9, 4))),
    ("aten.mm.default", (COLUMN, ROW)),
    ("aten.matmul.default", (X, torch.ones(4))),
    ("aten.dot.default", (X[0], X[1])),
    ("aten.addmm.default", (ROW, COLUMN, ROW)),
    ("aten.conv1d.default", (LINE, torch.ones(40, 3, 4), None, [1], [2])),
    ("aten.conv2d.default", (PLANE, torch.ones(50, 3, 2, 2))),
    ("aten.conv1d.padding", (LINE, torch.ones(40, 3, 4), None, [1], "same")),
    ("aten.adaptive_avg_pool1d.default", (torch.ones(200, 1), 3)),
]
AT_LEAST: list[tuple[str, tuple[Any, ...]]] = [
    *EXACT,
    ("aten.index.Tensor", (X, [MASK])),
    ("aten.index.Tensor", (X, [MASK, IDS[0, :2]])),
    ("aten.index_put.default", (X, [IDS[0]], torch.ones(3, 4))),
    ("aten.bmm.default", (torch.ones(6, 2, 3), torch.ones(6, 3, 2))),
    ("aten.matmul.default", (torch.ones(6, 1, 2, 3), torch.ones(5, 3, 7))),
    ("aten.scaled_dot_product_attention.default", (HEADS, HEADS, HEADS)),
    ("aten.scaled_dot_product_attention.default", (HEADS, HEADS[:1, :, :1], HEADS[:1, :, :1])),
    ("aten.group_norm.default", (PLANE, 3, torch.ones(3))),
    ("aten.batch_norm.default", (PLANE, None, None, torch.ones(3), torch.ones(3), False, 0.1, 1e-5, False)),
    ("aten.instance_norm.default", (PLANE, torch.ones(3), None, None, None, True, 0.1, 1e-5, False)),
    (
        "aten.gru.input",
        (
            torch.ones(5, 2, 3),
            torch.ones(1, 2, 7),
            [torch.ones(21, 3), torch.ones(21, 7)],
            *[False, 1, 0.0],
            *[False] * 3,
        ),
    ),
    ("aten.max_pool1d.default", (LINE, [3], [1], [1])),
    ("aten.avg_pool2d.default", (PLANE, [2, 2], [1, 1], [1, 1])),
    ("aten.max_pool2d_with_indices.default", (PLANE, [2, 2])),
    ("aten.adaptive_max_pool2d.default", (PLANE, [12, 13])),
    ("aten.embedding_bag.padding_idx", (X, IDS.reshape(-1), torch.tensor([0, 2]))),
    ("aten.split.Tensor", (X, 2)),
    ("aten.split_with_sizes.default", (X, [1, 2])),
    ("aten.unbind.int", (X,)),
    ("aten.chunk.default", (X, 2)),
]


def tensors(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from tensors(item)


@pytest.mark.parametrize(("name", "arguments"), EXACT, ids=lambda v: v if isinstance(v, str) else "")
def test_what_grows_is_counted_exactly(name: str, arguments: tuple[Any, ...]) -> None:
    assert EXTENTS[name](*arguments) == TABLE[name](*arguments).numel()


@pytest.mark.parametrize(
    ("name", "arguments", "keywords"),
    [(name, arguments, {}) for name, arguments in AT_LEAST] + [case[:3] for case in ACCEPTED],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_no_operation_makes_more_than_it_is_said_to(
    name: str, arguments: tuple[Any, ...], keywords: dict[str, Any]
) -> None:
    largest = max((t.numel() for t in tensors(arguments)), default=1)
    said = EXTENTS[name](*arguments, **keywords) if name in EXTENTS else 0
    for result in tensors(TABLE[name](*arguments, **keywords)):
        # A view takes no memory of its own.
        assert result.untyped_storage().nbytes() // result.element_size() <= max(said, largest)


def test_a_weight_that_was_made_ready_is_counted_as_it_was() -> None:
    a, b = torch.ones(3, 4), torch.ones(4, 9)
    ready = PREPARED["aten.mm.default"].prepare(b)
    assert EXTENTS["aten.mm.default"](a, ready) == EXTENTS["aten.mm.default"](a, b) == 27
    assert EXTENTS["aten.linear.default"](a, functional.prepare(b.T.contiguous())) == 27


def test_every_extent_is_of_an_operation_and_was_tried() -> None:
    assert EXTENTS.keys() <= TABLE.keys()
    tried = {EXTENTS[name].__qualname__ for name, _ in AT_LEAST}
    assert {extent.__qualname__ for extent in EXTENTS.values()} == tried
