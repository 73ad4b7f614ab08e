"""Real models of sounds, series and images: near their own libraries' answers, with the same bits everywhere."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from reperform.evidence.values import Audio, Image, Input, Tensors
from reperform.examples.digits.data import SIDE
from reperform.examples.digits.train import SPEC
from reperform.examples.forecaster.pin import WHEEL as FORECASTER
from reperform.examples.speech_detector.model import CHUNK, RATE
from reperform.examples.speech_detector.pin import WHEEL as SPEECH_DETECTOR
from reperform.examples.wheels import member, take
from reperform.executor.model import Folder, PinnedModel
from reperform.executor.pinning.pin import pin
from reperform.tests.equality.settings import CLEARED, Setting
from reperform.tests.real_models.sound_and_image import MODELS, numbers

WHEELS = Path(__file__).parents[2] / ".cache" / "wheels"
Original = Callable[[Input], np.ndarray]

SETTINGS = (
    Setting({"REPERFORM_KERNELS": "reference", "ATEN_CPU_CAPABILITY": "default", "OMP_NUM_THREADS": "1"}),
    Setting({"REPERFORM_KERNELS": "reference", "ATEN_CPU_CAPABILITY": "avx512", "OMP_NUM_THREADS": "2"}),
    Setting({"REPERFORM_KERNELS": "cpu", "ATEN_CPU_CAPABILITY": "avx2", "OMP_NUM_THREADS": "1"}),
    Setting({"REPERFORM_KERNELS": "cpu", "ATEN_CPU_CAPABILITY": "avx512", "OMP_NUM_THREADS": "2"}),
    Setting({"REPERFORM_KERNELS": "cpu", "ATEN_CPU_CAPABILITY": "default", "OMP_NUM_THREADS": "2"}),
)


@pytest.fixture(scope="module", params=MODELS)
def pinned(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    folder = tmp_path_factory.mktemp("models") / request.param
    pin(MODELS[request.param].candidate(WHEELS), folder)
    return request.param, folder


def speech_detector(_: Path) -> Original:
    """The TorchScript that the library runs, one chunk after another.

    Loading it runs no Python of its author's, but an interpreter that is not made for hostile files: here alone.
    """
    load: Callable[..., Any] = torch.jit.load
    module = load(io.BytesIO(member(take(*SPEECH_DETECTOR, WHEELS), "silero_vad/data/silero_vad.jit")))

    def answer(one: Input) -> np.ndarray:
        assert isinstance(one, Audio)
        x = torch.frombuffer(bytearray(one.samples), dtype=torch.int16).float() / 2**15
        x = torch.nn.functional.pad(x, (0, -len(x) % CHUNK))
        module.reset_states()
        with torch.no_grad():
            chunks = [module(chunk[None], RATE).item() for chunk in torch.split(x, CHUNK)]
        return np.array(chunks, np.float32)

    return answer


def forecaster(folder: Path) -> Original:
    """The code in the wheel."""
    with zipfile.ZipFile(take(*FORECASTER, WHEELS)) as wheel:
        wheel.extractall(folder)
    sys.path.insert(0, str(folder))
    try:
        from fracast.inference import FracastModel  # type: ignore[import-not-found]
    finally:
        sys.path.remove(str(folder))
    model = FracastModel.from_pretrained(weights="fp32")

    def answer(one: Input) -> np.ndarray:
        assert isinstance(one, Tensors)
        series, mask = one.tensors
        values, observed = np.frombuffer(series.data, "<f4"), np.frombuffer(mask.data, np.bool_)
        result: np.ndarray = model.forecast(np.where(observed, values, np.nan))
        return result

    return answer


def digit_reader(folder: Path) -> Original:
    """Native torch, with the weights of the first training."""
    module = MODELS["digit-reader"].module().eval()
    module.load_state_dict(Folder(folder.parent / "digit-reader").tensors(), strict=False)

    def answer(one: Input) -> np.ndarray:
        assert isinstance(one, Image)
        x = torch.frombuffer(bytearray(one.pixels), dtype=torch.uint8).reshape(1, 1, SIDE, SIDE).double()
        x = (x / float(SPEC.divisor) - float(SPEC.mean[0])) / float(SPEC.scale[0])
        with torch.no_grad():
            result: np.ndarray = module(x.float())[0].numpy()
        return result

    return answer


ORIGINALS = {"speech-detector": speech_detector, "forecaster": forecaster, "digit-reader": digit_reader}


@pytest.mark.filterwarnings("ignore:.torch.jit.load. is deprecated")
def test_every_answer_is_near_the_librarys(pinned: tuple[str, Path]) -> None:
    name, folder = pinned
    model, original = PinnedModel.load(folder), ORIGINALS[name](folder.parent / "library")
    largest = 0.0
    for one, output in zip(inputs := MODELS[name].inputs(WHEELS), model.run(inputs), strict=True):
        expected, found = original(one), numbers(output)[-1]
        assert found.shape == expected.shape
        largest = max(largest, float(np.abs(found - expected).max() / max(1.0, np.abs(expected).max())))
    print(f"{name}: {largest:.2g} of the largest number at most, over {len(inputs)} inputs")
    assert 0 < largest <= MODELS[name].tolerance


def answers(name: str, folder: Path, setting: Setting) -> tuple[str, str, str]:
    """The digests that a process prints under this setting."""
    environment = {key: value for key, value in os.environ.items() if key not in CLEARED}
    command = [sys.executable, "-m", "reperform.tests.real_models.sound_and_image", name, str(folder), str(WHEELS)]
    done = subprocess.run(
        command, env={**environment, **setting.variables}, check=True, stdout=subprocess.PIPE, text=True
    )
    alone, together, native = json.loads(done.stdout)
    return alone, together, native


def test_every_answer_has_the_same_bits_under_every_setting(pinned: tuple[str, Path]) -> None:
    found = {str(setting): answers(*pinned, setting) for setting in SETTINGS}
    ((first, *_), *_) = found.values()
    assert {key: value[:2] for key, value in found.items()} == dict.fromkeys(found, (first, first))
    # The control: the settings reach native torch.
    assert len({native for _, _, native in found.values()}) > 1
