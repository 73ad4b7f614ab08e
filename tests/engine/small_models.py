"""Pinned models of a few nodes, one for each kind of input, written without a library; and an input for any model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import torch
from reperform.evidence.digest import Domain, digest
from reperform.evidence.documents import to_bytes
from reperform.evidence.inputs import (
    AudioInput,
    CategoryColumn,
    ImageInput,
    InputSpec,
    Layout,
    Missing,
    NumberColumn,
    RecordInput,
    Size,
    TensorColumn,
    TensorsInput,
    TextInput,
)
from reperform.evidence.manifest import ExecutionClass, FileEntry, Manifest
from reperform.evidence.rules import Largest, Rule, Threshold
from reperform.evidence.values import Audio, Channels, DType, Image, Input, Record, Tensor, Tensors, Text
from reperform.executor.graph import Graph, GraphInput, Node, Ref, Weight
from reperform.executor.graph_json import graph_digest, to_json
from reperform.executor.model import GRAPH, MANIFEST
from reperform.executor.shards import WEIGHTS
from reperform.executor.weights import entries, serialize

TOKENIZER: Final = "tokenizer.json"
_WORDS: Final = ("[UNK]", "we", "like", "it", "not")

# What a generated input may take: the sizes that a hostile manifest asks for are not ours to allocate.
_MOST: Final = 1 << 20


def tokenizer() -> bytes:
    """A tokenizer of five words."""
    body: dict[str, Any] = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": {"type": "Sequence", "normalizers": [{"type": "Lowercase"}, {"type": "NFC"}]},
        "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": None,
        "decoder": None,
        "model": {"type": "WordLevel", "vocab": {w: i for i, w in enumerate(_WORDS)}, "unk_token": "[UNK]"},
    }
    return json.dumps(body).encode()


def models() -> dict[str, dict[str, bytes]]:
    """Each model's files, by the kind of its input."""
    return {
        "record": _record(),
        "text": _text(),
        "image": _image(),
        "audio": _audio(),
        "tensors": _tensors(),
    }


