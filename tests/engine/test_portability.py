"""The same bits in separate processes: few rows of `make equality`, under few of its settings and some mixed ones."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from reperform.tests.equality.answer import Answer
from reperform.tests.equality.compare import compare, differences
from reperform.tests.equality.corpus import Share
from reperform.tests.equality.processes import Processes
from reperform.tests.equality.settings import Setting
from reperform.tests.equality.state import State

MODELS = ("mortgage-scorer", "sentence-encoder")
REFERENCE, FLOAT64, INT16 = (
    {"REPERFORM_KERNELS": "reference"},
    {"REPERFORM_KERNELS": "cpu", "REPERFORM_PRODUCT": "float64"},
    {"REPERFORM_KERNELS": "cpu", "REPERFORM_PRODUCT": "int16"},
)
SETTINGS = (
    Setting(REFERENCE | {"ATEN_CPU_CAPABILITY": "default", "OMP_NUM_THREADS": "1"}),
    Setting(REFERENCE | {"ATEN_CPU_CAPABILITY": "avx512", "OMP_NUM_THREADS": "2"}),
    Setting(REFERENCE | {"ATEN_CPU_CAPABILITY": "avx2", "OMP_NUM_THREADS": "2", "MKL_CBWR": "COMPATIBLE"}),
    Setting(FLOAT64 | {"ATEN_CPU_CAPABILITY": "default", "OMP_NUM_THREADS": "2"}),
    Setting(FLOAT64 | {"ATEN_CPU_CAPABILITY": "avx2", "OMP_NUM_THREADS": "1"}),
    Setting(INT16 | {"ATEN_CPU_CAPABILITY": "avx512", "OMP_NUM_THREADS": "2"}),
    Setting({}),
)

# Loaded before anything else: one bit of one function.
BROKEN = """
import reperform.executor.arithmetic.reference as reference, torch
right = reference.sigmoid
def wrong(x):
    y = right(x).view(torch.int32)
    y.view(-1)[-1] ^= y.numel() == 256
    return y.view(torch.float32)
reference.sigmoid = wrong
"""

Answers = Callable[[Setting], dict[str, Answer]]


@pytest.fixture(scope="session")
def processes(once: Any, mortgage: Path, encoder: Path, wheels: Path) -> Processes:
    def prepare(folder: Path) -> None:
        models = State(folder, lambda: "now").models
        models.mkdir()
        for name, pinned in zip(MODELS, (mortgage, encoder), strict=True):
            (models / name).symlink_to(pinned)

    return Processes(State(once("equality", prepare), lambda: "now"), wheels)


@pytest.fixture(scope="session")
def answers(once: Any, processes: Processes) -> Answers:
    """What a fresh process answers under a setting, computed by one worker."""

    def of(setting: Setting) -> dict[str, Answer]:
        def compute(mark: Path) -> None:
            assert len(list(processes.answers(setting, MODELS, Share.FEW))) == len(MODELS)
            mark.touch()

        once(f"answers-{SETTINGS.index(setting)}", compute)
        return dict(processes.answers(setting, MODELS, Share.FEW))

    return of


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_every_row_has_the_same_bits(setting: Setting, answers: Answers) -> None:
    here, first = answers(setting), answers(SETTINGS[0])
    for model in MODELS:
        assert list(differences(model, first[model], str(setting), here[model])) == []


def test_rows_were_compared_and_native_torch_gives_others(answers: Answers) -> None:
    """The control: without it, the test above could pass because nothing ever differs."""
    found = {str(setting): answers(setting)["sentence-encoder"] for setting in SETTINGS}
    compared = compare("sentence-encoder", found)
    assert compared.rows == len(SETTINGS) * (4 + 2) - 4
    assert compared.traces == len(SETTINGS) - 1
    assert compared.native_digests > 1
    assert compared.native_rows_differing > 0


def test_one_wrong_bit_is_found_and_named(processes: Processes, answers: Answers, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(BROKEN)
    path = os.pathsep.join([str(tmp_path), str(processes.state.path)])
    broken = Setting(REFERENCE | {"PYTHONPATH": path})
    ((name, answer),) = processes.answers(broken, MODELS[:1], Share.FEW)
    (found,) = differences(name, answers(SETTINGS[0])[name], "a broken kernel", answer)
    assert found.place == "the first 256 inputs in batches of 256, row 255"
    assert str(found).startswith(f"mortgage-scorer, {found.place}, under a broken kernel: {found.found[:16]} instead")
