"""However large the weights, checking, writing and capturing them takes no memory of the process's own."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from reperform.bench.pin import memory
from reperform.executor.arithmetic.operations import TABLE
from reperform.executor.pinning.capture import capture
from reperform.executor.weights import entries, load_weights, read_weights, write_weights
from torch import nn

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc/self/status says what is the process's own")

# Bytes: 6 tensors of 16 MiB. What Python and torch take besides is some hundred thousand.
WIDTH, LAYERS = 2048, 6
LITTLE = 4 << 20


def stack(width: int, dtype: torch.dtype) -> nn.Module:
    """Layers one after the other, of random weights, that compute in float32."""
    torch.manual_seed(0)
    return nn.Sequential(*(nn.Linear(width, width, bias=False) for _ in range(LAYERS))).to(dtype)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The weights of a stack, in two files."""
    made, tensors = tmp_path_factory.mktemp("weights"), dict(stack(WIDTH, torch.float32).state_dict())
    write_weights(made, tensors, entries(tensors), limit=50 << 20)
    assert len(list(made.iterdir())) == 2
    return made


def test_weights_are_checked_where_they_lie(folder: Path) -> None:
    described = entries(read_weights(folder))
    found = []
    assert memory(lambda: found.append(load_weights(folder, described))) < LITTLE
    assert sum(tensor.nbytes for tensor in found[0].values()) == LAYERS * WIDTH * WIDTH * 4


def test_weights_are_written_from_where_they_lie(folder: Path, tmp_path: Path) -> None:
    tensors = read_weights(folder)
    assert memory(lambda: write_weights(tmp_path, tensors, entries(tensors))) < LITTLE


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_module_is_captured_without_a_copy_of_its_weights(dtype: torch.dtype) -> None:
    def captured(module: nn.Module, width: int) -> None:
        graph, tensors, described = capture(module, (torch.ones(2, width),), [("batch", width)], {}, TABLE.keys())
        assert len(graph.weights) == len(tensors) == len(described) == LAYERS
        assert {tensor.dtype for tensor in tensors.values()} == {dtype}

    captured(stack(8, dtype), 8)  # torch.export takes memory for itself the first time
    module = stack(WIDTH, dtype)
    assert memory(lambda: captured(module, WIDTH)) < LITTLE
