"""A pinned model as people read it: what it takes and gives, its operations, tensors and files, under their digests."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from ..evidence.inputs import (
    AudioInput,
    CategoryColumn,
    ImageInput,
    Missing,
    NumberColumn,
    RecordInput,
    TextInput,
    Unknown,
)
from ..evidence.manifest import Manifest
from ..evidence.rules import Rule, Threshold
from ..executor.graph import Graph


def as_data(manifest: Manifest, graph: Graph) -> dict[str, Any]:
    """Everything that the manifest says, and a summary of the graph."""
    return {
        "model": str(manifest.model_id),
        "name": manifest.name,
        "execution_class": str(manifest.execution_class),
        "input": _plain(manifest.input),
        "outputs": list(manifest.outputs),
        "rule": manifest.rule and _plain(manifest.rule),
        "graph": {
            "digest": str(manifest.graph),
            "inputs": [{"name": i.name, "dtype": str(i.dtype), "shape": list(i.shape)} for i in graph.inputs],
            "nodes": len(graph.nodes),
            "operations": dict(_operations(graph)),
        },
        "tensors": [
            {"name": t.name, "dtype": str(t.dtype), "shape": list(t.shape), "digest": str(t.digest)}
            for t in manifest.tensors
        ],
        "parameters": _parameters(manifest),
        "bytes": _bytes(manifest),
        "origin": manifest.origin
        and {
            "method": str(manifest.origin.method),
            "public_key": manifest.origin.public_key.hex(),
            "signature": manifest.origin.signature,
            "root": str(manifest.origin.root),
        },
        "files": [{"name": file.name, "digest": str(file.digest)} for file in manifest.files],
    }


def as_lines(manifest: Manifest, graph: Graph) -> Iterator[str]:
    """The same for a terminal; the digests shortened, the model's in full."""
    yield from summary(manifest, graph)
    for tensor in manifest.tensors:
        yield f"  {tensor.digest.short()}  {tensor.name}  {tensor.dtype}{list(tensor.shape)}"
    for file in manifest.files:
        yield f"file {file.digest.short()}  {file.name}"


def summary(manifest: Manifest, graph: Graph) -> Iterator[str]:
    """What a model takes and gives, its operations and its size."""
    yield f"{manifest.name}, {manifest.execution_class}"
    yield f"model id {manifest.model_id}"
    yield ""
    yield from _takes(manifest)
    yield f"gives {', '.join(manifest.outputs)}"
    if manifest.rule is not None:
        yield _decides(manifest.rule, manifest.outputs[0])
    yield ""
    yield f"graph {manifest.graph.short()}: {len(graph.nodes)} nodes of {len(_operations(graph))} operations"
    for op, count in _operations(graph):
        yield f"  {count:6,}  {op}"
    yield ""
    yield f"{len(manifest.tensors)} tensors, {_parameters(manifest):,} numbers, {_bytes(manifest):,} bytes"
    if (origin := manifest.origin) is not None:
        key = hashlib.sha256(origin.public_key).hexdigest()
        yield f"pinned from files that were signed by the key with SHA-256 {key} ({origin.signature})"


def _operations(graph: Graph) -> list[tuple[str, int]]:
    """How often each is used, the most frequent first."""
    counts = Counter(node.op for node in graph.nodes)
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _parameters(manifest: Manifest) -> int:
    return sum(math.prod(tensor.shape) for tensor in manifest.tensors)


def _bytes(manifest: Manifest) -> int:
    return sum(math.prod(tensor.shape) * tensor.dtype.size for tensor in manifest.tensors)


def _plain(value: Any) -> Any:
    """A document as JSON can hold it."""
    if is_dataclass(value):
        kind = getattr(value, "KIND", "").partition("/")[0]
        return {"kind": kind, **{field.name: _plain(getattr(value, field.name)) for field in fields(value)}}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def _takes(manifest: Manifest) -> Iterator[str]:
    match manifest.input:
        case RecordInput(columns):
            yield f"takes a record of {len(columns)} columns"
            yield from map(_column, columns)
        case TextInput(tokenizer, most):
            yield f"takes a text of at most {most:,} tokens of {tokenizer}"
        case ImageInput() as image:
            yield f"takes an image of {image.width} x {image.height} pixels, {image.channels}"
            yield f"  as {image.order}, {image.layout}: (pixel / {image.divisor} - mean) / scale"
            for channel, mean, scale in zip(image.order, image.mean, image.scale, strict=True):
                yield f"  {channel}: mean {mean}, scale {scale}"
        case AudioInput() as audio:
            yield f"takes a sound of {audio.least:,} to {audio.most:,} samples at {audio.rate:,} per second"
        case tensors:
            yield f"takes {len(tensors.tensors)} tensors"
            for tensor in tensors.tensors:
                yield f"  {tensor.name}: {tensor.description}; {tensor.dtype}[{', '.join(map(str, tensor.shape))}]"
            for size in tensors.sizes:
                yield f"  {size.name}: {size.least:,} to {size.most:,}"


def _column(column: NumberColumn | CategoryColumn) -> str:
    if isinstance(column, CategoryColumn):
        how = "one of " + ", ".join(map(repr, column.categories))
        how += ", or any other" if column.unknown is Unknown.ZEROS else ""
        missing = column.stand_in and repr(column.stand_in)
    else:
        how = "a number" if column.unit is None else f"a number in {column.unit}"
        missing = "marked as missing" if column.missing is Missing.MARKED else column.stand_in
    means = f"{column.description}; " if column.description else ""
    return f"  {column.name}: {means}{how}" + (f"; {missing} where it is missing" if missing else "")


def _decides(rule: Rule, output: str) -> str:
    if isinstance(rule, Threshold):
        return f"decides {rule.at_or_above!r} where {output} is at least {rule.at}, else {rule.below!r}"
    return f"decides by the largest of {output}: {', '.join(map(repr, rule.labels))}"
