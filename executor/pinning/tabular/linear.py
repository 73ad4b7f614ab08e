"""Linear models and perceptrons of records, as torch modules."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

import torch
from torch import nn

from .ensemble import LINKS, Link
from .trees import Array

ACTIVATIONS: Final[Mapping[str, Callable[[torch.Tensor], torch.Tensor]]] = MappingProxyType(
    {
        "identity": lambda x: x,
        "relu": torch.relu,
        "tanh": torch.tanh,
        "logistic": torch.sigmoid,
        "softmax": lambda x: torch.softmax(x, 1),
        "exp": torch.exp,
    }
)


class Linear(nn.Module):
    """Features float32 [batch, features] to float32 [batch, outputs], or [batch] if there is one output.

    Products are rounded one by one and then summed exactly. A dot product (docs/arithmetic.md §2) would measure all
    features by the largest, and few are of one size: an income and a rate of interest. `shared`: each output is
    divided by the sum of all, as scikit-learn does with probabilities of one class against the rest.
    """

    weight: torch.Tensor
    bias: torch.Tensor

    def __init__(self, weight: Array, bias: Array, link: Link = Link.IDENTITY, *, shared: bool = False) -> None:
        """weight: float64 [outputs, features]; bias: float64 [outputs]."""
        super().__init__()
        self.register_buffer("weight", torch.tensor(weight, dtype=torch.float32))
        self.register_buffer("bias", torch.tensor(bias, dtype=torch.float32))
        self.link, self.shared = link, shared

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """float32 [batch, features] to float32 [batch, outputs], or [batch]."""
        given = LINKS[self.link]((x.unsqueeze(1) * self.weight).sum(2) + self.bias)
        if self.shared:
            given = given / given.sum(1, keepdim=True)
        return given.squeeze(1) if len(self.bias) == 1 else given


class Perceptron(nn.Module):
    """Features float32 [batch, features] to float32 [batch, outputs], or [batch] if there is one output."""

    def __init__(self, weights: Sequence[Array], biases: Sequence[Array], hidden: str, last: str) -> None:
        """weights: float64 [outputs, inputs] of each layer; biases: float64 [outputs]; functions of ACTIVATIONS."""
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(weight.shape[1], weight.shape[0]) for weight in weights)
        for layer, weight, bias in zip(self.layers, weights, biases, strict=True):
            layer.load_state_dict({"weight": torch.tensor(weight), "bias": torch.tensor(bias)})
        self.functions = [*[hidden] * (len(weights) - 1), last]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """float32 [batch, features] to float32 [batch, outputs], or [batch]."""
        for layer, function in zip(self.layers, self.functions, strict=True):
            x = ACTIVATIONS[function](layer(x))
        return x.squeeze(1) if x.shape[1] == 1 else x