def write(files: Mapping[str, bytes], folder: Path) -> Path:
    """The files in a new folder."""
    folder.mkdir(parents=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def repaired(manifest: Manifest, files: Mapping[str, bytes]) -> Manifest:
    """The manifest with the digests of these files' graph and other files: what a hostile author would write."""
    named = tuple(replace(f, digest=digest(Domain.FILE, files.get(f.name, b""))) for f in manifest.files)
    return replace(manifest, graph=digest(Domain.GRAPH, files[GRAPH]), files=named)


def an_input(spec: InputSpec) -> Input | None:
    """The least input that a model takes; None if that is too large to make."""
    match spec:
        case RecordInput():
            return Record.of({c.name: "1.5" if isinstance(c, NumberColumn) else c.categories[0] for c in spec.columns})
        case TextInput():
            return Text("We like it")
        case ImageInput():
            pixels = spec.width * spec.height * len(spec.channels)
            return None if pixels > _MOST else Image(spec.width, spec.height, spec.channels, bytes(pixels))
        case AudioInput():
            return None if spec.least > _MOST else Audio(spec.rate, bytes(2 * spec.least))
    least = {size.name: size.least for size in spec.sizes}
    tensors = []
    for column in spec.tensors:
        shape = tuple(least[size] if isinstance(size, str) else size for size in column.shape)
        count = 1
        for size in shape:
            count *= size
        if count > _MOST:
            return None
        tensors.append(Tensor(column.name, column.dtype, shape, bytes(count * column.dtype.size)))
    return Tensors(tuple(tensors))


def _record() -> dict[str, bytes]:
    columns = (
        NumberColumn("age", "", mean="40.0", scale="10.0", missing=Missing.MARKED, stand_in="40.0"),
        CategoryColumn("house", "", ("owned", "rented")),
    )
    graph = Graph(
        (GraphInput("x", DType.F32, ("batch", 4)),),
        (Weight("w", "layer.weight"), Weight("b", "layer.bias"), Weight("v", "last.weight")),
        (
            Node("h", "aten.linear.default", (Ref("x"), Ref("w"), Ref("b")), {}),
            Node("r", "aten.relu.default", (Ref("h"),), {}),
            Node("c", "aten.cat.default", ((Ref("h"), Ref("r")), 1), {}),
            Node("n", "aten.layer_norm.default", (Ref("c"), (6,)), {}),
            Node("l", "aten.linear.default", (Ref("n"), Ref("v")), {}),
            Node("y", "aten.sigmoid.default", (Ref("l"),), {}),
        ),
        ("y",),
    )
    weights = {"layer.weight": _noise(3, 4), "layer.bias": _noise(3), "last.weight": _noise(1, 6)}
    return _pinned("record", graph, weights, RecordInput(columns), Threshold("0.5", "yes", "no"))


def _text() -> dict[str, bytes]:
    tokens: tuple[int | str, ...] = ("batch", "tokens")
    graph = Graph(
        (GraphInput("ids", DType.I64, tokens), GraphInput("mask", DType.I64, tokens)),
        (Weight("table", "embedding"), Weight("w", "out")),
        (
            Node("e", "aten.embedding.default", (Ref("table"), Ref("ids")), {}),
            Node("m", "aten.to.dtype", (Ref("mask"), DType.F32), {}),
            Node("u", "aten.unsqueeze.default", (Ref("m"), -1), {}),
            Node("k", "aten.mul.Tensor", (Ref("e"), Ref("u")), {}),
            Node("b", "aten.sym_size.int", (Ref("ids"), 0), {}),
            Node("t", "aten.sym_size.int", (Ref("ids"), 1), {}),
            Node("q", "aten.view.default", (Ref("k"), (Ref("b"), Ref("t"), 2, 2)), {}),
            Node("h", "aten.transpose.int", (Ref("q"), 1, 2), {}),
            Node("a", "aten.scaled_dot_product_attention.default", (Ref("h"), Ref("h"), Ref("h")), {}),
            Node("s", "aten.sum.dim_IntList", (Ref("a"), (1, 2)), {}),
            Node("y", "aten.linear.default", (Ref("s"), Ref("w")), {}),
        ),
        ("y",),
    )
    spec = TextInput(TOKENIZER, 16)
    weights = {"embedding": _noise(5, 4), "out": _noise(3, 2)}
    return _pinned("text", graph, weights, spec, Largest(("a", "b", "c")), {TOKENIZER: tokenizer()})


def _image() -> dict[str, bytes]:
    graph = Graph(
        (GraphInput("x", DType.F32, ("batch", 3, 6, 6)),),
        (Weight("w", "filters"), Weight("mean", "mean"), Weight("var", "var")),
        (
            Node("p", "aten.constant_pad_nd.default", (Ref("x"), (1, 1, 1, 1), 0.0), {}),
            Node("c", "aten.conv2d.default", (Ref("p"), Ref("w"), None, (2, 2), (1, 1)), {}),
            Node(
                "n",
                "aten.batch_norm.default",
                (Ref("c"), None, None, Ref("mean"), Ref("var"), False, 0.1, 1e-05, True),
                {},
            ),
            Node("m", "aten.max_pool2d.default", (Ref("n"), (2, 2), (1, 1)), {}),
            Node("g", "aten.adaptive_avg_pool2d.default", (Ref("m"), (1, 1)), {}),
            Node("y", "aten.flatten.using_ints", (Ref("g"), 1), {}),
        ),
        ("y",),
    )
    weights = {"filters": _noise(2, 3, 3, 3), "mean": _noise(2), "var": torch.ones(2)}
    three = ("0.5", "0.5", "0.5")
    spec = ImageInput(6, 6, Channels.COLOUR, "BGR", Layout.CHANNELS_FIRST, "255.0", three, three)
    return _pinned("image", graph, weights, spec, Largest(("cat", "dog")))


def _audio() -> dict[str, bytes]:
    each = (Ref("w"), Ref("u"))
    graph = Graph(
        (GraphInput("x", DType.F32, ("batch", "samples")),),
        (Weight("w", "input"), Weight("u", "hidden"), Weight("h", "start")),
        (
            Node("f", "aten.unfold.default", (Ref("x"), 1, 4, 4), {}),
            Node("b", "aten.sym_size.int", (Ref("x"), 0), {}),
            Node("z", "aten.expand.default", (Ref("h"), (1, Ref("b"), 2)), {}),
            Node("r", "aten.gru.input", (Ref("f"), Ref("z"), each, False, 1, 0.0, False, False, True), {}),
            Node("o", "operator.getitem", (Ref("r"), 0), {}),
            Node("y", "aten.amax.default", (Ref("o"), (1,)), {}),
        ),
        ("y",),
    )
    weights = {"input": _noise(6, 4), "hidden": _noise(6, 2), "start": torch.zeros(1, 1, 2)}
    return _pinned("audio", graph, weights, AudioInput(16000, 16, 64, "32768.0"), None)


def _tensors() -> dict[str, bytes]:
    spec = TensorsInput(
        (TensorColumn("x", "", DType.F32, ("length", 2)), TensorColumn("i", "", DType.I64, ("length",))),
        (Size("length", 2, 8),),
    )
    graph = Graph(
        (GraphInput("x", DType.F32, ("batch", "length", 2)), GraphInput("i", DType.I64, ("batch", "length"))),
        (Weight("half", "half"),),
        (
            Node("n", "aten.sym_size.int", (Ref("i"), 1), {}),
            Node("a", "aten.arange.default", (Ref("n"),), {}),
            Node("j", "aten.add.Tensor", (Ref("a"), Ref("i")), {}),
            Node("c", "aten.clamp.default", (Ref("j"), 0, 1), {}),
            Node("u", "aten.unsqueeze.default", (Ref("c"), -1), {}),
            Node("g", "aten.gather.default", (Ref("x"), 2, Ref("u")), {}),
            Node("m", "aten.mul.Tensor", (Ref("g"), Ref("half")), {}),
            Node("s", "aten.topk.default", (Ref("m"), 2, 1), {}),
            Node("v", "operator.getitem", (Ref("s"), 0), {}),
            Node("y", "aten.softmax.int", (Ref("v"), 1), {}),
        ),
        ("y",),
    )
    return _pinned("tensors", graph, {"half": torch.tensor([0.5], dtype=torch.float16)}, spec, None)


def _noise(*shape: int) -> torch.Tensor:
    return torch.linspace(-1.0, 1.0, torch.Size(shape).numel()).reshape(shape)


def _pinned(  # noqa: PLR0917
    name: str,
    graph: Graph,
    weights: Mapping[str, torch.Tensor],
    spec: InputSpec,
    rule: Rule | None,
    files: Mapping[str, bytes] | None = None,
) -> dict[str, bytes]:
    others = dict(files or {})
    manifest = Manifest(
        name=name,
        execution_class=ExecutionClass.PORTABLE_1,
        graph=graph_digest(graph),
        tensors=entries(weights),
        files=tuple(FileEntry(file, digest(Domain.FILE, data)) for file, data in sorted(others.items())),
        input=spec,
        outputs=("y",),
        rule=rule,
    )
    return {**others, GRAPH: to_json(graph), WEIGHTS: serialize(weights), MANIFEST: to_bytes(manifest)}
