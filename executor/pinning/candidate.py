"""What is to be pinned, whatever library it came from: a torch module, and what it takes and gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import torch

from ...evidence.inputs import InputSpec
from ...evidence.origin import Origin
from ...evidence.rules import Rule
from ...evidence.values import Input

# portable-1 differs from native float32 by some 1e-5 of an output's size; a wrong graph differs by its size.
TOLERANCE: Final = 1e-3

# What the model's own library answers: one input to the outputs for it, without the batch.
Original = Callable[[Input], Sequence[torch.Tensor]]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model to be pinned.

    module: takes what `input` makes of a batch of inputs (executor/preprocessing), and returns the tensors that
    `outputs` names, float32 [batch, ...]. examples: inputs on which the pinned model is compared with `original`, or
    with the module if there is none; differences up to `tolerance` times the output's size are rounding. files: what
    the input needs besides, such as tokenizer.json. origin: who signed the source files (signature.py).
    """

    name: str
    module: torch.nn.Module
    examples: Sequence[Input]
    input: InputSpec
    outputs: Sequence[str]
    rule: Rule | None = None
    files: Mapping[str, bytes] = field(default_factory=dict)
    original: Original | None = None
    tolerance: float = TOLERANCE
    origin: Origin | None = None
