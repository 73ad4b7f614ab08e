"""A language model of the Llama type in plain torch, as GGUF files hold it.

Touvron et al. 2023; Ainslie et al. 2023 for grouped queries; Su et al. 2021 for the positions. The attributes bear
the names under which a GGUF file holds the weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, scaled_dot_product_attention, silu


@dataclass(frozen=True, slots=True)
class Sizes:
    """Of a model: `key_heads` are shared by `heads`; `length` is the longest text in tokens."""

    width: int
    hidden: int
    layers: int
    heads: int
    key_heads: int
    vocabulary: int
    length: int
    base: float
    eps: float

    @classmethod
    def of(cls, metadata: Mapping[str, Any]) -> Self:
        """From a GGUF file's metadata."""
        return cls(
            width=metadata["llama.embedding_length"],
            hidden=metadata["llama.feed_forward_length"],
            layers=metadata["llama.block_count"],
            heads=metadata["llama.attention.head_count"],
            key_heads=metadata["llama.attention.head_count_kv"],
            vocabulary=metadata["llama.vocab_size"],
            length=metadata["llama.context_length"],
            base=metadata["llama.rope.freq_base"],
            eps=metadata["llama.attention.layer_norm_rms_epsilon"],
        )


def rotary(length: int, width: int, base: float) -> tuple[Tensor, Tensor]:
    """Cosine and sine [length, width / 2] of every position's angles, float32."""
    exponents = torch.arange(0, width, 2, dtype=torch.float64, device="cpu") / width
    # Angles in float32, as in training; powers and cosines in float64, where no platform is off by a float32 ulp.
    frequencies = (base**exponents).float().reciprocal()
    angles = torch.outer(torch.arange(length, dtype=torch.float32, device="cpu"), frequencies).double()
    return angles.cos().float(), angles.sin().float()


class Block(nn.Module):
    """Attention to a position and those before it, then a gated hidden layer; each is added to what came in."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.heads, self.key_heads = sizes.heads, sizes.key_heads
        width, narrow = sizes.width, sizes.width // sizes.heads * sizes.key_heads
        self.attn_norm, self.ffn_norm = (nn.RMSNorm(width, eps=sizes.eps) for _ in range(2))
        self.attn_q, self.attn_output = (nn.Linear(width, width, bias=False) for _ in range(2))
        self.attn_k, self.attn_v = (nn.Linear(width, narrow, bias=False) for _ in range(2))
        self.ffn_gate, self.ffn_up = (nn.Linear(width, sizes.hidden, bias=False) for _ in range(2))
        self.ffn_down = nn.Linear(sizes.hidden, width, bias=False)

    def forward(self, x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        """[batch, tokens, width] to the same."""
        x = x + self._attend(self.attn_norm(x), cosine, sine)
        h = self.ffn_norm(x)
        y: Tensor = x + self.ffn_down(silu(self.ffn_gate(h)) * self.ffn_up(h))
        return y

    def _attend(self, x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        q = _turned(self.attn_q(x).unflatten(-1, (self.heads, -1)).transpose(1, 2), cosine, sine)
        k = _turned(self.attn_k(x).unflatten(-1, (self.key_heads, -1)).transpose(1, 2), cosine, sine)
        v = self.attn_v(x).unflatten(-1, (self.key_heads, -1)).transpose(1, 2)
        heads = scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        y: Tensor = self.attn_output(heads.transpose(1, 2).flatten(2))
        return y


def _turned(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Turn each pair of neighbours, which is how GGUF orders the rows of q and k, by its position's angle."""
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack([a * cosine - b * sine, a * sine + b * cosine], -1).flatten(-2)


class Llama(nn.Module):
    """Tokens to the logits of the one that follows, at every position.

    Padding stands after a text: no position of the text looks at it.
    """

    cosine: Tensor
    sine: Tensor

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.token_embd = nn.Embedding(sizes.vocabulary, sizes.width)
        self.blk = nn.ModuleList(Block(sizes) for _ in range(sizes.layers))
        self.output_norm = nn.RMSNorm(sizes.width, eps=sizes.eps)
        for name, table in zip(
            ("cosine", "sine"), rotary(sizes.length, sizes.width // sizes.heads, sizes.base), strict=True
        ):
            self.register_buffer(name, table, persistent=False)

    def states(self, ids: Tensor) -> Tensor:
        """int64 ids [batch, tokens] to float32 [batch, tokens, width]."""
        x: Tensor = self.token_embd(ids)
        cosine, sine = self.cosine[: ids.shape[1]], self.sine[: ids.shape[1]]
        for block in self.blk:
            x = block(x, cosine, sine)
        y: Tensor = self.output_norm(x)
        return y

    def logits(self, states: Tensor) -> Tensor:
        """float32 [..., width] to [..., vocabulary]; the embeddings serve once more."""
        return linear(states, self.token_embd.weight)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:  # noqa: ARG002  # what a text becomes
        """int64 ids and mask [batch, tokens] to float32 [batch, tokens, vocabulary]."""
        return self.logits(self.states(ids))


class NextToken(Llama):
    """Texts to the logits of the token that follows each."""

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """int64 ids and mask (1 for a token, 0 for padding) [batch, tokens] to float32 [batch, vocabulary]."""
        last = mask.sum(1) - 1
        return self.logits(self.states(ids)[torch.arange(ids.shape[0]), last])
