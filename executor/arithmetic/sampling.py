"""Drawing a token from logits (§6): integer weights, and one 64-bit number from seed and position."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor

from . import extremes, functional, order
from .errors import NonFiniteError, RefusedArithmeticError
from .operands import scalar32

_DOMAIN: Final = b"reperform/sample/v1\x00"
_SEED_BYTES: Final = 32
LARGEST_VOCABULARY: Final = 1 << 22


def sample(
    logits: Tensor,
    *,
    temperature: float,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: bytes,
    position: int | Sequence[int],
) -> Tensor:
    """The token, int64 [...], drawn from each row of float32 logits [..., V] (§6).

    position: the index from 0 of the drawn token in its whole sequence, prompt included; one for all rows, or one
    for each. A logit of -inf is never drawn at a temperature above 0. Raises NonFiniteError for NaN, for +inf and
    for a row of nothing but -inf, RefusedArithmeticError for what the page does not define.
    """
    _check(logits, temperature, top_k, top_p)
    rows = logits.reshape(-1, logits.shape[-1])
    positions = list(position) if isinstance(position, Sequence) else [position] * len(rows)
    if len(positions) != len(rows):
        raise RefusedArithmeticError(f"sample: {len(positions)} positions for {len(rows)} rows of logits")
    draws = [_draw(seed, p) for p in positions]
    if temperature == 0:
        return extremes.argmax(logits, -1)
    scaled = rows / scalar32(temperature, rows.device)
    weights = _weights(scaled)
    tokens = [_token(row, top_k, top_p, draw) for row, draw in zip(weights, draws, strict=True)]
    return torch.tensor(tokens, dtype=torch.int64, device=logits.device).reshape(logits.shape[:-1])


def _weights(scaled: Tensor) -> Tensor:
    """The integers nearest to u · 2^40 of softmax (§5), int64."""
    peak = scaled.amax(-1, keepdim=True)
    if not bool(torch.isfinite(peak).all()):
        raise NonFiniteError("sample: a logit divided by the temperature passes float32")
    u = functional.exp(scaled - peak).to(torch.float64)
    return (u * 2.0**40).round().to(torch.int64)


def _token(weights: Tensor, top_k: int | None, top_p: float | None, draw: int) -> int:
    """The first token, in index order, whose running sum exceeds floor(draw · Z / 2^64)."""
    if top_k is not None or top_p is not None:
        weights = _kept(weights, top_k, top_p)
    running = weights.cumsum(0)
    threshold = draw * int(running[-1].item()) >> 64
    return int((running <= threshold).sum().item())


def _kept(weights: Tensor, top_k: int | None, top_p: float | None) -> Tensor:
    """The weights, and 0 for tokens that top_k and then top_p leave out."""
    descending, indices = order.sort(weights, 0, descending=True)
    count = len(weights) if top_k is None else min(top_k, len(weights))
    if top_p is not None:
        running = descending[:count].cumsum(0)
        share = round(top_p * 2.0**32)  # the product is exact, and round takes ties to even
        least = -(-share * int(running[-1].item()) >> 32)
        count = min(count, int((running < least).sum().item()) + 1)
    return torch.zeros_like(weights).index_copy(0, indices[:count], descending[:count])


def _draw(seed: bytes, position: int) -> int:
    if not isinstance(seed, bytes) or len(seed) != _SEED_BYTES:
        raise RefusedArithmeticError("sample: a seed is 32 bytes", advice="take them from a commitment, not a number")
    if type(position) is not int or not 0 <= position < 1 << 64:
        raise RefusedArithmeticError(f"sample: the position {position!r:.40} is no integer from 0 to 2^64 - 1")
    digest = hashlib.sha256(_DOMAIN + seed + position.to_bytes(8, "big")).digest()
    return int.from_bytes(digest[:8], "big")


def _check(logits: Tensor, temperature: float, top_k: int | None, top_p: float | None) -> None:
    if logits.dtype != torch.float32 or not logits.dim() or not 1 <= logits.shape[-1] <= LARGEST_VOCABULARY:
        raise RefusedArithmeticError(
            f"sample takes float32 logits of 1 to 2^22 tokens, not {logits.dtype} {list(logits.shape)}"
        )
    usable = temperature == 0 or 0 < scalar32(temperature).item() < float("inf")
    if isinstance(temperature, bool) or not usable:
        raise RefusedArithmeticError(f"sample: the temperature {temperature!r} is neither 0 nor a positive float32")
    if top_k is not None and (type(top_k) is not int or top_k < 1):
        raise RefusedArithmeticError(f"sample: top_k={top_k!r:.40} is no integer from 1")
    if top_p is not None and (isinstance(top_p, bool) or not 0 < top_p <= 1):
        raise RefusedArithmeticError(f"sample: top_p={top_p!r} is not above 0 and at most 1")
    if bool(logits.isnan().any()) or bool((logits == float("inf")).any()):
        raise NonFiniteError("sample: the logits hold a NaN or +inf")
    if bool((logits == float("-inf")).all(-1).any()):
        raise NonFiniteError("sample: a row of logits holds nothing but -inf")
