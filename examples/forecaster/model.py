"""The forecaster Fracast-0 in plain torch: one block of a causal convolution, run at ten dilations.

As the code in its wheel has it (Apache-2.0), with the normalisation before it and after it. The attributes bear the
names under which the wheel's safetensors hold the weights.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import conv1d, pad, silu

from .seasons import CONTEXT, FUTURE, PERIODS, RECENCIES, Periodogram, phases, recency, repeated

WIDTH, HIDDEN, KERNEL = 64, 96, 3
STAGES, FUTURE_STAGES = 10, 6
SEED = 128  # steps of the context that the future's convolution begins with
SCALES = 4
LEVELS = tuple(f"{tenths / 10:.1f}" for tenths in range(1, 10))
LEAST_SPAN = 1e-5


class Convolution(nn.Module):
    """Each channel on its own, looking back `KERNEL - 1` times `dilation` steps."""

    def __init__(self) -> None:
        super().__init__()
        self.dw_weight = nn.Parameter(torch.empty(WIDTH, 1, KERNEL))
        self.dw_bias = nn.Parameter(torch.empty(WIDTH))

    def convolve(self, x: Tensor, dilation: int) -> Tensor:
        """float32 [batch, steps, WIDTH] to the same."""
        before = pad(x.transpose(1, 2), ((KERNEL - 1) * dilation, 0))
        return conv1d(before, self.dw_weight, self.dw_bias, dilation=dilation, groups=WIDTH).transpose(1, 2)


class SwiGLU(nn.Module):
    """A gated layer (Shazeer 2020)."""

    def __init__(self) -> None:
        super().__init__()
        self.up = nn.Linear(WIDTH, 2 * HIDDEN)
        self.down = nn.Linear(HIDDEN, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        """float32 [..., WIDTH] to the same."""
        gate, value = self.up(x).chunk(2, -1)
        y: Tensor = self.down(silu(gate) * value)
        return y


class Block(Convolution):
    """A convolution and a gated layer, each added to what came in and normalised."""

    def __init__(self) -> None:
        super().__init__()
        self.pw = nn.Linear(WIDTH, WIDTH)
        self.ffn = SwiGLU()
        self.norm1, self.norm2 = nn.RMSNorm(WIDTH), nn.RMSNorm(WIDTH)

    def forward(self, x: Tensor, dilation: int) -> Tensor:
        """As Convolution."""
        x = self.norm1(x + self.pw(self.convolve(x, dilation)))
        y: Tensor = self.norm2(x + self.ffn(x))
        return y


class Core(nn.Module):
    """A series and its periods to a state for each step."""

    scales: Tensor
    recency: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.in_proj = nn.Linear(2 + RECENCIES, WIDTH)
        self.periodic = nn.ModuleDict({"proj": nn.Linear(2 * PERIODS, WIDTH)})
        self.scale = nn.ModuleDict({"to_gb": nn.Linear(2 * SCALES, 2 * WIDTH)})
        self.block = Block()
        self.norm = nn.RMSNorm(WIDTH)
        angles = torch.arange(STAGES).unsqueeze(1) * math.pi / 2.0 ** torch.arange(SCALES, dtype=torch.float64)
        self.register_buffer("scales", torch.cat([angles.sin(), angles.cos()], 1).float(), persistent=False)
        self.register_buffer("recency", recency(0, CONTEXT), persistent=False)

    def forward(self, x: Tensor, observed: Tensor, periods: Tensor) -> Tensor:
        """float32 and boolean [batch, CONTEXT], int64 [batch, PERIODS] to float32 [batch, CONTEXT, WIDTH]."""
        now = self.recency.expand(x.shape[0], -1, -1)
        steps = torch.cat([x.unsqueeze(-1), observed.float().unsqueeze(-1), now], -1)
        h = self.in_proj(steps) + self.periodic["proj"](phases(periods))
        for stage in range(STAGES):
            factor, shift = self.scale["to_gb"](self.scales[stage]).chunk(2, -1)
            h = self.block(h * (1 + factor) + shift, 2**stage)
        y: Tensor = self.norm(h)
        return y


class Smoothing(Convolution):
    """A convolution over the future, added to what came in and normalised."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.RMSNorm(WIDTH)

    def forward(self, x: Tensor, dilation: int) -> Tensor:
        """As Convolution."""
        y: Tensor = self.norm(x + self.convolve(x, dilation))
        return y


