"""Pins the speech detector Silero VAD from the wheel that carries it (309,633 parameters, MIT)."""

from __future__ import annotations

import argparse
import io
import wave
from pathlib import Path
from typing import Final

import numpy as np
import torch

from ...evidence.digest import Digest
from ...evidence.inputs import AudioInput
from ...evidence.rules import Threshold
from ...evidence.values import Audio
from ...executor.pinning.candidate import Candidate
from ...executor.pinning.pin import pin
from ..wheels import CACHE, member, take
from .model import CHUNK, RATE, SpeechDetector

WHEEL: Final = ("silero_vad", "6.2.3", "7b7f5436cfcb02fae583a05b512ea96467fd449fe54cb49a5e4f06c51a1e43b8")
# A sentence read aloud, 0.9 s at 16 kHz (MIT).
_SPEECH: Final = ("amfm_decompy", "1.0.12.2", "61387a0c96ca98f3d25d2996e7ba96c044a7f537984d84c462f5f17a9d00b597")

# The ONNX files hold the weights that the library runs; its safetensors hold those of an earlier version.
WEIGHTS: Final = "silero_vad/data/silero_vad_16k_op15.onnx"
# As the weights are called there, and in the module.
NAMES: Final = {
    "stft.forward_basis_buffer": "spectrum.weight",
    **{f"encoder.{i}.reparam_conv.{part}": f"encoder.{i}.{part}" for i in range(4) for part in ("weight", "bias")},
    **{f"decoder.rnn.{part}": f"rnn.{part}_l0" for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")},
    **{f"decoder.decoder.2.{part}": f"decoder.{part}" for part in ("weight", "bias")},
}

RULE: Final = Threshold(at="0.5", at_or_above="speech", below="no speech")
# More than one chunk: torch.export would take a single one for the only case.
LEAST, MOST = CHUNK + 1, 30 * RATE


def published(name: str, cache: Path = CACHE) -> bytes:
    """A file of the model as it was published. Raises WheelError."""
    return member(take(*WHEEL, cache), name)


def native(cache: Path = CACHE) -> SpeechDetector:
    """The detector as a torch module with its published weights. Raises WheelError."""
    import onnx  # noqa: PLC0415  # who only wants the examples, or a pinned detector, does without

    stored = onnx.load_from_string(published(WEIGHTS, cache)).graph.initializer
    # Copies: torch warns of arrays that cannot be written to.
    weights = {t.name.removeprefix("model."): torch.tensor(onnx.numpy_helper.to_array(t)) for t in stored}
    module = SpeechDetector()
    module.load_state_dict({NAMES[name]: weight for name, weight in weights.items()})
    return module.eval()


def speech(cache: Path = CACHE) -> Audio:
    """Real speech. Raises WheelError."""
    with wave.open(io.BytesIO(member(take(*_SPEECH, cache), "amfm_decompy/sample.wav"))) as file:
        return Audio(file.getframerate(), file.readframes(file.getnframes()))


def noise(samples: int = 2 * RATE, seed: int = 0) -> Audio:
    """Quiet white noise."""
    drawn = np.random.default_rng(seed).normal(0, 300, samples)
    return Audio(RATE, drawn.astype("<i2").tobytes())


def detector(cache: Path = CACHE) -> Candidate:
    """The detector, ready to be pinned. Raises WheelError."""
    return Candidate(
        name="silero-vad-16k",
        module=native(cache),
        examples=[speech(cache), noise()],
        input=AudioInput(RATE, LEAST, MOST, divisor="32768.0"),
        outputs=["highest", "probabilities"],
        rule=RULE,
    )


def pin_detector(directory: Path, cache: Path = CACHE) -> Digest:
    """Pin the detector into the new folder `directory`; returns the model id. Raises ReperformError."""
    return pin(detector(cache), directory)


def main() -> None:
    """Pin the speech detector."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("directory", type=Path, help="a new folder for the pinned model")
    print(pin_detector(parser.parse_args().directory))


if __name__ == "__main__":
    main()
