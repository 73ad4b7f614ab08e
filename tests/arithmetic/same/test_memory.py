"""The memory of intermediate values is kept between runs of a model, not given back and zeroed again."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource
import torch
from reperform.executor.arithmetic import kernels
kernels.serving(torch.empty(0))
for _ in range(4):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    values = [torch.ones(1 << 21) for _ in range(4)]
    del values
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be asked")
def test_a_model_that_runs_again_asks_the_kernel_for_no_memory() -> None:
    done = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 1000  # 32 MiB are 8,192 pages
