"""Weights: safetensors files, mapped into memory, and every tensor checked against the manifest.

The digests are over the bytes as stored, taken by all cores at once. Memory holds none of them but what the system
keeps of the files, and gives up as it likes. A file that is changed while it is in use is not noticed, and one that is
cut ends the process (docs/threat-model.md): a folder belongs to whoever runs the model.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save, save_file

from ..evidence.digest import Digest
from ..evidence.errors import ReperformError
from ..evidence.manifest import TensorEntry
from ..evidence.values import DType
from .plain_files import open_plain
from .shards import SHARD, WEIGHTS, is_shard, planned, set_of
from .tensors import DTYPE, digest_of

_HEADER: Final = 100_000_000  # safetensors' own limit, in bytes
_COPY_AGAIN: Final = "take the model's files again from whoever pinned it"


class WeightsError(ReperformError):
    """Weights that are not the pinned ones."""


def entries(tensors: Mapping[str, torch.Tensor]) -> tuple[TensorEntry, ...]:
    """What a manifest says about these tensors, sorted by name. KeyError for an element type outside DType."""
    digests = _digests(tensors)
    return tuple(
        TensorEntry(name, DTYPE[tensor.dtype], tuple(tensor.shape), digests[name])
        for name, tensor in sorted(tensors.items())
    )


def serialize(tensors: Mapping[str, torch.Tensor]) -> bytes:
    """The safetensors file of contiguous, unshared tensors."""
    return save(dict(tensors))


def write_weights(
    folder: Path, tensors: Mapping[str, torch.Tensor], expected: Sequence[TensorEntry], limit: int = SHARD
) -> None:
    """Write the files of these tensors, of which `expected` tells, to be read only. Raises WeightsError, OSError."""
    for name, part in planned(expected, limit).items():
        path = folder / name
        try:
            save_file(_unshared({entry.name: tensors[entry.name] for entry in part}), path)
        except SafetensorError as error:
            raise WeightsError(f"{name} cannot be written: {error!s:.100}", advice="see that there is room") from error
        with path.open("rb") as file:
            os.fsync(file.fileno())
        path.chmod(0o444)  # what is mapped should not be written to, even by mistake


def _unshared(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The same, with copies of those that share their memory, or are slices of it, as safetensors wants it."""
    taken: set[int] = set()
    own = {}
    for name, tensor in tensors.items():
        memory = tensor.untyped_storage()
        shared = memory.data_ptr() in taken or memory.nbytes() != tensor.nbytes or not tensor.is_contiguous()
        own[name] = tensor.clone(memory_format=torch.contiguous_format) if shared else tensor
        taken.add(memory.data_ptr())
    return own


def load_weights(folder: Path, expected: Sequence[TensorEntry]) -> dict[str, torch.Tensor]:
    """The tensors in a folder's weights, all of them as `expected` and no others, as they are stored.

    Raises WeightsError, naming the first tensor that is missing, superfluous or different.
    """
    return check_weights(read_weights(folder), expected)


def read_weights(folder: Path) -> dict[str, torch.Tensor]:
    """The tensors in a folder's weights, in place and unchecked, not to be written to. Raises WeightsError."""
    found: dict[str, torch.Tensor] = {}
    for file in _files(folder):
        for name, tensor in _mapped(folder / file):
            if name in found:
                raise WeightsError(f"{file} has the tensor {name!r:.80}, as a file before it", advice=_COPY_AGAIN)
            found[name] = tensor
    return found


def _files(folder: Path) -> tuple[str, ...]:
    """The one file, or all shards of one set."""
    try:
        there = {path.name for path in folder.iterdir()}
    except OSError as error:
        raise WeightsError(f"{folder} cannot be read: {error.strerror}", advice=_COPY_AGAIN) from error
    shards = sorted(filter(is_shard, there))
    if not shards:
        return (WEIGHTS,)
    wanted = set_of(shards[0])
    missing, besides = sorted(set(wanted) - there), sorted(({WEIGHTS} & there) | (set(shards) - set(wanted)))
    if besides:
        raise WeightsError(f"{besides[0]} and {shards[0]} are not of one set of weights", advice=_COPY_AGAIN)
    if missing:
        raise WeightsError(f"{missing[0]} is missing, beside {shards[0]}", advice=_COPY_AGAIN)
    return wanted


