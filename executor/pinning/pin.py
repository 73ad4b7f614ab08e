"""Pins a model: writes it as data, loads that back, and checks that it still computes the same."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from itertools import takewhile
from pathlib import Path

import torch

from ...evidence.digest import Digest, Domain, digest
from ...evidence.documents import to_bytes
from ...evidence.manifest import ExecutionClass, FileEntry, Manifest
from ...evidence.values import Input, Tensor
from ..arithmetic.operations import TABLE
from ..graph import Graph
from ..graph_json import graph_digest, to_json
from ..model import GRAPH, MANIFEST, PinnedModel
from ..preprocessing import Encoder, encoder
from ..shards import SHARD, WEIGHTS, is_shard
from ..tensors import from_little_endian
from ..weights import write_weights
from .candidate import Candidate
from .capture import capture
from .errors import PinError

Progress = Callable[[str], None]


def pin(candidate: Candidate, directory: Path, progress: Progress = lambda _: None, *, shard: int = SHARD) -> Digest:
    """Write a model into the new folder `directory`; returns its model id.

    shard: how many bytes of weights a file may have (shards.py).
    `progress` is told what is being done. Raises PinError, or another ReperformError; then nothing is left behind.
    """
    if directory.exists():
        raise PinError(f"{directory} exists already", advice="name a new folder, or remove that one")
    if not candidate.examples:
        raise PinError("pinning needs an example input")
    made_by = encoder(candidate.input, candidate.files)
    manifest, graph, weights = as_data(candidate, made_by, progress)
    taken = [name for name in candidate.files if name in (MANIFEST, GRAPH, WEIGHTS) or is_shard(name)]
    if taken:
        raise PinError(f"a file may not be called {taken[0]}, as a part of a pinned model is")
    parts = {**candidate.files, GRAPH: to_json(graph), MANIFEST: to_bytes(manifest)}

    def fill(folder: Path) -> None:
        progress("writing")
        _write(folder, parts)
        write_weights(folder, weights, manifest.tensors, shard)
        progress("checking against the original")
        _check(PinnedModel.load(folder), candidate, made_by)

    _make(directory, fill)
    return manifest.model_id


def as_data(
    candidate: Candidate, made_by: Encoder, progress: Progress = lambda _: None
) -> tuple[Manifest, Graph, dict[str, torch.Tensor]]:
    """The model as it will be written; `made_by` is the encoder of its input. Raises PinError."""
    progress("capturing the graph, and digesting the weights")
    shapes = [shape for _, shape in made_by.signature]
    example = example_batch(candidate, made_by)
    graph, weights, tensors = capture(candidate.module, example, shapes, made_by.sizes, TABLE.keys())
    manifest = Manifest(
        name=candidate.name,
        execution_class=ExecutionClass.PORTABLE_1,
        graph=graph_digest(graph),
        tensors=tensors,
        files=tuple(FileEntry(file, digest(Domain.FILE, data)) for file, data in sorted(candidate.files.items())),
        input=candidate.input,
        outputs=tuple(candidate.outputs),
        rule=candidate.rule,
        origin=candidate.origin,
    )
    return manifest, graph, weights


def example_batch(candidate: Candidate, made_by: Encoder) -> tuple[torch.Tensor, ...]:
    """What the module is called with while it is captured."""
    first = made_by.alike(candidate.examples[0])
    alike = list(takewhile(lambda one: made_by.alike(one) == first, candidate.examples))
    # A batch of one would be taken for a constant by torch.export.
    return made_by.tensors(alike * 2 if len(alike) == 1 else alike)


def _check(model: PinnedModel, candidate: Candidate, made_by: Encoder) -> None:
    """The written model must agree with the original, and each answer with the one given alone."""
    alone = [model.run([one])[0] for one in candidate.examples]
    twice = [*candidate.examples, *candidate.examples]  # two at least run together
    if model.run(twice) != [*alone, *alone]:
        raise PinError(
            "the module mixes the inputs of a batch: an answer depends on what else is in it",
            advice="reduce, normalise and reshape within each input only",
        )
    for one, answer in zip(candidate.examples, alone, strict=True):
        for output, expected in zip(answer.tensors, original_answer(candidate, made_by, one), strict=True):
            _compare(output, expected, candidate.tolerance)


def original_answer(candidate: Candidate, made_by: Encoder, one: Input) -> list[torch.Tensor]:
    """What the model answers in its own library."""
    if candidate.original is not None:
        return list(candidate.original(one))
    module, training = candidate.module, candidate.module.training
    with torch.no_grad():
        given = module.eval()(*made_by.tensors([one]))
    module.train(training)
    return [tensor[0] for tensor in (given if isinstance(given, tuple | list) else (given,))]


def _compare(output: Tensor, expected: torch.Tensor, tolerance: float) -> None:
    found = from_little_endian(output)
    if found.shape != expected.shape:
        raise PinError(f"output {output.name!r} is {list(found.shape)}, the original's {list(expected.shape)}")
    difference = float((found.double() - expected.double()).abs().max()) if found.numel() else 0.0
    # Not `>`: a NaN is no agreement.
    if not difference <= tolerance * max(1.0, float(expected.abs().max()) if expected.numel() else 0.0):
        raise PinError(f"output {output.name!r} of the pinned model differs from the original's by {difference:.3g}")


def _write(folder: Path, parts: Mapping[str, bytes]) -> None:
    for name, data in parts.items():
        with (folder / name).open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())


def _make(directory: Path, fill: Callable[[Path], None]) -> None:
    """The folder `directory` with all that `fill` puts there and finds good, or nothing."""
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{directory.name}.", dir=directory.parent))
        try:
            fill(partial)
            partial.chmod(0o755)  # mkdtemp gives 0o700, and a pinned model is no secret
            partial.rename(directory)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        raise PinError(f"{directory} cannot be written: {error.strerror}") from error
