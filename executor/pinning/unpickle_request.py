"""What the process that unpickles (unpickled.py) is told, and what it gives. No library is imported for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from .recognise import Said


class Part(StrEnum):
    """What comes back stands in one safetensors file; each tensor's name begins with its part and a slash."""

    WEIGHT = "weight"
    FILE = "file"  # bytes: the manifest, the graph, and what the manifest lists
    ANSWER = "answer"  # example/output
    TOLERANCE = "tolerance"
    ERROR = "error"  # text


@dataclass(frozen=True, slots=True)
class Request:
    """What the process is told, on its standard input.

    said: what a model is captured with; None if only tensors are wanted. result: a file descriptor.
    """

    path: Path
    said: Said | None
    result: int


def flat(found: object, path: str = "") -> Iterator[tuple[str, torch.Tensor]]:
    """The tensors in a module, or in mappings in mappings, with their paths. What is no tensor is no weight."""
    import torch  # noqa: PLC0415

    if isinstance(found, torch.nn.Module):
        found = found.state_dict()
    if isinstance(found, torch.Tensor):
        yield path, found.detach()
    elif isinstance(found, Mapping):
        for key, value in found.items():
            yield from flat(value, f"{path}.{key}" if path else str(key))
