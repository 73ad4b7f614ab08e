"""LSTM, GRU and plain recurrent layers as their parts: linear, sigmoid, tanh, multiply, add (§7).

The arrangement of layers, directions and weights is torch's. Each row depends on its own sequence alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from . import extremes, functional
from .errors import RefusedArithmeticError

State = tuple[Tensor, ...]
# From the input's part of the gates [B, G], the hidden part [B, G] and the state [B, H] to the next state.
Cell = Callable[[Tensor, Tensor, State], State]


def lstm(from_input: Tensor, from_hidden: Tensor, state: State) -> State:
    """i, f, g, o by the sum of both parts; c' = f·c + i·g; h' = o·tanh(c')."""
    i, f, g, o = (from_input + from_hidden).chunk(4, -1)
    cell = functional.sigmoid(f) * state[1] + functional.sigmoid(i) * functional.tanh(g)
    return functional.sigmoid(o) * functional.tanh(cell), cell


def gru(from_input: Tensor, from_hidden: Tensor, state: State) -> State:
    """r and z by the sums of both parts; n = tanh(input's part + hidden part · r); h' = (h - n)·z + n."""
    (input_r, input_z, input_n), (hidden_r, hidden_z, hidden_n) = from_input.chunk(3, -1), from_hidden.chunk(3, -1)
    r, z = functional.sigmoid(input_r + hidden_r), functional.sigmoid(input_z + hidden_z)
    n = functional.tanh(input_n + hidden_n * r)
    return ((state[0] - n) * z + n,)


def rnn_tanh(from_input: Tensor, from_hidden: Tensor, state: State) -> State:  # noqa: ARG001
    """h' = tanh of the sum of both parts."""
    return (functional.tanh(from_input + from_hidden),)


def rnn_relu(from_input: Tensor, from_hidden: Tensor, state: State) -> State:  # noqa: ARG001
    """h' = relu of the sum of both parts."""
    return (extremes.relu(from_input + from_hidden),)


def recurrent(  # noqa: PLR0917
    cell: Cell,
    x: Tensor,
    states: State,
    weights: Sequence[Tensor],
    has_biases: bool,
    layers: int,
    bidirectional: bool,
    batch_first: bool,
) -> tuple[Tensor, ...]:
    """x [T, B, I] from states [layers·directions, B, H]: outputs [T, B, H·directions], then the last states.

    weights: for each layer and direction the input's [G, I], the hidden [G, H], and their biases [G] if has_biases.
    With batch_first x and the outputs have B before T.
    """
    each = 4 if has_biases else 2
    directions = 2 if bidirectional else 1
    if x.dim() != 3 or len(weights) != each * directions * layers or not x.numel():
        raise RefusedArithmeticError(
            f"a recurrent layer of {list(x.shape)} with {len(weights)} weights in {layers} layers is not defined",
            advice="sequences that are packed or empty and projections (proj_size) are not supported",
        )
    x = x.transpose(0, 1) if batch_first else x
    last: list[State] = []
    for layer in range(layers):
        outputs = []
        for backward in range(directions):
            number = layer * directions + backward
            own = weights[number * each : (number + 1) * each]
            sequence = x.flip(0) if backward else x
            hidden, final = _run(cell, sequence, tuple(state[number] for state in states), own)
            outputs.append(hidden.flip(0) if backward else hidden)
            last.append(final)
        x = torch.cat(outputs, -1)
    output = x.transpose(0, 1) if batch_first else x
    return output, *(torch.stack(parts) for parts in zip(*last, strict=True))


def _run(cell: Cell, x: Tensor, state: State, weights: Sequence[Tensor]) -> tuple[Tensor, State]:
    """One layer in one direction: all its hidden states [T, B, H], and the last state."""
    from_input = functional.linear(x, weights[0], *weights[2:3])
    hidden_weight, hidden_bias = functional.prepare(weights[1]), weights[3] if len(weights) == 4 else None
    outputs = []
    for step in from_input:
        state = cell(step, functional.linear(state[0], hidden_weight, hidden_bias), state)
        outputs.append(state[0])
    return torch.stack(outputs), state