class FutureStates(nn.Module):
    """The end of the context and a guess of the future to a state for each future step."""

    def __init__(self) -> None:
        super().__init__()
        self.in_proj = nn.Linear(1 + RECENCIES, WIDTH)
        self.block = Block()
        self.out_proj = nn.Linear(WIDTH, WIDTH)

    def forward(self, h: Tensor, guess: Tensor, now: Tensor) -> Tensor:
        """float32 [batch, CONTEXT, WIDTH], [batch, FUTURE], [batch, FUTURE, RECENCIES] to [batch, FUTURE, WIDTH]."""
        z = torch.cat([h[:, -SEED:], self.in_proj(torch.cat([guess.unsqueeze(-1), now], -1))], 1)
        for stage in range(FUTURE_STAGES):
            z = self.block(z, 2**stage)
        y: Tensor = self.out_proj(z[:, -FUTURE:])
        return y


class Head(nn.Module):
    """States of the context to quantiles of the future."""

    recency: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.summary_proj = nn.Linear(2 * WIDTH + RECENCIES, WIDTH)
        self.queries = nn.Parameter(torch.empty(FUTURE, WIDTH))
        self.decoder_ffns = nn.ModuleList([SwiGLU()])
        self.decoder_norms = nn.ModuleList([nn.RMSNorm(WIDTH)])
        self.fc_blocks = nn.ModuleList([Smoothing(), Smoothing()])
        self.future_conv = FutureStates()
        self.out_proj = nn.Linear(WIDTH, len(LEVELS))
        self.register_buffer("recency", recency(CONTEXT, CONTEXT + FUTURE), persistent=False)

    def forward(self, h: Tensor, guess: Tensor) -> Tensor:
        """float32 [batch, CONTEXT, WIDTH] and [batch, FUTURE] to [batch, FUTURE, levels]."""
        now = self.recency.expand(h.shape[0], -1, -1)
        summary = torch.cat([h.mean(1), h[:, -1]], -1).unsqueeze(1).expand(-1, FUTURE, -1)
        x = self.summary_proj(torch.cat([now, summary], -1)) + self.queries
        for gated, norm in zip(self.decoder_ffns, self.decoder_norms, strict=True):
            x = norm(x + gated(x))
        for stage, smoothing in enumerate(self.fc_blocks):
            x = smoothing(x, 2**stage)
        y: Tensor = self.out_proj(x + self.future_conv(h, guess, now))
        return y


class Forecaster(nn.Module):
    """Series to quantiles of their next 48 steps."""

    def __init__(self) -> None:
        super().__init__()
        self.core, self.head, self.periodogram = Core(), Head(), Periodogram()

    def forward(self, series: Tensor, observed: Tensor) -> Tensor:
        """float32 and boolean [batch, steps], at most CONTEXT, to float32 [batch, FUTURE, levels].

        What stands in a series where it was not observed is not looked at.
        """
        missing = CONTEXT - series.shape[1]
        series, observed = pad(series, (missing, 0)), pad(observed, (missing, 0), value=False)
        low = torch.where(observed, series, math.inf).amin(1, keepdim=True)
        high = torch.where(observed, series, -math.inf).amax(1, keepdim=True)
        span = (high - low).clamp(min=LEAST_SPAN)
        x = torch.where(observed, (series - low) / span, 0.0)
        mean = x.sum(1, keepdim=True) / observed.sum(1, keepdim=True).float()
        periods = self.periodogram(torch.where(observed, x, mean))
        quantiles = self.head(self.core(x, observed, periods), repeated(x, observed, mean, periods))
        y: Tensor = quantiles * span.unsqueeze(-1) + low.unsqueeze(-1)
        return y
