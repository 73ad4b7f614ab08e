"""Graphs that torch.export captures run through the table, close to native torch (§7)."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from reperform.executor.arithmetic.operations import operation
from torch import Tensor, nn


class Layer(nn.Module):
    """A transformer layer as BERT has it, 32 wide."""

    def __init__(self) -> None:
        super().__init__()
        self.projections = nn.ModuleList(nn.Linear(32, 32) for _ in range(4))
        self.first, self.second = nn.LayerNorm(32, eps=1e-12), nn.LayerNorm(32, eps=1e-12)
        self.up, self.down, self.dropout = nn.Linear(32, 64), nn.Linear(64, 32), nn.Dropout(0.1)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        q, k, v = (p(x).view(x.shape[0], x.shape[1], 4, 8).transpose(1, 2) for p in self.projections[:3])
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2).reshape(x.shape)
        x = self.first(x + self.dropout(self.projections[3](mixed)))
        result: Tensor = self.second(x + self.dropout(self.down(F.gelu(self.up(x)))))
        return result


class Encoder(nn.Module):
    """A sentence encoder: embeddings, two layers, mean over the mask, unit length."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.places, self.kinds = nn.Embedding(99, 32), nn.Embedding(64, 32), nn.Embedding(2, 32)
        self.norm, self.layers = nn.LayerNorm(32), nn.ModuleList(Layer() for _ in range(2))
        self.register_buffer("positions", torch.arange(64)[None])

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        positions: Tensor = self.positions[:, : ids.shape[1]]  # type: ignore[index]
        x = self.norm(self.words(ids) + self.places(positions) + self.kinds(torch.zeros_like(ids)))
        added = (1.0 - mask[:, None, None, :].to(x.dtype)) * torch.finfo(torch.float32).min
        for layer in self.layers:
            x = layer(x, added)
        weights = mask.unsqueeze(-1).expand(x.shape).to(x.dtype)
        pooled = (x * weights).sum(1) / torch.clamp(weights.sum(1), min=1e-9)
        result: Tensor = pooled * torch.rsqrt((pooled**2).sum(-1, keepdim=True))
        return result


def perceptron() -> nn.Module:
    middle = [nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 8), nn.Tanh(), nn.BatchNorm1d(8)]
    return nn.Sequential(nn.Linear(10, 16), *middle, nn.Linear(8, 1), nn.Sigmoid())


CASES: dict[str, tuple[nn.Module, tuple[Tensor, ...], tuple[Tensor, ...], Any]] = {
    "encoder": (
        Encoder(),
        (torch.randint(0, 99, (3, 7)), torch.ones(3, 7, dtype=torch.int64)),
        (torch.randint(0, 99, (2, 12)), torch.arange(12).expand(2, 12).lt(torch.tensor([[9], [12]])).long()),
        ({0: torch.export.Dim("batch"), 1: torch.export.Dim("sequence", min=2, max=64)},) * 2,
    ),
    "perceptron": (perceptron(), (torch.randn(3, 10),), (torch.randn(5, 10),), ({0: torch.export.Dim("batch")},)),
}


@pytest.mark.parametrize("decomposed", [False, True])
@pytest.mark.parametrize("name", sorted(CASES))
def test_a_captured_model_runs_close_to_native(name: str, decomposed: bool) -> None:
    module, example, inputs, dynamic = CASES[name]
    module.eval()
    program = torch.export.export(module, example, dynamic_shapes=dynamic, strict=False)
    program = program.run_decompositions({}) if decomposed else program
    with torch.inference_mode():
        assert torch.allclose(run(program, inputs), module(*inputs), atol=1e-5)


def run(program: torch.export.ExportedProgram, inputs: tuple[Tensor, ...]) -> Tensor:
    """The first output of a captured graph, every call looked up in the table."""
    state, given = {**program.state_dict, **program.constants}, iter(inputs)
    values: dict[str, Any] = {
        spec.arg.name: next(given) if spec.kind.name == "USER_INPUT" else state[str(spec.target)]
        for spec in program.graph_signature.input_specs
    }
    for node in program.graph.nodes:
        if node.op == "call_function":
            arguments = torch.fx.node.map_arg((node.args, node.kwargs), lambda n: values[n.name])
            values[node.name] = operation(graph_name(node.target))(*arguments[0], **arguments[1])
    result: Tensor = values[program.graph_signature.output_specs[0].arg.name]
    return result


def graph_name(target: Any) -> str:
    """The name under which an operation stands in a graph."""
    return str(target) if isinstance(target, torch._ops.OpOverload) else f"operator.{target.__name__}"
