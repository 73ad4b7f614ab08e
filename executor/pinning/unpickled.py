"""The process that unpickles: confines itself, opens the file, and hands over data. confined.py starts and reads it.

Libraries are imported when they are needed: what is confined first is little.
"""

from __future__ import annotations

import importlib.util
import os
import pickle
import resource
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from ...evidence.errors import ReperformError
from .seccomp import confine
from .unpickle_request import Part, Request, flat

if TYPE_CHECKING:
    import torch

    from .recognise import Said

_TORCH: Final = (".pt", ".pth", ".bin")
# Unpickled, even a compressed file is seldom more; a hostile one fills no disk.
_GROWTH, _LEAST_BYTES = 16, 1 << 30


def main() -> None:
    """Do what standard input asks for."""
    tempfile.tempdir = str(Path.cwd())  # libraries want to know one; nothing will be written there
    confine()
    # The request comes from the process that started this one.
    request: Request = pickle.load(sys.stdin.buffer)  # noqa: S301
    _limit(request.path)

    def say(kind: type[BaseException], error: BaseException, _: TracebackType | None) -> None:
        text = error.cause if isinstance(error, ReperformError) else f"{kind.__name__}: {error}"
        from safetensors.numpy import save  # noqa: PLC0415

        _give(request, save({f"{Part.ERROR}/": _raw(text.encode(errors="replace"))}))

    sys.excepthook = say
    found = _unpickled(request.path)
    tensors = _weights(found) if request.said is None else _captured(found, request.said)
    _give(request, _serialized(tensors))


def _limit(path: Path) -> None:
    """Memory to what the machine has, and the result to what a file of this size may become."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    written = max(_LEAST_BYTES, _GROWTH * path.stat().st_size)
    for limit, most in ((resource.RLIMIT_AS, memory), (resource.RLIMIT_FSIZE, written), (resource.RLIMIT_CORE, 0)):
        resource.setrlimit(limit, (most, most))


def _unpickled(path: Path) -> Any:
    if path.suffix in _TORCH:
        import torch  # noqa: PLC0415

        return torch.load(path, map_location="cpu", weights_only=False)
    if importlib.util.find_spec("joblib") is not None:
        joblib = importlib.import_module("joblib")  # its files are not quite pickles; it reads those too
        return joblib.load(path)
    with path.open("rb") as file:
        return pickle.load(file)  # noqa: S301


def _weights(found: object) -> dict[str, torch.Tensor]:
    return {f"{Part.WEIGHT}/{name}": tensor for name, tensor in flat(found)}


def _captured(found: object, said: Said) -> dict[str, torch.Tensor]:
    """The model as data, and what its own library answers."""
    import torch  # noqa: PLC0415

    from ...evidence.documents import to_bytes  # noqa: PLC0415
    from ..graph_json import to_json  # noqa: PLC0415
    from ..model import GRAPH, MANIFEST  # noqa: PLC0415
    from ..preprocessing import encoder  # noqa: PLC0415
    from .pin import as_data, original_answer  # noqa: PLC0415
    from .recognise import from_object  # noqa: PLC0415

    candidate = from_object(found, said)
    made_by = encoder(candidate.input, candidate.files)
    manifest, graph, weights = as_data(candidate, made_by)
    files = {**candidate.files, MANIFEST: to_bytes(manifest), GRAPH: to_json(graph)}
    answers = [original_answer(candidate, made_by, one) for one in candidate.examples]
    return {
        **{f"{Part.WEIGHT}/{name}": tensor for name, tensor in weights.items()},
        **{f"{Part.FILE}/{name}": torch.from_numpy(_raw(data)) for name, data in files.items()},
        **{f"{Part.ANSWER}/{i}/{output}": t for i, outputs in enumerate(answers) for output, t in enumerate(outputs)},
        f"{Part.TOLERANCE}/": torch.tensor(candidate.tolerance, dtype=torch.float64),
    }


def _raw(data: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(data, np.uint8).copy()


def _serialized(tensors: dict[str, torch.Tensor]) -> bytes:
    """Copies: tensors may share memory, which safetensors does not hold."""
    import torch  # noqa: PLC0415
    from safetensors.torch import save  # noqa: PLC0415

    return save({name: t.detach().clone(memory_format=torch.contiguous_format) for name, t in tensors.items()})


def _give(request: Request, data: bytes) -> None:
    with os.fdopen(request.result, "wb") as file:
        file.write(data)


if __name__ == "__main__":
    main()
