"""Other libraries that promise the same bits elsewhere, with what they offer of the operations that are compared.

    pip install alia-carbon                                    # imported as carbon
    pip install git+https://github.com/microsoft/RepDL.git     # imported as repdl; needs CUDA's compiler

Neither is required. Both are called as their pages say, on float32 tensors of the CPU, with modules built beforehand.
Their promises are narrower or other than portable-1's; only the time is compared here.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from types import MappingProxyType
from typing import Any

import torch
from reperform.bench.operations import Operation
from reperform.bench.timing import Call
from torch import nn

# The library and the arguments of an operation to its call of it, or None if it has none for such arguments.
Offer = Callable[..., Call | None]


@dataclass(frozen=True)
class Peer:
    """A library: its offers by ATen's names, and how it runs a whole module, if it does."""

    distribution: str
    package: str
    offers: Mapping[str, Offer]
    convert: Callable[[Any, nn.Module], nn.Module] | None = None

    def missing(self) -> str | None:
        """Why it cannot be measured here; None if it can."""
        try:
            version(self.distribution)
            import_module(self.package)
        except PackageNotFoundError:
            return "not installed"
        except ImportError as error:
            return f"cannot be imported: {error}"
        return None

    def version(self) -> str:
        """What is installed."""
        return version(self.distribution)

    def call(self, operation: Operation) -> Call | None:
        """Its call for an operation, which was seen to give the same result but for rounding."""
        offer = self.offers.get(operation.aten)
        call = offer and offer(import_module(self.package), *operation.arguments)
        if call is not None:
            torch.testing.assert_close(call(), operation.native()(), rtol=1e-3, atol=1e-3)
        return call

    def module(self, module: nn.Module) -> nn.Module | None:
        """A copy of the module with the library's layers."""
        return self.convert and self.convert(import_module(self.package), copy.deepcopy(module))


def _carbon_linear(carbon: Any, x: Any, weight: Any, bias: Any) -> Call:
    layer = carbon.DeterministicLinear(weight.shape[1], weight.shape[0])
    layer.weight.copy_(weight)
    layer.bias.copy_(bias)
    return partial(layer, x)


def _carbon_matmul(carbon: Any, a: Any, b: Any) -> Call:
    return partial(carbon.DeterministicMatMul.apply, a, b)


def _carbon_layer_norm(  # noqa: PLR0917
    carbon: Any, x: Any, shape: Any, weight: Any, bias: Any, eps: float
) -> Call:
    layer = carbon.CarbonLayerNorm(shape, eps)
    layer.weight.copy_(weight)
    layer.bias.copy_(bias)
    return partial(layer, x)


def _carbon_sum(carbon: Any, x: Any, dims: list[int]) -> Call:
    # Of its two ways, the one that is several times faster; it is not the default.
    return partial(carbon.CompensatedSum(use_kahan=False), x, dims[0])


def _carbon_module(carbon: Any, module: nn.Module) -> nn.Module:
    """Its linear layers and layer norms in place of torch's; everything else stays native."""
    for name, child in module.named_children():
        if isinstance(child, nn.Linear):
            layer = carbon.DeterministicLinear(child.in_features, child.out_features)
        elif isinstance(child, nn.LayerNorm):
            layer = carbon.CarbonLayerNorm(child.normalized_shape, child.eps)
        else:
            _carbon_module(carbon, child)
            continue
        layer.load_state_dict(child.state_dict())
        setattr(module, name, layer)
    return module


def _repdl_linear(repdl: Any, x: Any, weight: Any, bias: Any) -> Call:
    return partial(repdl.nn.functional.linear, x, weight, bias)


def _repdl_matmul(repdl: Any, a: Any, b: Any) -> Call:
    return partial(repdl.ops.mm, a, b)


def _repdl_conv2d(  # noqa: PLR0917
    repdl: Any, x: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> Call:
    return partial(repdl.nn.functional.conv2d, x, weight, bias, *map(tuple, (stride, padding, dilation)), groups)


def _repdl_batch_norm(  # noqa: PLR0917
    repdl: Any, x: Any, weight: Any, bias: Any, mean: Any, variance: Any, _: bool, momentum: float, eps: float, __: bool
) -> Call:
    return partial(repdl.nn.functional.batch_norm, x, mean, variance, weight, bias, False, momentum, eps)


def _repdl_softmax(repdl: Any, x: Any, dim: int) -> Call | None:
    return partial(repdl.ops.softmax, x) if x.dim() == 2 and dim == 1 else None


def _repdl_sum(repdl: Any, x: Any, dims: list[int]) -> Call | None:
    return partial(repdl.ops.sum2d_dim1 if dims == [1] else repdl.ops.sum2d_dim0, x) if x.dim() == 2 else None


def _repdl_sqrt(repdl: Any, x: Any) -> Call:
    return partial(repdl.ops.sqrt, x)


PEERS: Mapping[str, Peer] = MappingProxyType(
    {
        "alia_carbon": Peer(
            "alia-carbon",
            "carbon",
            MappingProxyType(
                {
                    "aten.linear.default": _carbon_linear,
                    "aten.matmul.default": _carbon_matmul,
                    "aten.bmm.default": _carbon_matmul,
                    "aten.layer_norm.default": _carbon_layer_norm,
                    "aten.sum.dim_IntList": _carbon_sum,
                }
            ),
            _carbon_module,
        ),
        # Its linear layer takes matrices alone, so it runs neither model whole.
        "repdl": Peer(
            "repdl",
            "repdl",
            MappingProxyType(
                {
                    "aten.linear.default": _repdl_linear,
                    "aten.matmul.default": _repdl_matmul,
                    "aten.conv2d.default": _repdl_conv2d,
                    "aten.batch_norm.default": _repdl_batch_norm,
                    "aten.softmax.int": _repdl_softmax,
                    "aten.sum.dim_IntList": _repdl_sum,
                    "aten.sqrt.default": _repdl_sqrt,
                }
            ),
        ),
    }
)
