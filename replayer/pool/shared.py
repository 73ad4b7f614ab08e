"""A pinned model in Ray's object store: put there once, and read in place by all workers of a machine.

Weights are numpy arrays of the stored bytes, which Ray maps read-only into each worker: held once on a machine,
however many workers it has. What is made ready of them is too (operands.py). Every part is checked against the manifest
by each worker, as if it came from a stranger's disk.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch

from ...evidence.digest import Digest
from ...evidence.inputs import InputSpec
from ...evidence.values import DType
from ...executor.model import GRAPH, MANIFEST, Folder, ModelError, read_manifest
from ...executor.tensors import DTYPE, TORCH_DTYPE

Bytes = np.ndarray[Any, np.dtype[np.uint8]]


@dataclass(frozen=True, slots=True)
class SharedTensor:
    """A tensor's bytes in row-major order, by this machine's byte order, and what they are."""

    data: Bytes
    dtype: DType
    shape: tuple[int, ...]

    @classmethod
    def of(cls, tensor: torch.Tensor) -> Self:
        """The bytes of a tensor of any shape. Raises ModelError for an element type that no manifest has."""
        if tensor.dtype not in DTYPE:
            raise ModelError(f"a tensor of the model is {tensor.dtype}, which no pinned model has")
        data = tensor.contiguous().reshape(-1).view(torch.uint8).numpy()
        return cls(data, DTYPE[tensor.dtype], tuple(tensor.shape))

    def tensor(self) -> torch.Tensor:
        """The tensor, in place."""
        if not self.data.size:  # torch does not view nothing as another type
            return torch.empty(self.shape, dtype=TORCH_DTYPE[self.dtype])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # torch warns that nobody may write there: nobody does
            return torch.from_numpy(self.data).view(TORCH_DTYPE[self.dtype]).reshape(self.shape)


@dataclass(frozen=True, slots=True)
class SharedModel:
    """A pinned model's parts (executor/model.py), unchecked."""

    where: str
    model_id: Digest
    takes: InputSpec
    files: Mapping[str, bytes]
    shared: Mapping[str, SharedTensor]

    @classmethod
    def of(cls, folder: Path) -> Self:
        """The parts in a folder. Raises ModelError, WeightsError."""
        parts = Folder(folder)
        manifest = read_manifest(parts)
        names = (MANIFEST, GRAPH, *(entry.name for entry in manifest.files))
        return cls(
            parts.where,
            manifest.model_id,
            manifest.input,
            {name: parts.read(name) for name in names},
            {name: SharedTensor.of(tensor) for name, tensor in parts.tensors().items()},
        )

    def read(self, name: str) -> bytes:
        """As Parts says."""
        if name not in self.files:
            raise ModelError(f"{name} of the pinned model is missing")
        return self.files[name]

    def tensors(self) -> Mapping[str, torch.Tensor]:
        """As Parts says."""
        return {name: shared.tensor() for name, shared in self.shared.items()}
