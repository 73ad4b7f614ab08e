"""The same bits under every instruction set, number of threads and mode of the matrix library."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import torch
from reperform.tests.arithmetic.same import battery

SETTINGS = {
    "as it comes": {},
    "baseline, 1 thread": {"ATEN_CPU_CAPABILITY": "default", "OMP_NUM_THREADS": "1"},
    "AVX2, 2 threads": {"ATEN_CPU_CAPABILITY": "avx2", "OMP_NUM_THREADS": "2"},
    "AVX-512, 1 thread": {"ATEN_CPU_CAPABILITY": "avx512", "OMP_NUM_THREADS": "1"},
    "MKL compatible, 2 threads": {"MKL_CBWR": "COMPATIBLE", "OMP_NUM_THREADS": "2"},
}
# torch falls back to what the machine has, so that fewer than these may differ; never fewer than two do on x86-64.
_ON_X86 = "AVX2" in torch.backends.cpu.get_cpu_capability() or "AVX512" in torch.backends.cpu.get_cpu_capability()

Report = dict[str, dict[str, str]]


@pytest.fixture(scope="module")
def reports() -> dict[str, Report]:
    plain = {k: v for k, v in os.environ.items() if k not in {"ATEN_CPU_CAPABILITY", "OMP_NUM_THREADS", "MKL_CBWR"}}
    processes = {
        label: subprocess.Popen(
            [sys.executable, str(battery.__file__)], env={**plain, **setting}, stdout=subprocess.PIPE, text=True
        )
        for label, setting in SETTINGS.items()
    }
    outputs = {label: process.communicate(timeout=300)[0] for label, process in processes.items()}
    assert [process.returncode for process in processes.values()] == [0] * len(SETTINGS)
    return {label: json.loads(output) for label, output in outputs.items()}


@pytest.mark.parametrize("name", sorted(battery.battery(battery.NATIVE)))
def test_portable_bits_are_the_same(reports: dict[str, Report], name: str) -> None:
    assert len({report["portable-1"][name] for report in reports.values()}) == 1


@pytest.mark.skipif(not _ON_X86, reason="the settings change nothing on a processor without AVX2")
def test_native_bits_are_not(reports: dict[str, Report]) -> None:
    """The control: if this fails, the settings no longer reach torch and the test above shows nothing."""
    different = {n for n in battery.battery(battery.NATIVE) if len({r["native"][n] for r in reports.values()}) > 1}
    assert {"encoder layer", "linear", "layer_norm"} <= different
