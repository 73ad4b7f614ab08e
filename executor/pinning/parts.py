"""Operations that are pinned as the parts torch takes them apart into, each of which is an operation of the table.

The graph then holds the parts, so nothing about their order is left to whoever runs it. What has a definition of its
own (`dot`, softmax, layer norm) does not belong here, nor what torch takes apart into something undefined.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import torch
from torch._decomp import decomposition_table

PARTS: Final = (
    "aten._fused_rms_norm.default",
    "aten._prelu_kernel.default",
    "aten._upsample_nearest_exact1d.vec",
    "aten._upsample_nearest_exact2d.vec",
    "aten.addcdiv.default",
    "aten.addcmul.default",
    "aten.channel_shuffle.default",
    "aten.clip.Tensor",
    "aten.clip.default",
    "aten.cosine_similarity.default",
    "aten.einsum.default",
    "aten.fill.Scalar",
    "aten.fill.Tensor",
    "aten.glu.default",
    "aten.gru_cell.default",
    "aten.hardsigmoid.default",
    "aten.hardswish.default",
    "aten.hardtanh.default",
    "aten.isfinite.default",
    "aten.leaky_relu.default",
    "aten.lerp.Scalar",
    "aten.lerp.Tensor",
    "aten.linalg_norm.default",
    "aten.linalg_vector_norm.default",
    "aten.linspace.default",
    "aten.logsumexp.default",
    "aten.lstm_cell.default",
    "aten.max.other",
    "aten.meshgrid.default",
    "aten.meshgrid.indexing",
    "aten.min.other",
    "aten.mish.default",
    "aten.one_hot.default",
    "aten.outer.default",
    "aten.pad.default",
    "aten.pixel_shuffle.default",
    "aten.pixel_unshuffle.default",
    "aten.prelu.default",
    "aten.relu6.default",
    "aten.rms_norm.default",
    "aten.rnn_relu_cell.default",
    "aten.rnn_tanh_cell.default",
    "aten.threshold.default",
    "aten.tile.default",
    "aten.upsample_bilinear2d.default",
    "aten.upsample_bilinear2d.vec",
    "aten.upsample_linear1d.vec",
    "aten.upsample_nearest1d.default",
    "aten.upsample_nearest1d.vec",
    "aten.upsample_nearest2d.default",
    "aten.upsample_nearest2d.vec",
)


def decompositions() -> dict[Any, Callable[..., Any]]:
    """What `run_decompositions` of torch.export takes: from each of these operations to a function of its parts."""
    # The table of torch.export leaves out what core ATen keeps whole.
    known = {**decomposition_table, **torch.export.default_decompositions()}
    table = {}
    for name in PARTS:
        _, packet, overload = name.split(".")
        operation = getattr(getattr(torch.ops.aten, packet), overload)
        table[operation] = known[operation]
    return table
