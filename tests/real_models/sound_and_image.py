"""The real models of sounds, series and images, their inputs, and a process that says what they answer.

`python -m reperform.tests.real_models.sound_and_image NAME FOLDER WHEELS` prints three digests as JSON: of the outputs
of the model pinned in FOLDER for each input alone, for all together, and of what native torch answers.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from reperform.evidence.documents import to_bytes
from reperform.evidence.values import Audio, Input, Output
from reperform.examples.digits.data import digits
from reperform.examples.digits.model import ResidualNetwork
from reperform.examples.digits.train import TRAINED_ON, reader
from reperform.examples.forecaster.model import Forecaster
from reperform.examples.forecaster.pin import accidents, forecaster, series
from reperform.examples.speech_detector.model import RATE, SpeechDetector
from reperform.examples.speech_detector.pin import LEAST, MOST, detector, noise, speech
from reperform.executor.model import Folder, PinnedModel
from reperform.executor.pinning.candidate import Candidate


@dataclass(frozen=True, slots=True)
class RealModel:
    """`candidate` and `inputs` are given where wheels are kept, `module` takes the weights.

    tolerance: largest difference from its own library, as a share of the largest number in an output, or of 1.
    """

    candidate: Callable[[Path], Candidate]
    module: Callable[[], torch.nn.Module]
    inputs: Callable[[Path], Sequence[Input]]
    tolerance: float


def _sounds(wheels: Path) -> list[Input]:
    spoken = speech(wheels)
    loud = np.clip(np.frombuffer(spoken.samples, "<i2").astype(int) * 20, -(2**15), 2**15 - 1).astype("<i2")
    return [
        spoken,
        noise(),
        Audio(RATE, bytes(2 * RATE)),
        Audio(RATE, loud.tobytes()),
        Audio(RATE, spoken.samples[: 2 * LEAST]),
        Audio(RATE, ((spoken.samples + noise(5000).samples) * 30)[: 2 * MOST]),
    ]


def _series(wheels: Path) -> list[Input]:
    rng = np.random.default_rng(0)
    steps = np.arange(3000)
    daily = 100 + 10 * np.sin(steps * (2 * np.pi / 24)) + 3 * np.sin(steps * (2 * np.pi / 7)) + rng.normal(0, 1, 3000)
    kinds = list(accidents(wheels).values())
    gaps = [None if i % 5 == 2 else number for i, number in enumerate(kinds[0])]
    made = [daily[:2048].tolist(), daily[:2047].tolist(), daily[:8].tolist(), [7.0] * 100, (daily[:500] * 1e6).tolist()]
    return [series(numbers) for numbers in (*kinds, gaps, *made)]


def _reader(wheels: Path) -> Candidate:
    return reader(cache=wheels)


MODELS = {
    "speech-detector": RealModel(detector, SpeechDetector, _sounds, 5e-5),
    "forecaster": RealModel(forecaster, Forecaster, _series, 1e-5),
    "digit-reader": RealModel(_reader, ResidualNetwork, lambda wheels: digits(wheels)[0][TRAINED_ON:], 1e-5),
}


def numbers(output: Output) -> list[np.ndarray]:
    """The tensors of an output."""
    return [np.frombuffer(tensor.data, "<f4").reshape(tensor.shape) for tensor in output.tensors]


def _digest(parts: Sequence[bytes]) -> str:
    return hashlib.sha256(b"".join(parts)).hexdigest()


def main() -> None:
    """See above."""
    name, folder, wheels = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    real, model = MODELS[name], PinnedModel.load(folder)
    inputs = real.inputs(wheels)
    alone = [to_bytes(model.run([one])[0]) for one in inputs]
    together = [to_bytes(output) for output in model.run(inputs)]
    native = real.module().eval()
    missing, _ = native.load_state_dict(Folder(folder).tensors(), strict=False)
    if not all(name.endswith("num_batches_tracked") for name in missing):
        raise ValueError(missing)
    with torch.no_grad():
        answers = [native(*model.tensors([one])) for one in inputs]
    parts = [part for answer in answers for part in (answer if isinstance(answer, tuple) else (answer,))]
    digests = (_digest(alone), _digest(together), _digest([part.numpy().tobytes() for part in parts]))
    print(json.dumps(digests))


if __name__ == "__main__":
    main()
