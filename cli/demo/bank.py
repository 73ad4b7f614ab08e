"""The bank of the demonstration: honest, with one weight moved by one ulp, and with an edited answer."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors.torch import load_file

from ...evidence.digest import Digest
from ...evidence.documents import to_bytes
from ...evidence.files import read_document, read_file, write_file
from ...evidence.manifest import Manifest
from ...evidence.rules import Threshold
from ...evidence.values import Input, Output
from ...executor.model import GRAPH, MANIFEST, PinnedModel
from ...executor.service import Model
from ...executor.shards import WEIGHTS
from ...executor.weights import entries, serialize
from .parties import DemoError


@dataclass(frozen=True, slots=True)
class Claiming:
    """Runs one model and says in its receipts that it was another."""

    manifest: Manifest
    model_id: Digest
    actual: PinnedModel

    def run(self, inputs: Sequence[Input]) -> list[Output]:
        """The other model's answers."""
        return self.actual.run(inputs)


@dataclass(frozen=True, slots=True)
class Editing:
    """Runs the model, then writes down a score below the threshold, and the decision that follows from it."""

    manifest: Manifest
    model_id: Digest
    actual: Model

    def run(self, inputs: Sequence[Input]) -> list[Output]:
        """The edited answers."""
        rule = self.manifest.rule
        if not isinstance(rule, Threshold):
            raise DemoError("the model has no threshold to get around")
        below = struct.pack("<f", float(rule.at) - 0.01)
        return [
            replace(output, decision=rule.below, tensors=(replace(output.tensors[0], data=below),))
            for output in self.actual.run(inputs)
        ]


@dataclass(frozen=True, slots=True)
class Tampered:
    """A copy of a pinned model in which one weight is one ulp away, and the input on which that shows."""

    model: PinnedModel
    tensor: str
    before: float
    after: float
    shows_on: int
    changed: int


def move_one_ulp(original: Path, copy: Path, inputs: Sequence[Input], truth: Sequence[Output]) -> Tampered:
    """Move one weight by one ulp, in a copy, so that some input's answer is not the true one.

    Not every such move changes an answer: portable-1 takes weights to 20 bits of their row's scale, so a move
    below that computes the very same function. This tries weights, biases first, until one shows.
    """
    manifest = read_document(original / MANIFEST, Manifest)
    weights = load_file(original / WEIGHTS)
    for name in sorted(weights, key=lambda name: (weights[name].numel(), name)):
        flat = weights[name].flatten()
        if flat.dtype is not torch.float32:
            continue
        at = int(flat.abs().argmax())
        before = flat[at].clone()
        moved = flat.clone()
        moved[at] = torch.nextafter(before, torch.tensor(float("inf")))
        changed = {**weights, name: moved.reshape(weights[name].shape)}
        _write_copy(original, copy, manifest, changed)
        model = PinnedModel.load(copy)
        different = [i for i, (a, b) in enumerate(zip(model.run(inputs), truth, strict=True)) if a != b]
        if different:
            return Tampered(model, name, before.item(), moved[at].item(), different[0], len(different))
    raise DemoError("no weight, moved by one ulp, changes an answer")


def _write_copy(original: Path, copy: Path, manifest: Manifest, weights: dict[str, torch.Tensor]) -> None:
    write_file(copy / GRAPH, read_file(original / GRAPH))
    write_file(copy / WEIGHTS, serialize(weights))
    write_file(copy / MANIFEST, to_bytes(replace(manifest, tensors=entries(weights))))
