"""Changes to a pinned model that a hostile author could make, most of them with every digest repaired."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Callable
from typing import Any, Final

import msgpack
import torch
from reperform.evidence.digest import Domain, digest
from reperform.evidence.documents import from_bytes, to_bytes
from reperform.evidence.encoding import decode
from reperform.evidence.errors import ReperformError
from reperform.evidence.manifest import Manifest
from reperform.executor.arithmetic.operations import TABLE
from reperform.executor.graph_json import from_json
from reperform.executor.model import GRAPH, MANIFEST
from reperform.executor.shards import WEIGHTS
from reperform.executor.tensors import digest_of
from reperform.tests.engine.small_models import TOKENIZER
from safetensors import SafetensorError
from safetensors.torch import load, save

Files = dict[str, bytes]
Mutation = Callable[[Files, random.Random], None]

_OPERATIONS: Final = sorted(TABLE)
_INTEGERS: Final = (0, 1, -1, 2, 3, 7, 64, 1000, 2**16, 2**20, 2**22 + 1, 2**27, 2**31 - 1, 2**31, 2**32, 2**40)
_EXTREMES: Final = (*_INTEGERS, 2**61, 2**62, 2**63 - 1, -(2**31), -(2**62), -(2**63), 2**63, 2**64 - 1)
_REALS: Final = ("0.0", "-0.0", "1.0", "-1.5", "1e-310", "3e+38", "1e+300", "inf", "-inf", "nan", "1e400", "x")
_DTYPES: Final = ("F32", "F64", "F16", "BF16", "I64", "I32", "BOOL", "I8", "", "F8_E4M3")
_TEXTS: Final = (
    "",
    "y",
    "x",
    "../../etc/passwd",
    "\u001b[2J",
    "a" * 300,
    "batch",
    "NFD",
    "Regex",
    "(a+)+$",
    "\x00",
    "▁",
)

# Larger tensors, which a mutated header can claim, are left as they are.
_LARGEST: Final = 1 << 12


def mutated(files: Files, chance: random.Random) -> Files:
    """One to four changes."""
    changed = dict(files)
    for _ in range(chance.choice((1, 1, 1, 2, 2, 4))):
        chance.choice(_MUTATIONS)(changed, chance)
    return changed


def _graph(files: Files, chance: random.Random) -> None:
    try:
        if not from_json(files[GRAPH]).nodes:
            return
    except ReperformError:
        return
    graph = json.loads(files[GRAPH])
    nodes = graph["nodes"]
    names = [item["name"] for part in ("inputs", "weights", "nodes") for item in graph[part]]
    kind, at = chance.randrange(7), chance.randrange(len(nodes))
    if kind == 0:  # an operation more, of anything
        new: dict[str, Any] = {"name": f"new{chance.randrange(10**6)}", "op": chance.choice(_OPERATIONS), "kwargs": {}}
        new["args"] = [_argument(names[: len(names) - len(nodes) + at + 1], chance) for _ in range(chance.randrange(6))]
        nodes.insert(at + 1, new)
        if at + 2 < len(nodes) and chance.random() < 0.7:  # and a use of it
            _replace_reference(nodes[at + 2 :], nodes[at]["name"], new["name"])
    elif kind == 1:
        nodes[at]["op"] = chance.choice(_OPERATIONS)
    elif kind == 2:
        nodes[at]["args"].insert(chance.randrange(len(nodes[at]["args"]) + 1), _argument(names, chance))
    elif kind == 3:
        del nodes[at]
    elif kind == 4:
        other = chance.randrange(len(nodes))
        nodes[at], nodes[other] = nodes[other], nodes[at]
    else:
        _change(graph, chance)
    files[GRAPH] = json.dumps(graph, sort_keys=True, separators=(",", ":")).encode()
    repair(files)


def _replace_reference(nodes: list[Any], old: str, new: str) -> None:
    for node in nodes:
        node["args"] = [{"ref": new} if argument == {"ref": old} else argument for argument in node["args"]]


def _argument(names: list[str], chance: random.Random) -> Any:
    kind = chance.randrange(10)
    if kind < 4:
        return {"ref": chance.choice(names)}
    if kind < 6:
        return chance.choice(_INTEGERS)
    if kind < 8:
        return [chance.choice(_INTEGERS) for _ in range(chance.randrange(1, 5))]
    return chance.choice(
        (None, True, False, {"f64": "0.5"}, {"dtype": "I64"}, {"dtype": "F32"}, [{"ref": chance.choice(names)}] * 3)
    )


def _change(tree: Any, chance: random.Random) -> None:
    """Another value at a random place of nested lists and dictionaries."""
    places = list(_places(tree))
    if not places:
        return
    holder, key = chance.choice(places)
    value = holder[key]
    if isinstance(value, bool) or value is None:
        holder[key] = chance.choice((True, False, None, 1))
    elif isinstance(value, int):
        holder[key] = chance.choice(_EXTREMES)
    elif isinstance(value, bytes):
        holder[key] = chance.randbytes(len(value))
    elif isinstance(value, str):
        holder[key] = chance.choice((*_TEXTS, *_REALS, *_DTYPES, *_OPERATIONS))
    elif isinstance(value, list):
        holder[key] = chance.choice((value * 2, value[1:], [value], [], value[::-1], value * 50))
    else:
        holder[key] = chance.choice((dict(list(value.items())[1:]), [value], None))


def _places(tree: Any) -> Any:
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        yield tree, key
        yield from _places(value)


def _manifest(files: Files, chance: random.Random) -> None:
    try:
        tree = decode(files[MANIFEST])
    except ReperformError:
        return
    _change(tree, chance)
    try:
        files[MANIFEST] = msgpack.packb(tree, use_bin_type=True)
    except (ValueError, OverflowError):
        return


def _weights(files: Files, chance: random.Random) -> None:
    """Other tensors under the same names, and a manifest that says so."""
    try:
        tensors = load(files[WEIGHTS])
    except (SafetensorError, ValueError, KeyError):
        return
    name = chance.choice(sorted(tensors))
    tensor = tensors[name]
    if tensor.dim() > 4 or max(tensor.shape, default=0) > _LARGEST:
        return
    kind = chance.randrange(5)
    if kind == 0:
        value = chance.choice((float("nan"), float("inf"), -1.0, 1e30, 1e-42))
        if tensor.is_floating_point():
            tensor = torch.full(tensor.shape, value).to(tensor.dtype)
    elif kind == 1:
        tensor = tensor.to(chance.choice((torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.bool)))
    elif kind == 2:
        tensor = tensor.reshape(chance.choice(([-1], [1, -1], [-1, 1], [1, 1, -1])))
    elif kind == 3:
        tensor = tensor.reshape(-1)[: chance.randrange(4)].clone()
    else:
        tensor = tensor.repeat(*[chance.choice((1, 2, 5))] * max(1, tensor.dim()))
    tensors[name] = tensor.contiguous()
    files[WEIGHTS] = save(tensors)
    manifest = _json_of_manifest(files)
    if manifest is None:
        return
    for entry in manifest["tensors"]:
        if entry.get("name") == name:
            dtype = {"float32": "F32", "float64": "F64", "float16": "F16", "bfloat16": "BF16", "int64": "I64"}
            entry["dtype"] = dtype.get(str(tensor.dtype).removeprefix("torch."), "BOOL")
            entry["shape"] = list(tensor.shape)
            entry["digest"] = digest_of(tensor).value
    files[MANIFEST] = msgpack.packb(manifest, use_bin_type=True)


def _header(files: Files, chance: random.Random) -> None:
    """Another header of the weights, over the same bytes."""
    data = files[WEIGHTS]
    size = struct.unpack("<Q", data[:8])[0] if len(data) >= 8 else 0
    header = _json(data[8 : 8 + size]) if size < len(data) else None
    if not isinstance(header, dict):
        return
    _change(header, chance)
    text = json.dumps(header).encode()
    length = chance.choice((len(text), len(text), len(text), len(text) - 1, 2**63, 2**64 - 1))
    files[WEIGHTS] = struct.pack("<Q", length) + text + data[8 + size :]


def _tokenizer(files: Files, chance: random.Random) -> None:
    if TOKENIZER not in files:
        return
    body = _json(files[TOKENIZER])
    if not isinstance(body, dict):
        return
    kind = chance.randrange(4)
    if kind == 0:
        pattern: Any = {chance.choice(("Regex", "String")): chance.choice(("a", "", " ", "(a|a)*b", "\\s+", "."))}
        body["normalizer"] = {"type": "Replace", "pattern": pattern, "content": chance.choice(("", "x" * 5000, "▁"))}
    elif kind == 1:
        pattern = {"Regex": chance.choice(("(e+)+$", "\\s+", "(?:e|e)*k", ".*?", "[", "(?<a>e)\\k<a>"))}
        body["pre_tokenizer"] = {"type": "Split", "pattern": pattern, "behavior": "Isolated", "invert": False}
    else:
        _change(body, chance)
    files[TOKENIZER] = json.dumps(body).encode()
    repair(files)


def _bytes(files: Files, chance: random.Random) -> None:
    name = chance.choice(sorted(files))
    data = bytearray(files[name])
    for _ in range(chance.randrange(1, 4)):
        if not data:
            return
        at = chance.randrange(len(data))
        kind = chance.randrange(4)
        if kind == 0:
            data[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            data[at] = chance.randrange(256)
        elif kind == 2:
            del data[at : at + chance.randrange(1, 20)]
        else:
            data[at:at] = chance.randbytes(chance.randrange(1, 9))
    files[name] = bytes(data)
    if chance.random() < 0.7:
        repair(files)


def repair(files: Files) -> None:
    """Write the digests of the graph and of the other files into the manifest, if that can be read."""
    manifest = _json_of_manifest(files)
    if manifest is None:
        return
    manifest["graph"] = digest(Domain.GRAPH, files[GRAPH]).value
    for entry in manifest["files"]:
        if entry.get("name") in files:
            entry["digest"] = digest(Domain.FILE, files[entry["name"]]).value
    files[MANIFEST] = msgpack.packb(manifest, use_bin_type=True)


def _json_of_manifest(files: Files) -> Any:
    try:
        return decode(to_bytes(from_bytes(Manifest, files[MANIFEST])))
    except ReperformError:
        return None


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


_MUTATIONS: Final[tuple[Mutation, ...]] = (
    *(_graph,) * 8,
    *(_manifest,) * 3,
    *(_weights,) * 2,
    *(_header,) * 2,
    *(_tokenizer,) * 2,
    *(_bytes,) * 2,
)
