"""The prompt-injection classifier NanoGuard in plain torch: an encoder with rotary positions and squared ReLU.

Su et al. 2021 for the positions. The attributes bear the names under which the published state holds the weights.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, relu, rms_norm, scaled_dot_product_attention

WIDTH, HEADS, LAYERS, VOCABULARY = 512, 4, 4, 8192
# Every text is read as this many tokens: the model looks at what stands behind a text's end, too.
LENGTH = 512
BASE = 10_000.0


def normalised(x: Tensor) -> Tensor:
    """RMS norm of the last dimension, without weights."""
    return rms_norm(x, (x.shape[-1],))


def rotary(length: int, width: int) -> tuple[Tensor, Tensor]:
    """Cosine and sine [length, width / 2] of every position's angles, rounded to bfloat16 as in training."""
    exponents = torch.arange(0, width, 2, dtype=torch.float64) / width
    # Each step in float32, as in training; powers and cosines in float64, where no platform is off by a float32 ulp.
    frequencies = (BASE**exponents).float().reciprocal()
    angles = torch.outer(torch.arange(length, dtype=torch.float32), frequencies).double()
    return angles.cos().float().bfloat16(), angles.sin().float().bfloat16()


class Attention(nn.Module):
    """Multi-head self-attention of all positions to all."""

    def __init__(self) -> None:
        super().__init__()
        self.c_q, self.c_k, self.c_v, self.c_proj = (nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(4))

    def forward(self, x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        """[batch, LENGTH, WIDTH] to the same."""
        q, k, v = (layer(x).unflatten(-1, (HEADS, -1)).transpose(1, 2) for layer in (self.c_q, self.c_k, self.c_v))
        q, k = (normalised(_turned(y, cosine, sine)) for y in (q, k))
        heads = scaled_dot_product_attention(q, k, v)
        y: Tensor = self.c_proj(heads.transpose(1, 2).flatten(2))
        return y


def _turned(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Turn each pair (x[i], x[i + half]) by its position's angle, clockwise."""
    a, b = x.chunk(2, -1)
    return torch.cat([a * cosine + b * sine, b * cosine - a * sine], -1)


class Block(nn.Module):
    """Attention and a hidden layer, each normalised before and added to what came in."""

    def __init__(self) -> None:
        super().__init__()
        self.attn = Attention()
        self.mlp = nn.ModuleDict(
            {"c_fc": nn.Linear(WIDTH, 4 * WIDTH, bias=False), "c_proj": nn.Linear(4 * WIDTH, WIDTH, bias=False)}
        )

    def forward(self, x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        """As Attention."""
        x = x + self.attn(normalised(x), cosine, sine)
        y: Tensor = x + self.mlp["c_proj"](relu(self.mlp["c_fc"](normalised(x))).square())
        return y


class Transformer(nn.Module):
    """The embeddings of tokens, and the blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.wte = nn.Embedding(VOCABULARY, WIDTH)
        self.h = nn.ModuleList(Block() for _ in range(LAYERS))


class PromptGuard(nn.Module):
    """Texts to the probability that they are meant to turn a language model against its instructions."""

    cosine: Tensor
    sine: Tensor

    def __init__(self, padding: int) -> None:
        super().__init__()
        self.padding = padding
        self.transformer = Transformer()
        self.resid_lambdas, self.x0_lambdas = (nn.Parameter(torch.empty(LAYERS)) for _ in range(2))
        self.cls_norm, self.cls_head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 2)
        for name, table in zip(("cosine", "sine"), rotary(LENGTH, WIDTH // HEADS), strict=True):
            self.register_buffer(name, table, persistent=False)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """int64 ids and mask (1 for a token, 0 for padding) [batch, tokens], up to LENGTH, to float32 [batch]."""
        missing = (0, LENGTH - ids.shape[1])
        ids = pad(ids.where(mask.bool(), self.padding), missing, value=self.padding)
        weight = pad(mask, missing).float().unsqueeze(-1)
        first = x = normalised(self.transformer.wte(ids))
        for i, block in enumerate(self.transformer.h):
            x = block(self.resid_lambdas[i] * x + self.x0_lambdas[i] * first, self.cosine, self.sine)
        mean = (normalised(x) * weight).sum(1) / weight.sum(1)
        y: Tensor = self.cls_head(self.cls_norm(mean)).softmax(-1)[:, 1]
        return y
