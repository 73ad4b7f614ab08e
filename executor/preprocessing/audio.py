"""Sounds to float32 samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import torch

from ...evidence.inputs import BATCH, AudioInput
from ...evidence.values import Audio, DType
from ..refusal import InputError
from .encoder import REFUSED, Shape

SAMPLES: Final = "samples"


class AudioEncoder:
    """One float32 tensor [sounds, samples]."""

    takes = Audio
    at_once = 16

    def __init__(self, spec: AudioInput) -> None:
        self._spec = spec
        self._divisor = float(spec.divisor)
        fixed = spec.least == spec.most
        self.signature: tuple[tuple[DType, Shape], ...] = ((DType.F32, (BATCH, spec.most if fixed else SAMPLES)),)
        self.sizes: Mapping[str, tuple[int, int]] = {} if fixed else {SAMPLES: (spec.least, spec.most)}

    def alike(self, sound: Audio) -> int:
        """Sounds of one length run together: silence is a sound, so nothing is padded."""
        return len(sound.samples)

    def tensors(self, sounds: Sequence[Audio]) -> tuple[torch.Tensor, ...]:
        """The samples of sounds of one length. Raises InputError."""
        spec = self._spec
        for sound in sounds:
            if sound.rate != spec.rate:
                cause = f"the sound has {sound.rate} samples per second; the model takes {spec.rate}"
                raise InputError(cause, advice="resample it before committing to it")
            if not spec.least <= len(sound.samples) // 2 <= spec.most:
                cause = f"the sound has {len(sound.samples) // 2} samples; the model takes {spec.least} to {spec.most}"
                raise InputError(cause, advice=REFUSED)
        samples = np.stack([np.frombuffer(sound.samples, "<i2") for sound in sounds]).astype(np.float64)
        with np.errstate(over="ignore"):
            single = (samples / self._divisor).astype(np.float32)
        if not np.isfinite(single).all():
            raise InputError("the sound has a sample too large for the model", advice=REFUSED)
        return (torch.from_numpy(single),)
