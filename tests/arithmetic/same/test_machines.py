"""The same bits under every instruction set, number of threads and mode of the matrix library."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import torch
from reperform.tests.arithmetic.same import battery

SETTINGS = {
    "as it comes": {},
    "baseline, 1 thread": {"ATEN_CPU_CAPABILITY": "default", "OMP_NUM_THREADS": "1"},
    "AVX2, 2 threads": {"ATEN_CPU_CAPABILITY": "avx2", "OMP_NUM_THREADS": "2"},
    "AVX-512, 1 thread": {"ATEN_CPU_CAPABILITY": "avx512", "OMP_NUM_THREADS": "1"},
    "MKL compatible, 2 threads": {"MKL_CBWR": "COMPATIBLE", "OMP_NUM_THREADS": "2"},
}
# torch falls back to what the machine has.
_ON_X86 = "AVX2" in torch.backends.cpu.get_cpu_capability() or "AVX512" in torch.backends.cpu.get_cpu_capability()

Report = dict[str, dict[str, str]]


def reports() -> dict[str, Report]:
    """What battery.py prints under each setting; the processes run side by side."""
    plain = {k: v for k, v in os.environ.items() if k not in {"ATEN_CPU_CAPABILITY", "OMP_NUM_THREADS", "MKL_CBWR"}}
    command = [sys.executable, str(battery.__file__)]
    processes = {
        label: subprocess.Popen(command, env={**plain, **setting}, stdout=subprocess.PIPE, text=True)
        for label, setting in SETTINGS.items()
    }
    outputs = {label: process.communicate(timeout=300)[0] for label, process in processes.items()}
    assert {label: process.returncode for label, process in processes.items()} == dict.fromkeys(SETTINGS, 0)
    return {label: json.loads(output) for label, output in outputs.items()}


def test_portable_bits_are_the_same_and_native_bits_are_not() -> None:
    found = reports()

    def different(arithmetic: str) -> set[str]:
        names = found["as it comes"][arithmetic]
        return {name for name in names if len({report[arithmetic][name] for report in found.values()}) > 1}

    assert different("portable-1") == set()
    # The control: if this fails, the settings no longer reach torch, and the line above shows nothing.
    if _ON_X86:  # elsewhere the settings change nothing
        assert {"encoder layer", "linear", "layer_norm"} <= different("native")
