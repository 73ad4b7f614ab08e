"""The speech detector Silero VAD at 16 kHz in plain torch: a spectrum, four convolutions, an LSTM, a probability.

As its wheel's tinygrad_model.py has it, for a whole sound at once: each step of the LSTM is one chunk of 512 samples,
which the network sees behind the last 64 of the chunk before.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

RATE = 16_000
CHUNK, CONTEXT = 512, 64
WINDOW, HOP, BINS, WIDTH = 256, 128, 129, 128
REFLECTED = 64


class SpeechDetector(nn.Module):
    """Sounds to the probability of speech in each chunk of 32 ms."""

    def __init__(self) -> None:
        super().__init__()
        self.spectrum = nn.Conv1d(1, 2 * BINS, WINDOW, stride=HOP, bias=False)
        convolutions = (
            nn.Conv1d(BINS, 128, 3, padding=1),
            nn.Conv1d(128, 64, 3, stride=2, padding=1),
            nn.Conv1d(64, 64, 3, stride=2, padding=1),
            nn.Conv1d(64, WIDTH, 3, padding=1),
        )
        self.encoder = nn.ModuleList(convolutions)
        self.rnn = nn.LSTM(WIDTH, WIDTH, batch_first=True)
        self.decoder = nn.Conv1d(WIDTH, 1, 1)

    def forward(self, samples: Tensor) -> tuple[Tensor, Tensor]:
        """float32 [batch, samples] from -1 to 1 to the highest probability [batch], and all of them [batch, chunks].

        The last chunk is filled with silence.
        """
        chunks = -(-samples.shape[1] // CHUNK)
        filled = pad(samples, (CONTEXT, chunks * CHUNK - samples.shape[1]))
        # [batch, chunks, CONTEXT + CHUNK], then one chunk a row, mirrored at its end.
        rows = filled.unfold(1, CONTEXT + CHUNK, CHUNK).flatten(0, 1)
        rows = torch.cat([rows, rows[:, -1 - REFLECTED : -1].flip(1)], 1)
        parts = self.spectrum(rows.unsqueeze(1))
        x = (parts[:, :BINS] * parts[:, :BINS] + parts[:, BINS:] * parts[:, BINS:]).sqrt()
        for convolution in self.encoder:
            x = convolution(x).relu()
        hidden, _ = self.rnn(x.squeeze(-1).unflatten(0, (-1, chunks)))
        probabilities = self.decoder(hidden.relu().transpose(1, 2)).sigmoid().squeeze(1)
        return probabilities.amax(1), probabilities
