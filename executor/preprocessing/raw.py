"""Tensors as they are."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ...evidence.encoding import MalformedError
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

    def alike(self, one: Tensors) -> frozenset[tuple[str, tuple[int, ...]]]:
        """Inputs of the same shapes run together."""
        return frozenset((tensor.name, tensor.shape) for tensor in one.tensors)

    def tensors(self, inputs: Sequence[Tensors]) -> tuple[torch.Tensor, ...]:
        """The tensors of inputs of the same shapes, one row for each. Raises InputError, naming the tensor."""
        rows = [self._row(one) for one in inputs]
        return tuple(torch.stack(column) for column in zip(*rows, strict=True))

    def _row(self, one: Tensors) -> list[torch.Tensor]:
        """In the model's order, whatever order they were committed in."""
        given = {tensor.name: tensor for tensor in one.tensors}
        if given.keys() != {column.name for column in self._columns}:
            wanted = ", ".join(column.name for column in self._columns)
            raise InputError(f"the input has {len(given)} tensors, not just {wanted:.200}", advice=REFUSED)
        found: dict[str, int] = {}
        return [self._tensor(given[column.name], column, found) for column in self._columns]

    def _tensor(self, tensor: Tensor, column: TensorColumn, found: dict[str, int]) -> torch.Tensor:
        if tensor.dtype is not column.dtype or not self._fits(tensor, column, found):
            wanted = f"{column.dtype} [{', '.join(map(str, column.shape))}]"
            cause = f"tensor {column.name!r:.60} is {tensor.dtype} {list(tensor.shape)}; the model takes {wanted}"
            raise InputError(cause, advice=REFUSED)
        try:
            read = from_little_endian(tensor)
        except MalformedError as error:
            raise InputError(error.cause, advice=REFUSED) from error
        if read.is_floating_point() and bool(read.isnan().any()):
            raise InputError(f"tensor {column.name!r:.60} has a NaN", advice=REFUSED)
        return read

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
