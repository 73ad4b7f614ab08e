"""Recurrent layers of a graph, in inference (§7)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from torch import Tensor

from . import recurrent
from .operands import check_float32, expect
from .symbols import Entry


def lstm(  # noqa: PLR0917
    x: Tensor,
    states: Sequence[Tensor],
    weights: Sequence[Tensor],
    has_biases: bool,
    num_layers: int,
    dropout: float,  # noqa: ARG001  # in training only
    train: bool,
    bidirectional: bool,
    batch_first: bool,
) -> tuple[Tensor, ...]:
    """Outputs, and the last hidden and cell states."""
    expect("aten.lstm", "train", train, False)
    check_float32("aten.lstm", x, *states, *weights)
    return recurrent.recurrent(
        recurrent.lstm, x, tuple(states), weights, has_biases, num_layers, bidirectional, batch_first
    )


def _one_state(cell: recurrent.Cell) -> Callable[..., tuple[Tensor, ...]]:
    def apply(  # noqa: PLR0917
        x: Tensor,
        state: Tensor,
        weights: Sequence[Tensor],
        has_biases: bool,
        num_layers: int,
        dropout: float,  # noqa: ARG001  # in training only
        train: bool,
        bidirectional: bool,
        batch_first: bool,
    ) -> tuple[Tensor, ...]:
        expect("aten.gru and aten.rnn", "train", train, False)
        check_float32("aten.gru and aten.rnn", x, state, *weights)
        return recurrent.recurrent(cell, x, (state,), weights, has_biases, num_layers, bidirectional, batch_first)

    return apply


OPERATIONS: Mapping[str, Entry] = {
    "aten.lstm.input": ("§7", True, lstm),
    "aten.gru.input": ("§7", True, _one_state(recurrent.gru)),
    "aten.rnn_tanh.input": ("§7", True, _one_state(recurrent.rnn_tanh)),
    "aten.rnn_relu.input": ("§7", True, _one_state(recurrent.rnn_relu)),
}
