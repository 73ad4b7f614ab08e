"""Recurrent layers over sequences of any length.

While it captures a graph, torch finds the shape of a recurrent layer's result by unrolling the sequence, which would
fix the length to the example's. Here the shape is said instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import torch
from torch import Tensor

_LAYERS: Final = ("lstm", "gru", "rnn_tanh", "rnn_relu")


@contextmanager
def of_any_length() -> Iterator[None]:
    """Within, torch.export leaves recurrent layers whole, and their sequences as long as they may be."""
    layers = [getattr(torch.ops.aten, name).input for name in _LAYERS]
    kept = [dict(layer.py_kernels) for layer in layers]
    try:
        for layer, kernels in zip(layers, kept, strict=True):
            _replace(layer, dict.fromkeys(kernels, _shape))
        yield
    finally:
        for layer, kernels in zip(layers, kept, strict=True):
            _replace(layer, kernels)


def _replace(layer: Any, kernels: dict[Any, Callable[..., Any]]) -> None:
    layer.py_kernels.update(kernels)
    layer._dispatch_cache.clear()


def _shape(  # noqa: PLR0917
    x: Tensor,
    states: Tensor | Sequence[Tensor],
    weights: Sequence[Tensor],  # noqa: ARG001
    has_biases: bool,  # noqa: ARG001
    num_layers: int,  # noqa: ARG001
    dropout: float,  # noqa: ARG001
    train: bool,  # noqa: ARG001
    bidirectional: bool,
    batch_first: bool,  # noqa: ARG001
) -> tuple[Tensor, ...]:
    """Outputs and last states, for their shapes alone. Both orders of x have the sequence and the batch first."""
    given = (states,) if isinstance(states, Tensor) else tuple(states)
    directions = 2 if bidirectional else 1
    output = x.new_empty((*x.shape[:2], given[0].shape[-1] * directions))
    return output, *(torch.empty_like(state) for state in given)
