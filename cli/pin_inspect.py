"""A pinned model as people read it: what it takes and gives, its operations, tensors and files, under their digests."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from typing import Any

from ..evidence.manifest import CategoryColumn, Manifest, NumberColumn, RecordInput, TensorEntry, TextInput
from ..executor.graph import Graph
from ..executor.model import PinnedModel


def as_data(model: PinnedModel) -> dict[str, Any]:
    """Everything that the manifest says, and a summary of the graph."""
    manifest, graph = model.manifest, model.program.graph
    rule = manifest.rule
    return {
        "model": str(model.model_id),
        "name": manifest.name,
        "execution_class": str(manifest.execution_class),
        "input": _input(manifest.input),
        "outputs": list(manifest.outputs),
        "rule": rule and {"at": rule.at, "at_or_above": rule.at_or_above, "below": rule.below},
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
        "parameters": sum(math.prod(tensor.shape) for tensor in manifest.tensors),
        "bytes": sum(map(_bytes, manifest.tensors)),
        "files": [{"name": file.name, "digest": str(file.digest)} for file in manifest.files],
    }


def as_lines(model: PinnedModel) -> Iterator[str]:
    """The same for a terminal; the digests shortened, the model's in full."""
    manifest, graph = model.manifest, model.program.graph
    yield f"{manifest.name}, {manifest.execution_class}"
    yield f"model id {model.model_id}"
    yield ""
    yield from _takes(manifest)
    yield f"gives {', '.join(manifest.outputs)}"
    if (rule := manifest.rule) is not None:
        yield f"decides {rule.at_or_above!r} where {manifest.outputs[0]} is at least {rule.at}, else {rule.below!r}"
    yield ""
    yield f"graph {manifest.graph.short()}: {len(graph.nodes)} nodes of {len(dict(_operations(graph)))} operations"
    for op, count in _operations(graph):
        yield f"  {count:6,}  {op}"
    yield ""
    elements = sum(math.prod(tensor.shape) for tensor in manifest.tensors)
    size = sum(map(_bytes, manifest.tensors))
    yield f"{len(manifest.tensors)} tensors, {elements:,} numbers, {size:,} bytes"
    for tensor in manifest.tensors:
        yield f"  {tensor.digest.short()}  {tensor.name}  {tensor.dtype}{list(tensor.shape)}"
    for file in manifest.files:
        yield f"file {file.digest.short()}  {file.name}"


def _operations(graph: Graph) -> list[tuple[str, int]]:
    """How often each is used, the most frequent first."""
    counts = Counter(node.op for node in graph.nodes)
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _bytes(tensor: TensorEntry) -> int:
    return math.prod(tensor.shape) * tensor.dtype.size


def _input(spec: RecordInput | TextInput) -> dict[str, Any]:
    if isinstance(spec, TextInput):
        return {"kind": "text", "tokenizer": spec.tokenizer, "max_tokens": spec.max_tokens}
    return {"kind": "record", "columns": [_column(column) for column in spec.columns]}


def _column(column: NumberColumn | CategoryColumn) -> dict[str, Any]:
    named = {"name": column.name, "description": column.description}
    if isinstance(column, CategoryColumn):
        return {**named, "kind": "category", "categories": list(column.categories)}
    return {**named, "kind": "number", "mean": column.mean, "scale": column.scale, "missing": column.missing}


def _takes(manifest: Manifest) -> Iterator[str]:
    spec = manifest.input
    if isinstance(spec, TextInput):
        yield f"takes a text of at most {spec.max_tokens:,} tokens of {spec.tokenizer}"
        return
    yield f"takes a record of {len(spec.columns)} columns"
    for column in spec.columns:
        if isinstance(column, CategoryColumn):
            how = "one of " + ", ".join(map(repr, column.categories))
        else:
            how = "a number" if column.missing is None else f"a number; {column.missing} where it is missing"
        yield f"  {column.name}: {column.description}; {how}"
