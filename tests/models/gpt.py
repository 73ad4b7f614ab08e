"""A language model's stack as GPT-2 has it (Radford et al. 2019), with weights made from integers.

Nobody trained it. It has the shapes, and the causal attention, of models that were, and is the same on every machine
and with every version of torch, which no trained model of its kind in the package index is.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Final

import torch
from reperform.evidence.digest import Digest
from reperform.evidence.inputs import TextInput
from reperform.examples.sentence_encoder.model import VOCABULARY
from reperform.examples.sentence_encoder.pin import EXAMPLES, TOKENIZER, published
from reperform.examples.wheels import CACHE
from reperform.executor.pinning.candidate import Candidate
from reperform.executor.pinning.pin import pin
from reperform.tests.arithmetic.same.battery import noise
from torch import Tensor, nn
from torch.nn.functional import gelu, scaled_dot_product_attention

WIDTH, HEADS, LAYERS, POSITIONS = 576, 9, 8, 256

# The generator's streams of two seeds overlap after a million values; the largest tensor has 17.6 million.
_SEED_STEP: Final = 20
# As GPT-2 was initialised (Radford et al. 2019, §2.3), with a uniform distribution of the same variance.
_SPREAD: Final = 0.02 * math.sqrt(3)


class Block(nn.Module):
    """Causal self-attention and a perceptron, each normalised before and added to what came in."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before_attention = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.attended = nn.Linear(width, width)
        self.before_perceptron = nn.LayerNorm(width)
        self.wide = nn.Linear(width, 4 * width)
        self.narrow = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """float32 [batch, tokens, width] to the same."""
        parts = self.query_key_value(self.before_attention(x)).chunk(3, dim=-1)
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in parts)
        mixed = scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.attended(mixed.transpose(1, 2).flatten(2))
        y: Tensor = x + self.narrow(gelu(self.wide(self.before_perceptron(x)), approximate="tanh"))
        return y


class GPT(nn.Module):
    """Token ids to the hidden state of each text's last token, from which the next would be predicted.

    No token looks at what follows it, so padding on the right is not masked, and changes nothing.
    """

    def __init__(self, width: int = WIDTH, heads: int = HEADS, layers: int = LAYERS) -> None:
        super().__init__()
        self.tokens = nn.Embedding(VOCABULARY, width)
        self.positions = nn.Embedding(POSITIONS, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.last_norm = nn.LayerNorm(width)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """int64 ids and mask (1 for a token, then 0 for padding) [batch, tokens] to float32 [batch, width]."""
        x = self.hidden(ids)
        last = (mask.sum(1) - 1)[:, None, None].expand(-1, 1, x.shape[-1])
        return x.gather(1, last).squeeze(1)

    def hidden(self, ids: Tensor) -> Tensor:
        """int64 [batch, tokens] to float32 [batch, tokens, width], a row for every token, padding included."""
        x = self.tokens(ids) + self.positions.weight[: ids.shape[1]]
        for block in self.blocks:
            x = block(x)
        y: Tensor = self.last_norm(x)
        return y


def gpt(width: int = WIDTH, heads: int = HEADS, layers: int = LAYERS) -> GPT:
    """The stack with its weights, ready to run."""
    with torch.device("meta"):
        module = GPT(width, heads, layers)
    weights = {
        name: noise(*parameter.shape, seed=number * _SEED_STEP, scale=_SPREAD) + float(_is_gain(name))
        for number, (name, parameter) in enumerate(module.named_parameters())
    }
    module.load_state_dict(weights, assign=True)
    return module.eval()


def _is_gain(name: str) -> bool:
    return name.endswith("weight") and ("before" in name or "norm" in name)


def pin_gpt(directory: Path, cache: Path = CACHE, module: GPT | None = None) -> Digest:
    """Pin the stack into the new folder `directory`, with the sentence encoder's tokenizer; returns the model id."""
    candidate = Candidate(
        name="gpt",
        module=module or gpt(),
        examples=EXAMPLES,
        input=TextInput(TOKENIZER, POSITIONS),
        outputs=["last"],
        files={TOKENIZER: published(TOKENIZER, cache)},
    )
    return pin(candidate, directory)
