"""The demonstration's folder, made once by `reperform demo` and shared by all workers of a run."""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from reperform.tests.cli.run import ROOT, reperform


@dataclass(frozen=True)
class Demo:
    """What the demonstration printed and left behind."""

    home: Path
    printed: dict[str, Any]

    @property
    def folder(self) -> Path:
        return self.home / "demo"


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    base = tmp_path_factory.getbasetemp()
    home = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "demonstration"
    with home.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / "printed.json").exists():
            (home / ".cache").mkdir(parents=True, exist_ok=True)
            (ROOT / ".cache" / "wheels").mkdir(parents=True, exist_ok=True)
            (home / ".cache" / "wheels").symlink_to(ROOT / ".cache" / "wheels")
            done = reperform("demo", "--json", at=home)
            assert done.returncode == 0, done.stderr
            (home / "printed.json").write_text(done.stdout)
    return Demo(home, json.loads((home / "printed.json").read_text()))
