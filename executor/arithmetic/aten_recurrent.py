"""Recurrent layers of a graph, in inference (§7)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from torch import Tensor

from . import recurrent
from .operands import check_float32, expect
from .symbols import Entry


def _layer(name: str, cell: recurrent.Cell) -> Callable[..., tuple[Tensor, ...]]:
    """Outputs, and the last states: of an LSTM hidden and cell states, of the others one tensor."""

    def apply(  # noqa: PLR0917
        x: Tensor,
        states: Tensor | Sequence[Tensor],
        weights: Sequence[Tensor],
        has_biases: bool,
        num_layers: int,
        dropout: float,  # noqa: ARG001  # in training only
        train: bool,
        bidirectional: bool,
        batch_first: bool,
    ) -> tuple[Tensor, ...]:
        expect(name, "train", train, False)
        given = (states,) if isinstance(states, Tensor) else tuple(states)
        check_float32(name, x, *given, *weights)
        return recurrent.recurrent(cell, x, given, weights, has_biases, num_layers, bidirectional, batch_first)

    return apply


OPERATIONS: Mapping[str, Entry] = {
    f"aten.{cell.__name__}.input": ("§7", True, _layer(f"aten.{cell.__name__}", cell))
    for cell in (recurrent.lstm, recurrent.gru, recurrent.rnn_tanh, recurrent.rnn_relu)
}
