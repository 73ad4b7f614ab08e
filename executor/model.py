"""A pinned model on disk, checked part by part when it is loaded, and run on what people committed to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Final, Protocol

import torch

from ..evidence.digest import Digest, Domain, digest
from ..evidence.documents import from_bytes
from ..evidence.encoding import MalformedError
from ..evidence.errors import ReperformError
from ..evidence.keys import SignatureRefusedError
from ..evidence.manifest import ExecutionClass, FileEntry, Manifest
from ..evidence.origin import check_origin
from ..evidence.rules import Rule, Threshold
from ..evidence.values import DType, Input, Output, Tensor
from .arithmetic.extents import EXTENTS
from .arithmetic.nan_free import NAN_FREE
from .arithmetic.operations import TABLE
from .arithmetic.prepared import PREPARED, Preparation
from .graph import Graph
from .graph_json import from_json
from .interpreter import Observer, Program, RunError
from .plain_files import read_plain
from .preprocessing import Encoder, encoder
from .refusal import InputError
from .tensors import little_endian
from .trace import Trace
from .weights import check_weights, read_weights

MANIFEST: Final = "manifest.msgpack"
GRAPH: Final = "graph.json"


def portable_program(
    graph: Graph, weights: Mapping[str, torch.Tensor], prepared: Mapping[str, Preparation] = PREPARED
) -> Program:
    """The graph bound to portable-1; `weights`, by the manifest's tensor names, say the device. Raises RunError."""
    return Program(graph, weights, TABLE, prepared, nan_free=NAN_FREE, extents=EXTENTS)


class ModelError(ReperformError):
    """A directory that does not hold the pinned model it claims to hold."""


class Parts(Protocol):
    """What a pinned model is loaded from, wherever that lies; nothing of it is checked yet."""

    @property
    def where(self) -> str:
        """How errors name it."""

    def read(self, name: str) -> bytes:
        """A file. Raises ModelError."""

    def tensors(self) -> Mapping[str, torch.Tensor]:
        """The tensors of the weights, as they are stored, not to be written to. Raises WeightsError."""


@dataclass(frozen=True, slots=True)
class Folder:
    """The parts in a directory that `reperform pin` wrote."""

    path: Path

    @property
    def where(self) -> str:
        """The directory's path."""
        return str(self.path)

    def read(self, name: str) -> bytes:
        """A file of the directory."""
        try:
            return read_plain(self.path / name)
        except OSError as error:
            raise ModelError(
                f"{name} of the pinned model cannot be read: {error.strerror}",
                advice="name a directory that `reperform pin` wrote, and copy all of it",
            ) from error

    def tensors(self) -> Mapping[str, torch.Tensor]:
        """All tensors of the directory's weights."""
        return read_weights(self.path)


def read_manifest(parts: Parts) -> Manifest:
    """The manifest, which says what the other parts must be. Raises ModelError."""
    try:
        return from_bytes(Manifest, parts.read(MANIFEST))
    except MalformedError as error:
        cause = f"{parts.where}/{MANIFEST}: {error.cause}"
        raise ModelError(cause, advice="take the model's files again from whoever pinned it") from error


def read_graph(parts: Parts, manifest: Manifest) -> Graph:
    """The graph, if it is the manifest's. Raises ModelError, GraphError."""
    return from_json(_checked(parts, FileEntry(GRAPH, manifest.graph), Domain.GRAPH))


