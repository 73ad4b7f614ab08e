"""Asks a confined process (unpickled.py) to unpickle a file, and reads what it gives, as any hostile file is read."""

from __future__ import annotations

import pickle
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import torch

from ..shards import WEIGHTS
from ..weights import read_weights
from .errors import PinError
from .unpickle_request import Part, Request

if TYPE_CHECKING:
    from .recognise import Said

# With its export a real model takes a minute or two; one that hangs should not hang for ever.
LIMIT_S: Final = 1800.0


def ask(path: Path, said: Said | None, limit_s: float) -> dict[str, torch.Tensor]:
    """What the process gave for a file. Raises PinError, WeightsError."""
    with tempfile.TemporaryDirectory(prefix="reperform-unpickle-") as scratch:
        result, empty = Path(scratch) / WEIGHTS, Path(scratch) / "empty"
        empty.mkdir()
        with result.open("wb") as file:
            request = pickle.dumps(Request(path.absolute(), said, file.fileno()))
            status = _run(request, file.fileno(), empty, limit_s)
        # Read when the process has ended, and nothing can change it any more.
        found = read_weights(result.parent) if result.stat().st_size else {}
    if (error := found.get(f"{Part.ERROR}/")) is not None:
        text = "".join(c if c.isprintable() else " " for c in raw(error).decode(errors="replace"))
        raise PinError(f"{path} cannot be taken over: {text:.300}")
    if status != 0 or not found:
        how = f"signal {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
        raise PinError(f"the process that unpickled {path} ended with {how}, and gave nothing")
    return found


def _run(request: bytes, result: int, empty: Path, limit_s: float) -> int:
    """The exit status. The process inherits `result` and no other open file, and nothing of the environment."""
    process = subprocess.Popen(
        [sys.executable, "-I", "-B", "-m", f"{__package__}.unpickled"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=empty,
        env={"TORCHINDUCTOR_CACHE_DIR": str(empty)},  # else torch makes one when it is imported
        pass_fds=(result,),
        start_new_session=True,
    )
    try:
        process.communicate(request, limit_s)
    except subprocess.TimeoutExpired as error:
        raise PinError(f"the process that unpickles was stopped after {limit_s:g} seconds") from error
    finally:
        process.kill()
        process.wait()
    return process.returncode


def part(found: Mapping[str, torch.Tensor], name: Part) -> dict[str, torch.Tensor]:
    """The tensors of one part, by the rest of their names."""
    return {key.removeprefix(f"{name}/"): tensor for key, tensor in found.items() if key.startswith(f"{name}/")}


def raw(tensor: torch.Tensor) -> bytes:
    """The bytes that a tensor holds. Raises PinError."""
    if tensor.dtype != torch.uint8:
        raise PinError("the process that unpickles gave numbers for bytes")
    return tensor.numpy().tobytes()
