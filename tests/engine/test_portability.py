"""The same bits in separate processes, on every instruction set, thread count and batch size."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SETTINGS = [
    {"ATEN_CPU_CAPABILITY": capability, "OMP_NUM_THREADS": threads}
    for capability, threads in itertools.product(("default", "avx2", "avx512"), ("1", "2"))
] + [{"ATEN_CPU_CAPABILITY": "avx2", "OMP_NUM_THREADS": "2", "MKL_CBWR": "COMPATIBLE"}]

Answers = Callable[[dict[str, str]], Any]


def _label(setting: dict[str, str]) -> str:
    return "-".join(setting.values())


@pytest.fixture(scope="session")
def answers(once: Any, mortgage: Path, encoder: Path, wheels: Path) -> Answers:
    """What a fresh process answers under a setting, computed once."""

    def run(setting: dict[str, str], path: Path) -> None:
        script = Path(__file__).with_name("answers.py")
        command = [sys.executable, str(script), str(mortgage), str(encoder), str(wheels)]
        # Passive: threads that spin while they wait take the core from the other test worker.
        environment = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE", **setting}
        done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE)
        path.write_bytes(done.stdout)

    def of(setting: dict[str, str]) -> Any:
        return json.loads(once(f"answers-{_label(setting)}.json", lambda path: run(setting, path)).read_bytes())

    return of


@pytest.mark.parametrize("setting", SETTINGS, ids=_label)
def test_both_models_give_the_same_bits(setting: dict[str, str], answers: Answers) -> None:
    here, first = answers(setting), answers(SETTINGS[0])
    for model in ("mortgage", "encoder"):
        assert here[model] == first[model]
        assert here[model]["alone"] == here[model]["batch"][: len(here[model]["alone"])]


def test_native_torch_does_not(answers: Answers) -> None:
    """The control: without it, the test above could pass because nothing ever differs."""
    native = [answers(setting)["native"] for setting in SETTINGS]
    first = {hashes[0] for one in native for hashes in (one["batch"], one["alone"])}
    assert len(first) > 1
