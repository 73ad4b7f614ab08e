"""One party's trace in a folder of its own: digests, the graph's inputs, and which model it was.

    head              what the party answers for: a trace-head/v1, or an envelope around one
    leaves            the digests, 32 bytes each, written as the run goes
    inputs            operands/v1: the decision's input, and the tensors that it became; private
    manifest.msgpack, graph.json    of the model that ran

Tensors in between are not kept. They are computed again where one is asked for.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import torch

from ...evidence.digest import Digest
from ...evidence.documents import from_bytes, to_bytes
from ...evidence.dsse import Envelope
from ...evidence.encoding import MalformedError
from ...evidence.files import make_folder, read_document, read_file, write_file
from ...evidence.keys import SigningKey
from ...evidence.localisation.bisection import Halves, Question, answer
from ...evidence.localisation.head import TraceHead
from ...evidence.localisation.operands import OpenedInput, Operands
from ...evidence.localisation.statement import LeafProof
from ...evidence.localisation.tree import proof
from ...evidence.manifest import Manifest
from ...evidence.receipt import receipt_id
from ...evidence.values import Output, Tensor
from ...executor.graph import Graph
from ...executor.graph_json import from_json, to_json
from ...executor.model import GRAPH, MANIFEST, PinnedModel
from ...executor.tensors import DTYPE, digest_of, little_endian
from ...executor.trace import Trace
from .errors import LocalisationError

HEAD: Final = "head"
LEAVES: Final = "leaves"
INPUTS: Final = "inputs"
_LEAF: Final = 32
_AT_ONCE: Final = 1 << 11


@dataclass(frozen=True, slots=True)
class Traced:
    """What came out of a traced run. `seconds` of the run, `tracing` of them for the trace."""

    output: Output
    head: TraceHead
    seconds: float
    tracing: float


def write_trace(folder: Path, model: PinnedModel, opened: OpenedInput, keys: Sequence[SigningKey] = ()) -> Traced:
    """Run a decision with its trace into a new folder. `keys` sign the head. Raises a ReperformError."""
    if folder.exists():
        raise LocalisationError(f"{folder} exists", advice="a trace is not overwritten; name another folder")
    given = opened.check()
    make_folder(folder, mode=0o700)
    tensors = model.tensors([given])
    begun = time.perf_counter()
    with (folder / LEAVES).open("xb") as leaves:
        trace = Trace(leaves)
        output = model.observed(given, trace)
    seconds = time.perf_counter() - begun
    graph = model.program.graph
    named = (tensor_of(declared.name, tensor) for declared, tensor in zip(graph.inputs, tensors, strict=True))
    write_file(folder / INPUTS, to_bytes(Operands(tuple(named), opened)), mode=0o600)
    write_file(folder / MANIFEST, to_bytes(model.manifest))
    write_file(folder / GRAPH, to_json(graph))
    inputs = tuple(digest_of(tensor) for tensor in tensors)
    head = TraceHead(receipt_id(opened.receipt), model.model_id, inputs, tuple(trace.parts), trace.root())
    write_file(folder / HEAD, to_bytes(Envelope.sign(head, keys) if keys else head))
    return Traced(output, head, seconds, trace.seconds)


def tensor_of(name: str, tensor: torch.Tensor) -> Tensor:
    """A torch tensor as a document."""
    return Tensor(name, DTYPE[tensor.dtype], tuple(tensor.shape), little_endian(tensor))


@dataclass(frozen=True)
class TraceFolder:
    """A party that answers from its folder."""

    path: Path

    @cached_property
    def said(self) -> TraceHead | Envelope:
        """The head as it was signed, or unsigned."""
        data = read_file(self.path / HEAD)
        try:
            head: TraceHead | Envelope = from_bytes(TraceHead | Envelope, data)  # type: ignore[arg-type]
        except MalformedError as error:
            raise MalformedError(f"{self.path / HEAD}: {error.cause}", advice=error.advice) from error
        return head

    @cached_property
    def head(self) -> TraceHead:
        """What it answers for."""
        return self.said.parse(TraceHead) if isinstance(self.said, Envelope) else self.said

    @cached_property
    def manifest(self) -> Manifest:
        """Of the model that it ran."""
        manifest = read_document(self.path / MANIFEST, Manifest)
        if manifest.model_id != self.head.model:
            raise LocalisationError(f"{self.path / MANIFEST} is not of the model that the trace names")
        return manifest

    @cached_property
    def graph_text(self) -> bytes:
        """Of the graph that it ran."""
        return read_file(self.path / GRAPH)

    @cached_property
    def graph(self) -> Graph:
        """The graph that it ran."""
        return from_json(self.graph_text)

    @cached_property
    def inputs(self) -> Operands:
        """The decision's input, and what the graph was given."""
        return read_document(self.path / INPUTS, Operands)

    def answer(self, question: Question) -> Halves:
        """The halves of a subtree."""
        return answer(question, self._read)

    def prove(self, index: int) -> LeafProof:
        """That a leaf stands in the trace."""
        (leaf,) = self._read(index, index + 1)
        return LeafProof(index, leaf, proof(index, self.head.size, self._read))

    def _read(self, first: int, end: int) -> Iterator[Digest]:
        with (self.path / LEAVES).open("rb") as file:
            file.seek(first * _LEAF)
            for start in range(first, end, _AT_ONCE):
                wanted = min(_AT_ONCE, end - start) * _LEAF
                data = file.read(wanted)
                if len(data) != wanted:
                    raise LocalisationError(f"{self.path / LEAVES} has fewer leaves than its head says")
                for at in range(0, wanted, _LEAF):
                    yield Digest(data[at : at + _LEAF])