@dataclass(frozen=True, slots=True)
class PinnedModel:
    """A model whose every part was checked against its manifest."""

    manifest: Manifest
    model_id: Digest
    program: Program
    _encoder: Encoder

    @classmethod
    def load(cls, directory: Path) -> PinnedModel:
        """Read and check a pinned model. Raises a ReperformError that names the part which is not as pinned."""
        return cls.of(Folder(directory))

    @classmethod
    def of(cls, parts: Parts, prepared: Mapping[str, Preparation] = PREPARED) -> PinnedModel:
        """Check the parts of a pinned model. Raises as `load` does. The parts must not change afterwards.

        prepared: how weights are made ready, if not by each process for itself.
        """
        manifest = read_manifest(parts)
        if manifest.execution_class is not ExecutionClass.PORTABLE_1:
            raise ModelError(
                f"the model is pinned for class {manifest.execution_class}; this machine runs portable-1",
                advice="replay it where its own class is available, or pin it again for portable-1",
            )
        graph = read_graph(parts, manifest)
        files = {entry.name: _checked(parts, entry, Domain.FILE) for entry in manifest.files}
        _check_origin(manifest, files)
        made_by = encoder(manifest.input, files)
        _check_signature(manifest, graph, made_by)
        weights = check_weights(parts.tensors(), manifest.tensors)
        program = portable_program(graph, weights, prepared)
        return cls(manifest, manifest.model_id, program, made_by)

    def run(self, inputs: Sequence[Input]) -> list[Output]:
        """One output for each input, the same bits for any number and order of inputs.

        Raises InputError for an input that the model does not take, RunError for a run that had to stop.
        """
        outputs: list[Output] = []
        for _, alike in groupby(self._taken(inputs), self._encoder.alike):
            together = list(alike)
            for start in range(0, len(together), self._encoder.at_once):
                outputs += self._batch(together[start : start + self._encoder.at_once], None)
        return outputs

    def traced(self, one: Input) -> tuple[Output, Digest]:
        """The output for one input, and the root of its trace (trace.py). Raises as `run` does."""
        trace = Trace()
        return self.observed(one, trace), trace.root()

    def observed(self, one: Input, observe: Observer) -> Output:
        """The output for one input, with an observer of every operation. Raises as `run` does."""
        (output,) = self._batch([one], observe)
        return output

    def _batch(self, inputs: Sequence[Input], observe: Observer | None) -> Iterator[Output]:
        results = self.program(*self.tensors(inputs), observe=observe)
        for name, result in zip(self.manifest.outputs, results, strict=True):
            if result.dtype != torch.float32 or result.shape[:1] != (len(inputs),):
                shape = f"{result.dtype} {list(result.shape)}"
                raise RunError(f"output {name!r:.60} is {shape}, not float32 with one row for each input")
        named = [(n, tuple(r.shape[1:]), list(r.unbind())) for n, r in zip(self.manifest.outputs, results, strict=True)]
        for i in range(len(inputs)):
            tensors = tuple(Tensor(n, DType.F32, shape, little_endian(rows[i])) for n, shape, rows in named)
            yield Output(_decide(self.manifest.rule, results[0][i]), tensors)

    def tensors(self, inputs: Sequence[Input]) -> tuple[torch.Tensor, ...]:
        """What the graph is given for these inputs, which can run together. Raises InputError."""
        return self._encoder.tensors(self._taken(inputs))

    def _taken(self, inputs: Sequence[Input]) -> Sequence[Input]:
        wanted = self._encoder.takes
        for position, item in enumerate(inputs):
            if not isinstance(item, wanted):
                kinds = f"of kind {type(item).__name__.lower()}; this model takes {wanted.__name__.lower()}"
                raise InputError(f"input {position} is {kinds}")
        return inputs


def _decide(rule: Rule | None, row: torch.Tensor) -> str | None:
    if rule is None:
        return None
    if isinstance(rule, Threshold):
        if row.numel() != 1:
            raise RunError(f"the rule reads one number and the model's first output has {row.numel()}")
        # Both sides are exact as binary64.
        return rule.at_or_above if row.item() >= float(rule.at) else rule.below
    if row.shape != (len(rule.labels),):
        raise RunError(f"the rule reads {len(rule.labels)} numbers and the model's first output is {list(row.shape)}")
    numbers: list[float] = row.tolist()
    return rule.labels[numbers.index(max(numbers))]


def _check_origin(manifest: Manifest, files: Mapping[str, bytes]) -> None:
    """The recorded signature over the source files must verify."""
    if manifest.origin is None:
        return
    try:
        check_origin(manifest.origin, files[manifest.origin.signature])
    except (MalformedError, SignatureRefusedError) as error:
        cause = f"the pinned model's origin does not verify: {error.cause}"
        raise ModelError(cause, advice="take the model's files again from whoever pinned it") from error


def _check_signature(manifest: Manifest, graph: Graph, made_by: Encoder) -> None:
    """Manifest and graph must agree on tensors, inputs and outputs."""
    unlike = {w.tensor for w in graph.weights} ^ {t.name for t in manifest.tensors}
    if unlike:
        raise ModelError(f"graph and manifest differ on the tensor {min(unlike)!r:.80}")
    if len(graph.outputs) != len(manifest.outputs):
        raise ModelError(f"the graph has {len(graph.outputs)} outputs, the manifest names {len(manifest.outputs)}")
    given = tuple((i.dtype, i.shape) for i in graph.inputs)
    if given != made_by.signature:
        raise ModelError(f"the graph takes {given!s:.150}, and the manifest's input gives {made_by.signature!s:.150}")


def _checked(parts: Parts, entry: FileEntry, domain: Domain) -> bytes:
    data = parts.read(entry.name)
    if digest(domain, data) != entry.digest:
        raise ModelError(
            f"{entry.name} is not the pinned one: its digest differs",
            advice="take the model's files again from whoever pinned it",
        )
    return data
