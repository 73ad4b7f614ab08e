"""Tensors as they are."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ...evidence.inputs import BATCH, TensorColumn, TensorsInput
from ...evidence.values import DType, Tensor, Tensors
from ..refusal import InputError
from ..tensors import from_little_endian
from .encoder import REFUSED, Shape


class TensorsEncoder:
    """Each tensor under its name, [inputs, ...]."""

    takes = Tensors
    at_once = 16

    def __init__(self, spec: TensorsInput) -> None:
        self._columns = spec.tensors
        self.signature: tuple[tuple[DType, Shape], ...] = tuple((t.dtype, (BATCH, *t.shape)) for t in spec.tensors)
        self.sizes = {size.name: (size.least, size.most) for size in spec.sizes}

    def alike(self, one: Tensors) -> tuple[tuple[int, ...], ...]:
        """Inputs of the same shapes run together."""
        return tuple(tensor.shape for tensor in one.tensors)

    def tensors(self, inputs: Sequence[Tensors]) -> tuple[torch.Tensor, ...]:
        """The tensors of inputs of the same shapes, one row for each. Raises InputError, naming the tensor."""
        for one in inputs:
            self._check(one)
        columns = zip(*(one.tensors for one in inputs), strict=True)
        return tuple(torch.stack([from_little_endian(tensor) for tensor in column]) for column in columns)

    def _check(self, one: Tensors) -> None:
        names, wanted = [tensor.name for tensor in one.tensors], [column.name for column in self._columns]
        if names != wanted:
            raise InputError(f"the input has {len(names)} tensors, not {', '.join(wanted):.200}", advice=REFUSED)
        found: dict[str, int] = {}
        for tensor, column in zip(one.tensors, self._columns, strict=True):
            if tensor.dtype is not column.dtype or not self._fits(tensor, column, found):
                given = f"{tensor.dtype} {list(tensor.shape)}; the model takes {column.dtype} {list(column.shape)}"
                raise InputError(f"tensor {column.name!r:.60} is {given}", advice=REFUSED)

    def _fits(self, tensor: Tensor, column: TensorColumn, found: dict[str, int]) -> bool:
        """`found` gathers the named sizes of one input, each of which is the same wherever it stands."""
        if len(tensor.shape) != len(column.shape):
            return False
        for size, wanted in zip(tensor.shape, column.shape, strict=True):
            if isinstance(wanted, int):
                if size != wanted:
                    return False
            else:
                least, most = self.sizes[wanted]
                if found.setdefault(wanted, size) != size or not least <= size <= most:
                    return False
        return True
