"""What was computed already, kept under a digest of everything that computed it."""

from __future__ import annotations

import hashlib
import importlib.metadata
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

from reperform.bench.machine import machine
from reperform.evidence.errors import ReperformError
from reperform.tests.equality.answer import Answer
from reperform.tests.equality.corpus import Model, Share

ROOT: Final = Path(__file__).parents[2]
_SOURCES: Final = (
    "evidence",
    "executor",
    "examples",
    "bench",
    "tests/equality",
    "tests/models",
    "tests/arithmetic/same",
)
_LIBRARIES: Final = ("torch", "numba", "numpy", "tokenizers", "safetensors")
_KEY: Final = re.compile(r"[0-9a-f]{64}")


def sources(root: Path = ROOT) -> str:
    """A digest of the sources, the libraries' versions and the processor: answers of others are not reused."""
    sha256 = hashlib.sha256()
    for path in sorted(path for folder in _SOURCES for path in (root / folder).rglob("*.py")):
        content = path.read_bytes()
        sha256.update(f"{path.relative_to(root)} {len(content)}\n".encode() + content)
    for name in _LIBRARIES:
        sha256.update(f"{name} {importlib.metadata.version(name)}\n".encode())
    sha256.update(f"{machine()['processor']} {machine()['system']} {machine()['python']}".encode())
    return sha256.hexdigest()


class EqualityError(ReperformError):
    """A comparison that could not be made."""


class State:
    """Pinned models and answers of the sources as they are now, in a folder named by their digest."""

    def __init__(self, folder: Path, sources: Callable[[], str] = sources) -> None:
        """Remove what other sources left."""
        self._sources, self.key = sources, sources()
        for other in folder.iterdir() if folder.exists() else ():
            if _KEY.fullmatch(other.name) and other.name != self.key:
                shutil.rmtree(other)
        self._folder = folder / self.key
        self.models = self._folder / "models"
        # An interpreter without an installed package finds the sources here.
        self.path = self._folder / "path"
        self.path.mkdir(parents=True, exist_ok=True)
        if not (self.path / "reperform").is_symlink():
            (self.path / "reperform").symlink_to(ROOT, target_is_directory=True)

    def pin(self, model: Model, wheels: Path) -> None:
        """Pin a model under `models`, if it is not there."""
        if not (self.models / model.name).exists():
            model.pin(self.models / model.name, wheels)

    def log(self, setting: str) -> Path:
        """Where a process under a setting may complain."""
        return self._folder / f"{_plain(setting)}.log"

    def kept(self, setting: str, model: str, share: Share) -> Answer | None:
        """The answer kept, if there is one."""
        path = self._file(setting, model, share)
        return Answer.from_json(path.read_text(encoding="utf-8")) if path.exists() else None

    def keep(self, setting: str, model: str, share: Share, answer: Answer) -> None:
        """Keep an answer, whole or not at all. Raises EqualityError if other sources may have given it."""
        if self._sources() != self.key:
            raise EqualityError("the sources changed while they ran", advice="start again")
        path = self._file(setting, model, share)
        partial = path.with_suffix(".partial")
        partial.write_text(answer.to_json(), encoding="utf-8")
        partial.replace(path)

    def _file(self, setting: str, model: str, share: Share) -> Path:
        return self._folder / f"{_plain(setting)}-{model}-{share}.json"


def _plain(setting: str) -> str:
    return re.sub(r"[^A-Za-z0-9=_.-]+", "+", setting)
