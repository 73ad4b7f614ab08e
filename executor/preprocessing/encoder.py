"""What an encoder is: the way from what people commit to, to the tensors that a graph takes.

Every rule stands in the manifest (evidence/inputs.py). Errors name the column and never the value: they travel further
than the personal data in it may.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Final, Protocol

import torch

from ...evidence.values import DType, Input

REFUSED: Final = "correct the input; the model cannot decide on it"

Shape = tuple[int | str, ...]


class Encoder(Protocol):
    """Inputs of one kind to tensors."""

    @property
    def takes(self) -> type[Input]:
        """The kind of its inputs."""

    @property
    def at_once(self) -> int:
        """How many inputs run together: bounds memory, and cannot change a bit of any answer."""

    @property
    def signature(self) -> tuple[tuple[DType, Shape], ...]:
        """The tensors that it makes; a size is a number or the name of one, the first is BATCH."""

    @property
    def sizes(self) -> Mapping[str, tuple[int, int]]:
        """The least and the most of every named size but BATCH."""

    def alike(self, one: Any, /) -> Hashable:
        """Inputs of which this is equal can run together."""

    def tensors(self, inputs: Sequence[Any], /) -> tuple[torch.Tensor, ...]:
        """What the graph is given for inputs that are alike. Raises InputError."""
