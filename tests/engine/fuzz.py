"""Fuzzer of pinned models: whatever is in them, loading and running ends well or with one of our errors.

`python -m reperform.tests.engine.fuzz --minutes 10 --seed 1 --keep FOLDER`. Mutated models are loaded and run, one
after the other, in a process of their own with little memory. A crash, any other exception, and an answer that
takes more than LONGEST seconds are findings; their models are kept in FOLDER.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import resource
import selectors
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from reperform.evidence.errors import ReperformError
from reperform.executor.model import PinnedModel
from reperform.tests.engine.mutations import Files, mutated
from reperform.tests.engine.small_models import an_input, models, write

LONGEST: Final = 20.0  # seconds of computing
PATIENCE: Final = 6  # times that, of waiting on a busy machine
MEMORY: Final = 1 << 30  # bytes that a model may take beyond what the process holds


@dataclass(frozen=True, slots=True)
class Finding:
    """A model that did what none may."""

    seed: int
    files: Files
    what: str


class Victim:
    """The process that loads and runs."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def outcome(self, folder: Path) -> str:
        """What came of it: "ran", "refused: …", or what went wrong. A process that dies is replaced."""
        self._process = process = self._process or self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(f"{folder}\n")
            process.stdin.flush()
        answers = _answers(process)
        if answers and (line := process.stdout.readline()):
            return str(json.loads(line))
        self.close()
        return f"the process ended with {process.returncode}" if answers else "it hangs"

    def kill(self) -> None:
        """Let the process die, as by a model."""
        if self._process is not None:
            self._process.kill()

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    @staticmethod
    def _started() -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "reperform.tests.engine.fuzz", "--victim"]
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert process.stdout is not None
        process.stdout.readline()  # it is ready
        return process


def _answers(process: subprocess.Popen[str]) -> bool:
    """Whether it says something, or ends, in time."""
    start = _computed(process)
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)  # type: ignore[arg-type]
        for _ in range(PATIENCE):
            if selector.select(LONGEST):
                return True
            if _computed(process) - start > LONGEST:
                return False
    return False


def _computed(process: subprocess.Popen[str]) -> float:
    """Seconds of computing, by all threads: fields 14 and 15 of proc_pid_stat(5)."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def fuzz(victim: Victim, seeds: Iterator[int], until: float, counts: Counter[str]) -> Iterator[Finding]:
    """What is found from these seeds until a time on the monotonic clock; `counts` gathers the outcomes."""
    bases = sorted(models().items())
    with tempfile.TemporaryDirectory() as scratch:
        for seed in seeds:
            if time.monotonic() > until:
                return
            chance = random.Random(seed)  # noqa: S311
            kind, files = chance.choice(bases)
            files = mutated(files, chance)
            folder = write(files, Path(scratch) / f"{kind}-{seed}")
            outcome = victim.outcome(folder)
            shutil.rmtree(folder)
            ours = outcome == "ran" or outcome.startswith("refused")
            counts[outcome.partition(":")[0] if ours else "findings"] += 1
            if not ours:
                yield Finding(seed, files, outcome)


def _victim() -> None:
    import torch

    torch.set_num_threads(1)
    for files in models().values():  # all that a model needs is loaded now
        with tempfile.TemporaryDirectory() as scratch:
            _attempt(write(files, Path(scratch) / "model"))
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(_attempt(Path(line.strip()))), flush=True)


def _attempt(folder: Path) -> str:
    try:
        model = PinnedModel.load(folder)
        one = an_input(model.manifest.input)
        if one is not None:
            model.run([one, one])
    except ReperformError as error:
        text = str(error)
        if "\n" in text or len(text) > 1000 or not text.isprintable():
            return f"an error that is not one short printable line: {text!r:.300}"
        return f"refused: {text}"
    except BaseException as error:  # noqa: BLE001  # also what is raised past Exception
        return f"{type(error).__module__}.{type(error).__name__}: {' '.join(str(error).split()):.300}"
    return "ran"


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path("findings"))
    parser.add_argument("--victim", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.victim:
        _victim()
        return
    counts: Counter[str] = Counter()
    seeds = iter(range(given.seed, sys.maxsize))
    victim = Victim()
    for finding in fuzz(victim, seeds, time.monotonic() + 60 * given.minutes, counts):
        print(f"seed {finding.seed}: {finding.what}", flush=True)
        if not (given.keep / str(finding.seed)).exists():
            write(finding.files, given.keep / str(finding.seed))
    victim.close()
    print(dict(counts))
    sys.exit(1 if counts["findings"] else 0)


if __name__ == "__main__":
    _main()
