"""What a bench ran on: printed with every figure, because no figure means anything without it."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch
from reperform.executor.arithmetic import kernels


def machine() -> dict[str, str | int]:
    """Processor, cores, threads and versions, and which loops serve there."""
    serving = kernels.serving(torch.empty(0))
    return {
        "processor": _processor(),
        "cores": os.cpu_count() or 0,
        "threads": torch.get_num_threads(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numba": _numba(),
        "kernels": serving.NAME,
        "product": product(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def product() -> str:
    """The exact product that serves in this process; the reference has but one."""
    serving = kernels.serving(torch.empty(0))
    return serving.NAME if serving.NAME == "reference" else serving.product()


def _numba() -> str:
    try:
        return version("numba")
    except PackageNotFoundError:
        return "not installed"


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux; the general name has to do
    return platform.processor() or "unknown"
