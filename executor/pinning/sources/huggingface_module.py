"""Models of `transformers` as modules of ids and mask, of which each text's answer is its own."""

from __future__ import annotations

import sys
from collections.abc import Callable
from enum import StrEnum
from typing import Any, Final

import torch
from torch import Tensor, nn


class Attention(StrEnum):
    """How attention stands in the graph."""

    FUSED = "fused"  # as one operation
    EAGER = "eager"  # written out: softmax(q k^T / sqrt(width) + mask) v


# Names in transformers' registry of attentions; the second is registered here.
FUSED: Final = "sdpa"
WRITTEN_OUT: Final = "reperform-eager"
_OWN: Final = "eager_attention_forward"

# The model's own outputs and the mask [batch, tokens] to one tensor [batch, ...].
Read = Callable[[Any, Tensor], Tensor]


class OfTexts(nn.Module):
    """int64 ids and mask (1 for a token, 0 for padding) [batch, tokens] to what `read` makes of the model's outputs."""

    def __init__(self, model: nn.Module, read: Read, padding: int, **options: bool) -> None:
        super().__init__()
        self.model, self.read, self.padding, self.options = model, read, padding, options

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """float32 [batch, ...]."""
        ids = ids.where(mask.bool(), self.padding)
        return self.read(self.model(input_ids=ids, attention_mask=mask, **self.options), mask)


def scores(outputs: Any, _: Tensor) -> Tensor:
    """One number for each label."""
    y: Tensor = outputs.logits
    return y


def probabilities(outputs: Any, _: Tensor) -> Tensor:
    """Of each label, where exactly one is right."""
    y: Tensor = outputs.logits.softmax(-1)
    return y


def independent_probabilities(outputs: Any, _: Tensor) -> Tensor:
    """Of each label, where several may be right."""
    y: Tensor = outputs.logits.sigmoid()
    return y


def last_logits(outputs: Any, mask: Tensor) -> Tensor:
    """Of the token that follows each text."""
    return last(outputs.logits, mask)


def last(x: Tensor, mask: Tensor) -> Tensor:
    """Of [batch, tokens, ...], what stands at the last token of each text."""
    return x[torch.arange(x.shape[0]), mask.sum(1) - 1]


def register() -> None:
    """Make WRITTEN_OUT known to transformers."""
    from transformers import AttentionInterface, AttentionMaskInterface  # noqa: PLC0415  # only to pin
    from transformers.masking_utils import eager_mask  # noqa: PLC0415

    AttentionInterface.register(WRITTEN_OUT, _written_out)
    AttentionMaskInterface.register(WRITTEN_OUT, eager_mask)


def can_be_written_out(model: nn.Module) -> bool:
    """Whether a model looks its attention up in the registry."""
    return hasattr(sys.modules[type(model).__module__], _OWN)


def _written_out(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **options: Any
) -> Any:
    """The model's own eager attention, with nothing in the values of padded tokens [batch, heads, tokens, width].

    They have no weight, yet would have a part in the scale of a dot product (docs/arithmetic.md §2).
    """
    if attention_mask is not None:
        looked_at = attention_mask.amax(-2)[:, :1] == 0
        value = value.masked_fill(~looked_at.unsqueeze(-1), 0.0)
    own = getattr(sys.modules[type(module).__module__], _OWN)
    return own(module, query, key, value, attention_mask, **options)
