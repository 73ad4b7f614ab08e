"""Sources that are pickles. Opening one runs whatever code stands in it: with the flag only, and in a confined process.

That process (unpickled.py) can neither reach the network nor write a file nor start another (seccomp.py). It can read
what this user can read, and what it hands over is what the file's author wanted: unpickle only what has an origin.
"""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from ...evidence.inputs import InputSpec, RecordInput
from ...evidence.values import Input, Record
from ..model import ModelError, read_graph, read_manifest
from .candidate import TOLERANCE, Candidate, Original
from .confined import LIMIT_S, ask, part, raw
from .errors import PinError
from .replayed import GraphModule
from .unpickle_request import Part, flat

if TYPE_CHECKING:
    from .recognise import Said


def tensors(path: Path, *, allowed: bool, limit_s: float = LIMIT_S) -> dict[str, torch.Tensor]:
    """The tensors of a torch checkpoint by their path in it: `{"model": {"a.weight": t}}` has model.a.weight.

    As pure data if that is what it is; otherwise it is unpickled, if `allowed`. Raises PinError, WeightsError.
    """
    try:
        with warnings.catch_warnings(action="ignore", category=UserWarning):  # of pickles that it will not take
            return dict(flat(torch.load(path, map_location="cpu", weights_only=True)))
    except OSError as error:
        raise PinError(f"{path} cannot be read: {error.strerror}") from error
    # What torch raises for what is not pure data, or nothing that it knows.
    except (pickle.UnpicklingError, RuntimeError, ValueError, EOFError, AttributeError, LookupError, TypeError):
        return part(_unpickled(path, None, allowed, limit_s), Part.WEIGHT)


def candidate(path: Path, said: Said, *, allowed: bool, limit_s: float = LIMIT_S) -> Candidate:
    """The Candidate of a pickled model, which is what `recognise.from_object` takes.

    It is captured in the confined process, where its own library answers `said.examples` too. Raises PinError, and
    other ReperformErrors for what came back.
    """
    if not said.examples:
        raise PinError("pinning needs an example input", advice="give a file of inputs with --examples")
    found = _unpickled(path, said, allowed, limit_s)
    received = _Received(str(path), found)
    manifest = read_manifest(received)
    examples = [_taken(one, manifest.input) for one in said.examples]
    tolerance = found.get(f"{Part.TOLERANCE}/", torch.empty(0))
    return Candidate(
        manifest.name,
        GraphModule(read_graph(received, manifest), received.tensors()),
        examples,
        manifest.input,
        manifest.outputs,
        manifest.rule,
        {entry.name: received.read(entry.name) for entry in manifest.files},
        _original(examples, part(found, Part.ANSWER), len(manifest.outputs)),
        min(TOLERANCE, tolerance.item()) if tolerance.numel() == 1 else TOLERANCE,
    )


def _unpickled(path: Path, said: Said | None, allowed: bool, limit_s: float) -> dict[str, torch.Tensor]:
    if not allowed:
        raise PinError(
            f"{path} is a pickle: opening it runs whatever code stands in it",
            advice="if you know where it comes from, --unpickle opens it in a process without network",
        )
    return ask(path, said, limit_s)


@dataclass(frozen=True, slots=True)
class _Received:
    """The parts of a captured model, as they came back (executor/model.py)."""

    where: str
    found: Mapping[str, torch.Tensor]

    def read(self, name: str) -> bytes:
        """A file."""
        data = self.found.get(f"{Part.FILE}/{name}")
        if data is None:
            raise ModelError(f"{self.where}, unpickled, gave no {name}")
        return raw(data)

    def tensors(self) -> dict[str, torch.Tensor]:
        """The weights."""
        return part(self.found, Part.WEIGHT)


def _taken(one: Input, spec: InputSpec) -> Input:
    """Without the columns that an estimator leaves out, as from_estimator does."""
    if not isinstance(one, Record) or not isinstance(spec, RecordInput):
        return one
    used = {column.name for column in spec.columns}
    return Record(tuple(entry for entry in one.entries if entry.column in used))


def _original(examples: Sequence[Input], answers: Mapping[str, torch.Tensor], outputs: int) -> Original:
    """What the model's own library answered, in the confined process."""
    if answers.keys() != {f"{i}/{output}" for i in range(len(examples)) for output in range(outputs)}:
        raise PinError("the process that unpickled did not answer every example")
    known = {one: [answers[f"{i}/{output}"] for output in range(outputs)] for i, one in enumerate(examples)}
    return known.__getitem__
