"""One process for each setting: what it needs, how it is started, and what it answers."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import llvmlite.binding as llvm
import torch
from reperform.tests.equality.answer import Answer
from reperform.tests.equality.corpus import Share
from reperform.tests.equality.settings import CLEARED, Machine, Setting
from reperform.tests.equality.state import EqualityError, State


@dataclass(frozen=True, slots=True)
class Processes:
    """How processes are started here. `emulator` is a command that runs Python as on arm64."""

    state: State
    wheels: Path
    emulator: Path | None = None

    def missing(self, setting: Setting) -> str | None:
        """Why a setting cannot be tried here."""
        if setting.on is Machine.X86 and platform.machine() not in {"x86_64", "AMD64"}:
            return f"this is a {platform.machine()} processor"
        if lacking := sorted(feature for feature in setting.needs if not llvm.get_host_cpu_features().get(feature)):
            return f"the processor has no {lacking[0]}"
        if setting.on is Machine.ARM64 and self.emulator is None:
            return "no emulator was named"
        if setting.on is Machine.CUDA and not torch.cuda.is_available():
            return "no device"
        return None

    def answers(self, setting: Setting, models: Sequence[str], share: Share) -> Iterator[tuple[str, Answer]]:
        """Each model's answer, kept or computed now, as it comes. Raises EqualityError."""
        kept = {name: self.state.kept(str(setting), name, share) for name in models}
        yield from ((name, answer) for name, answer in kept.items() if answer)
        wanted = [name for name, answer in kept.items() if not answer]
        if not wanted:
            return
        device = "cuda" if setting.on is Machine.CUDA else "cpu"
        python = sys.executable if setting.on is not Machine.ARM64 else str(self.emulator)
        folders = (str(self.state.models.absolute()), str(self.wheels.absolute()))
        command = [python, "-m", "reperform.tests.equality.answer", *folders, share, device, *wanted]
        log = self.state.log(str(setting))
        with (
            log.open("w") as errors,
            subprocess.Popen(
                command, env=self._environment(setting), stdout=subprocess.PIPE, stderr=errors, text=True
            ) as process,
        ):
            try:
                for name, line in zip(tuple(wanted), process.stdout or (), strict=False):
                    answer = Answer.from_json(line)
                    self.state.keep(str(setting), name, share, answer)
                    wanted.remove(name)
                    yield name, answer
            except BaseException:
                process.terminate()
                raise
        if wanted:
            lines = log.read_text(encoding="utf-8").splitlines() or ["nothing said"]
            raise EqualityError(f"{setting}: no answer for {wanted[0]}: {lines[-1]:.300}", advice=f"read {log}")

    def _environment(self, setting: Setting) -> dict[str, str]:
        plain = {name: value for name, value in os.environ.items() if name not in CLEARED}
        # Passive: a thread that spins while it waits takes the core from the process beside it.
        return {
            **plain,
            "PYTHONPATH": str(self.state.path.absolute()),
            "OMP_WAIT_POLICY": "PASSIVE",
            **setting.variables,
        }