def _mapped(path: Path) -> Iterator[tuple[str, torch.Tensor]]:
    """The tensors of one file; safetensors checks that they cover it, without overlap, in the sizes of their shapes."""
    try:
        _check_header(path)
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118  it is no mapping
                yield name, file.get_tensor(name)
    except OSError as error:
        why = error.strerror or str(error)
        raise WeightsError(f"{path.name} cannot be read: {why:.100}", advice=_COPY_AGAIN) from error
    # KeyError: an element type that this safetensors does not know.
    except (SafetensorError, ValueError, KeyError, RecursionError) as error:
        words = ascii(str(error))[1:-1]
        raise WeightsError(f"{path.name} is not a safetensors file: {words:.100}", advice=_COPY_AGAIN) from error
    except RuntimeError as error:  # torch's, of the system's refusal
        cause = f"{path.name} cannot be mapped into memory: {error!s:.100}"
        raise WeightsError(
            cause, advice="a machine with more memory, or the files as `reperform pin` cuts them, will do"
        ) from error


def _check_header(path: Path) -> None:
    """No name may stand twice: which of two is taken differs from reader to reader. Raises OSError, ValueError."""
    with os.fdopen(open_plain(path), "rb") as file:
        size = int.from_bytes(file.read(8), "little")
        json.loads(file.read(min(size, _HEADER)), object_pairs_hook=_unique)


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    body = dict(pairs)
    if len(body) != len(pairs):
        raise ValueError("a name twice")
    return body


def check_weights(tensors: Mapping[str, torch.Tensor], expected: Sequence[TensorEntry]) -> dict[str, torch.Tensor]:
    """These tensors, if they are all as `expected`. Raises as load_weights does."""
    extra = sorted(tensors.keys() - {entry.name for entry in expected})
    if extra:
        raise WeightsError(f"there is a tensor {extra[0]!r:.80} that the manifest lacks", advice=_COPY_AGAIN)
    for entry in expected:
        _check_kind(entry, tensors.get(entry.name))
    digests = _digests(tensors)
    for entry in expected:
        if digests[entry.name] != entry.digest:
            raise WeightsError(
                f"tensor {entry.name!r:.80} is not the pinned one: its digest differs", advice=_COPY_AGAIN
            )
    return {entry.name: _aligned(tensors[entry.name]) for entry in expected}


def _check_kind(entry: TensorEntry, tensor: torch.Tensor | None) -> None:
    where = f"tensor {entry.name!r:.80}"
    if tensor is None:
        raise WeightsError(f"{where} is missing", advice=_COPY_AGAIN)
    dtype = DTYPE.get(tensor.dtype)
    if dtype is not entry.dtype or tuple(tensor.shape) != entry.shape:
        found = f"{dtype or tensor.dtype} {list(tensor.shape)}"
        raise WeightsError(f"{where} is {found:.100}, the manifest says {entry.dtype} {list(entry.shape)!s:.100}")
    if dtype is DType.BOOL and tensor.numel() and int(tensor.view(torch.uint8).max()) > 1:
        raise WeightsError(f"{where} has a truth value that is neither 0 nor 1")


def _digests(tensors: Mapping[str, torch.Tensor]) -> dict[str, Digest]:
    """Of each; a tensor is one core's work, so that the largest come first."""
    order = sorted(tensors, key=lambda name: tensors[name].nbytes, reverse=True)
    with ThreadPoolExecutor(cores()) as pool:
        return dict(zip(order, pool.map(lambda name: digest_of(tensors[name]), order), strict=True))


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _aligned(tensor: torch.Tensor) -> torch.Tensor:
    """Where its elements are at home; files that others wrote may have them elsewhere."""
    return tensor.clone() if tensor.data_ptr() % tensor.element_size() else tensor
