"""Recurrent layers are pinned for sequences of any length, whatever the example's was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from reperform.evidence.inputs import AudioInput
from reperform.evidence.values import Audio
from reperform.executor.model import PinnedModel
from reperform.executor.pinning.candidate import Candidate
from reperform.executor.pinning.pin import pin
from reperform.executor.pinning.sequences import of_any_length
from torch import Tensor, nn

RATE, MOST = 100, 40


class Follower(nn.Module):
    """Samples [batch, samples] to what a recurrent layer of two directions says after each."""

    def __init__(self, layer: nn.Module, batch_first: bool) -> None:
        super().__init__()
        self.layer, self.batch_first = layer, batch_first

    def forward(self, samples: Tensor) -> Tensor:
        x = samples.unsqueeze(-1)
        hidden: Tensor = self.layer(x if self.batch_first else x.transpose(0, 1))[0]
        return hidden if self.batch_first else hidden.transpose(0, 1)


def sound(samples: int) -> Audio:
    return Audio(RATE, np.random.default_rng(samples).integers(-(2**15), 2**15, samples, "<i2").tobytes())


@pytest.mark.parametrize(("layer", "batch_first"), [(nn.LSTM, True), (nn.GRU, False)])
def test_sequences_longer_and_shorter_than_the_example_run(
    layer: type[nn.Module], batch_first: bool, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    module = Follower(layer(1, 3, batch_first=batch_first, bidirectional=True), batch_first)
    pin(
        Candidate("follower", module, [sound(9)], AudioInput(RATE, 2, MOST, "32768.0"), ["hidden"]), tmp_path / "pinned"
    )
    model = PinnedModel.load(tmp_path / "pinned")
    inputs = [sound(samples) for samples in (2, 9, MOST)]
    for given, output in zip(inputs, model.run(inputs), strict=True):
        (x,) = model.tensors([given])
        with torch.no_grad():
            native = module(x)[0]
        assert output.tensors[0].shape == tuple(native.shape) == (len(given.samples) // 2, 6)
        assert np.abs(np.frombuffer(output.tensors[0].data, "<f4") - native.numpy().ravel()).max() < 1e-5


def test_torch_is_as_it_was_afterwards() -> None:
    layer = torch.ops.aten.lstm.input
    before = dict(layer.py_kernels)
    with of_any_length():
        assert layer.py_kernels != before
    assert layer.py_kernels == before
    with pytest.raises(KeyError), of_any_length():
        raise KeyError
    assert layer.py_kernels == before
