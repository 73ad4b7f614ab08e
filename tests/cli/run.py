"""Runs the command as a user does: a process, its exit status, its two streams."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def reperform(*arguments: str | Path, at: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `reperform` in the folder `at`."""
    command = [sys.executable, "-m", "reperform.cli.main", *map(str, arguments)]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200", **environment}
    return subprocess.run(command, cwd=at, env=env, capture_output=True, text=True, check=False, timeout=120)


def refused(done: subprocess.CompletedProcess[str], status: int = 2) -> str:
    """The reason of a refusal: its exit status, one line on stderr, nothing on stdout."""
    assert done.returncode == status, (done.returncode, done.stdout, done.stderr)
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr.removeprefix("error: ").strip()
