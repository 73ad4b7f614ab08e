"""Pins a torch module: writes it as data, loads that back, and checks that it still computes the same."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import torch

from ..evidence.digest import Digest, Domain, digest
from ..evidence.documents import to_bytes
from ..evidence.manifest import ExecutionClass, FileEntry, Manifest, RecordInput, TextInput, Threshold
from ..evidence.values import Input, Output
from .arithmetic.operations import TABLE
from .capture import PinError, capture
from .graph import Graph
from .graph_json import graph_digest, to_json
from .model import GRAPH, MANIFEST, WEIGHTS, PinnedModel
from .preprocessing import encoder
from .weights import entries, serialize

# portable-1 differs from native float32 by some 1e-5 of an output's size; a wrong graph differs by its size.
TOLERANCE: Final = 1e-3


def pin(
    module: torch.nn.Module,
    example: Sequence[Input],
    *,
    name: str,
    input: RecordInput | TextInput,  # noqa: A002  # the manifest's own word
    outputs: Sequence[str],
    rule: Threshold | None,
    files: Mapping[str, Path],
    directory: Path,
) -> Digest:
    """Write `module` as a pinned model into the new folder `directory`; returns its model id.

    The module takes what `input` makes of a batch of inputs: one float32 [batch, width] for records, int64
    ids and mask [batch, tokens] for texts. It returns the tensors named by `outputs`, float32 [batch, ...].
    `example` holds inputs on which the written model is compared with the module. Raises PinError, or
    another ReperformError; then nothing is left behind.
    """
    if directory.exists():
        raise PinError(f"{directory} exists already", advice="name a new folder, or remove that one")
    if not example:
        raise PinError("pinning needs an example input")
    contents = {file: _read(path) for file, path in files.items()}
    # A batch of one would be taken for a constant by torch.export.
    batch = [*example, *example] if len(example) == 1 else list(example)
    tensors = encoder(input, contents).tensors(batch)  # type: ignore[arg-type]  # the encoder of this input
    symbols = {"batch": None, "tokens": input.max_tokens} if isinstance(input, TextInput) else {"batch": None}
    graph, weights = capture(module, tensors, symbols, TABLE.keys())
    manifest = Manifest(
        name=name,
        execution_class=ExecutionClass.PORTABLE_1,
        graph=graph_digest(graph),
        tensors=entries(weights),
        files=tuple(FileEntry(file, digest(Domain.FILE, data)) for file, data in sorted(contents.items())),
        input=input,
        outputs=tuple(outputs),
        rule=rule,
    )
    parts = {**contents, **_parts(graph, weights, manifest)}
    if len(parts) != len(contents) + 3:
        raise PinError(f"a file may not be called {MANIFEST}, {GRAPH} or {WEIGHTS}")
    _write(directory, parts, lambda written: _check(PinnedModel.load(written), module, batch, tensors))
    return manifest.model_id


def _parts(graph: Graph, weights: Mapping[str, torch.Tensor], manifest: Manifest) -> dict[str, bytes]:
    return {GRAPH: to_json(graph), WEIGHTS: serialize(weights), MANIFEST: to_bytes(manifest)}


def _check(
    model: PinnedModel, module: torch.nn.Module, batch: Sequence[Input], tensors: tuple[torch.Tensor, ...]
) -> None:
    """The written model must agree with the module, and each answer with the one given alone."""
    together = model.run(batch)
    if together != [answer for one in batch for answer in model.run([one])]:
        raise PinError(
            "the module mixes the inputs of a batch: an answer depends on what else is in it",
            advice="reduce, normalise and reshape within each input only",
        )
    training = module.training
    with torch.no_grad():
        native = module.eval()(*tensors)
    module.train(training)
    for position, expected in enumerate(native if isinstance(native, tuple | list) else (native,)):
        name = model.manifest.outputs[position]
        difference = float((_stacked(together, position).view_as(expected) - expected.float()).abs().max())
        if difference > TOLERANCE * max(1.0, float(expected.abs().max())):
            raise PinError(f"output {name!r} of the pinned model differs from the module's by {difference:.3g}")


def _stacked(outputs: Sequence[Output], position: int) -> torch.Tensor:
    rows = [bytearray(output.tensors[position].data) for output in outputs]
    return torch.stack([torch.frombuffer(row, dtype=torch.float32) for row in rows])


def _write(directory: Path, parts: Mapping[str, bytes], check: Callable[[Path], None]) -> None:
    """All of `parts` on disk under `directory`, after `check` passed on them, or nothing."""
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{directory.name}.", dir=directory.parent))
        try:
            for name, data in parts.items():
                with (partial / name).open("wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
            check(partial)
            partial.chmod(0o755)  # mkdtemp gives 0o700, and a pinned model is no secret
            partial.rename(directory)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        raise PinError(f"{directory} cannot be written: {error.strerror}") from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise PinError(f"{path.name} cannot be read: {error.strerror}") from error
