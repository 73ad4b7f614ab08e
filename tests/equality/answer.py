"""What this process computes, as JSON, one line for each model: run under one setting of the machine.

python -m reperform.tests.equality.answer MODELS_FOLDER WHEELS_FOLDER full|few DEVICE MODEL...
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Final, Self

import torch
from reperform.bench.machine import machine
from reperform.evidence.values import Input
from reperform.executor.arithmetic.kernels import serving
from reperform.executor.graph_json import from_json
from reperform.executor.interpreter import Program
from reperform.executor.model import GRAPH, PinnedModel, portable_program
from reperform.executor.tensors import little_endian, widened
from reperform.executor.trace import Trace
from reperform.executor.weights import load_weights
from reperform.tests.equality.corpus import MODELS, Pass, Share
from torch import Tensor, nn

Served = dict[str, str | int]
Rows = dict[str, list[str]]  # by pass, a digest for each input
Batches = Iterator[tuple[Tensor, ...]]

# Variables whose effect a process can see. Of the others, native torch's bits tell.
REACHES: Final = {
    "ATEN_CPU_CAPABILITY": "capability",
    "OMP_NUM_THREADS": "threads",
    "REPERFORM_KERNELS": "kernels",
    "REPERFORM_PRODUCT": "product",
    "NUMBA_CPU_NAME": "compiled for",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What one model gave in one process."""

    model_id: str
    rows: Rows
    traces: list[str]
    native: Rows
    served: Served

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The inverse of `to_json`."""
        return cls(**json.loads(text))

    def to_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self))


def answer(name: str, directory: Path, wheels: Path, share: Share, device: str) -> Answer:
    """Run the pinned model in `directory`, and the torch module that it was pinned from."""
    entry, model = MODELS[name], PinnedModel.load(directory)
    inputs, extent = entry.inputs(wheels), entry.extent(share)
    weights = {n: widened(w).to(device) for n, w in load_weights(directory, model.manifest.tensors).items()}
    program = portable_program(from_json((directory / GRAPH).read_bytes()), weights)
    native: Callable[..., Sequence[Tensor]] | None = None
    if entry.native is not None:
        with torch.device("meta"):
            module = entry.native(model.manifest)
        module.load_state_dict(weights, assign=True)
        native = partial(_native, module)

    def rows(run: Callable[..., Sequence[Tensor]]) -> Rows:
        return {str(p): [row for batch in _batches(model, inputs, p, device) for row in _rows(run(*batch))]
                for p in extent.passes}  # fmt: skip

    return Answer(
        model_id=str(model.model_id),
        rows=rows(program),
        traces=[_trace(program, batch) for batch in _batches(model, inputs, Pass(extent.traced, 1), device)],
        native=rows(native) if native else {},
        served=_served(device),
    )


def _batches(model: PinnedModel, inputs: Sequence[Input], one: Pass, device: str) -> Batches:
    for start in range(0, one.inputs, one.batch):
        tensors = model.tensors(inputs[start : min(start + one.batch, one.inputs)])
        if one.padding:
            tensors = tuple(nn.functional.pad(tensor, (0, one.padding)) for tensor in tensors)
        yield tuple(tensor.to(device) for tensor in tensors)


def _rows(results: Sequence[Tensor]) -> Iterator[str]:
    for parts in zip(*(result.unbind() for result in results), strict=True):
        yield hashlib.sha256(b"".join(map(little_endian, parts))).hexdigest()


def _trace(program: Program, batch: tuple[Tensor, ...]) -> str:
    """As PinnedModel.traced."""
    trace = Trace()
    program(*batch, observe=trace)
    return str(trace.root())


def _native(module: nn.Module, *tensors: Tensor) -> Sequence[Tensor]:
    with torch.inference_mode():
        given = module(*tensors)
    return given if isinstance(given, tuple) else (given,)


def _served(device: str) -> Served:
    """What answered, as it says itself."""
    kernels = serving(torch.empty(0, device=device))
    served: Served = {**machine(), "kernels": kernels.NAME, "device": platform.machine()}
    if device == "cuda":
        served |= {"device": torch.cuda.get_device_name()}
    if kernels.NAME == "cpu":
        import numba

        served |= {"product": kernels.product(), "compiled for": numba.config.CPU_NAME}
    return served


def check_reached(served: Served) -> None:
    """A variable that reached nothing would make a setting of the same process again."""
    for variable, key in REACHES.items():
        wanted = os.environ.get(variable)
        if wanted is not None and wanted.lower() != str(served.get(key)).lower():
            raise RuntimeError(f"{variable}={wanted} reached nothing: {key} is {served.get(key)}")


def main(models: str, wheels: str, share: str, device: str, *names: str) -> None:
    """Print the answers."""
    if device != "cpu":
        torch.set_default_device(device)  # for what graphs create
    check_reached(_served(device))
    for name in names:
        print(answer(name, Path(models, name), Path(wheels), Share(share), device).to_json(), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
