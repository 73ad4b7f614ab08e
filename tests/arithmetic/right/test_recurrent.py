"""Recurrent layers against their parts, one step at a time (§7)."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from reperform.executor import arithmetic
from reperform.executor.arithmetic.operations import TABLE
from reperform.tests.arithmetic import oracle
from reperform.tests.arithmetic.bits import same_bits
from torch import Tensor, nn

WIDTH, HIDDEN, STEPS, ROWS = 3, 2, 4, 2


def weights(module: nn.RNNBase) -> list[Tensor]:
    return [w.detach() for layer in module._flat_weights for w in [layer]]  # type: ignore[union-attr]


def sample(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def test_an_lstm_is_its_parts() -> None:
    module = nn.LSTM(WIDTH, HIDDEN)
    w, u, b, d = weights(module)
    x, h, c = sample(STEPS, ROWS, WIDTH), sample(1, ROWS, HIDDEN), sample(1, ROWS, HIDDEN)
    output, last_h, last_c = TABLE["aten.lstm.input"](x, [h, c], [w, u, b, d], True, 1, 0.0, False, False, False)
    for row in range(ROWS):
        state, cell = h[0, row].tolist(), c[0, row].tolist()
        for step in range(STEPS):
            parts = _parts(x[step, row].tolist(), w, b), _parts(state, u, d)
            state, cell = oracle.lstm_cell([oracle.add32(p, q) for p, q in zip(*parts, strict=True)], cell)
            assert output[step, row].tolist() == state
        assert (last_h[0, row].tolist(), last_c[0, row].tolist()) == (state, cell)


def test_a_gru_is_its_parts() -> None:
    module = nn.GRU(WIDTH, HIDDEN)
    w, u, b, d = weights(module)
    x, h = sample(STEPS, ROWS, WIDTH), sample(1, ROWS, HIDDEN)
    output, last = TABLE["aten.gru.input"](x, h, [w, u, b, d], True, 1, 0.0, False, False, False)
    for row in range(ROWS):
        state = h[0, row].tolist()
        for step in range(STEPS):
            state = oracle.gru_cell(_parts(x[step, row].tolist(), w, b), _parts(state, u, d), state)
            assert output[step, row].tolist() == state
        assert last[0, row].tolist() == state


def _parts(vector: list[float], weight: Tensor, bias: Tensor) -> list[float]:
    rows = zip(weight.tolist(), bias.tolist(), strict=True)
    return [oracle.add32(oracle.dot(vector, row), b) for row, b in rows]


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize(
    ("kind", "name", "options"),
    [
        (nn.LSTM, "lstm", {}),
        (nn.GRU, "gru", {}),
        (nn.RNN, "rnn_tanh", {}),
        (nn.RNN, "rnn_relu", {"nonlinearity": "relu"}),
    ],
)
def test_layers_and_directions_are_arranged_as_in_torch(  # noqa: PLR0917
    kind: Any, name: str, options: dict[str, str], layers: int, bias: bool, bidirectional: bool, batch_first: bool
) -> None:
    torch.manual_seed(1)
    module = kind(WIDTH, HIDDEN, layers, bias=bias, bidirectional=bidirectional, batch_first=batch_first, **options)
    x, states = sample(STEPS, STEPS, WIDTH), sample(layers * (1 + bidirectional), STEPS, HIDDEN)
    given = (states, states.flip(0)) if name == "lstm" else states
    with torch.inference_mode():
        output, last = module(x, given)
    arguments = (weights(module), bias, layers, 0.0, False, bidirectional, batch_first)
    results = TABLE[f"aten.{name}.input"](x, list(given) if name == "lstm" else given, *arguments)
    for result, expected in zip(results, (output, *(last if name == "lstm" else [last])), strict=True):
        assert result.shape == expected.shape
        assert torch.allclose(result, expected, atol=1e-5)


def test_a_sequence_does_not_depend_on_the_batch_nor_on_what_follows() -> None:
    w = weights(nn.LSTM(WIDTH, HIDDEN))
    x, h = sample(9, 5, WIDTH), torch.zeros(1, 5, HIDDEN)
    whole = TABLE["aten.lstm.input"](x, [h, h], w, True, 1, 0.0, False, False, False)[0]
    part = TABLE["aten.lstm.input"](x[:4, 2:3], [h[:, :1]] * 2, w, True, 1, 0.0, False, False, False)[0]
    assert same_bits(whole[:4, 2:3], part)


@pytest.mark.parametrize("options", [{"proj_size": 1}, {}])
def test_projections_and_training_are_refused(options: dict[str, int]) -> None:
    w = weights(nn.LSTM(WIDTH, HIDDEN, **options))
    x, h = sample(STEPS, ROWS, WIDTH), torch.zeros(1, ROWS, HIDDEN)
    with pytest.raises(arithmetic.RefusedArithmeticError):
        TABLE["aten.lstm.input"](x, [h, h], w, True, 1, 0.0, not options, False, False)
