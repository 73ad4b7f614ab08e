"""The canonical JSON text of a graph: keys sorted, no white space, ASCII; read strictly, by round trip.

An argument that is a value computed before is `{"ref": name}`. A real constant is `{"f64": shortest decimal
text}`, an element type `{"dtype": "F32"}`; null, booleans, integers, text and lists stand for themselves.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final, TypeVar

from ..evidence.digest import Digest, Domain, digest
from ..evidence.values import DType, parse_canonical
from .graph import Argument, Graph, GraphError, GraphInput, Node, Ref, Weight

VERSION: Final = 1
# Far above real graphs (the sentence encoder's is 20 kB), and cheap to refuse.
MAX_BYTES: Final = 64 * 1024 * 1024
MAX_DEPTH: Final = 4
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,254}")


def to_json(graph: Graph) -> bytes:
    """The canonical text of a graph."""
    body = {
        "version": VERSION,
        "inputs": [{"name": i.name, "dtype": i.dtype.value, "shape": list(i.shape)} for i in graph.inputs],
        "weights": [{"name": w.name, "tensor": w.tensor} for w in graph.weights],
        "nodes": [
            {
                "name": n.name,
                "op": n.op,
                "args": [_write(a) for a in n.args],
                "kwargs": {key: _write(a) for key, a in n.kwargs.items()},
            }
            for n in graph.nodes
        ],
        "outputs": list(graph.outputs),
    }
    return json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def graph_digest(graph: Graph) -> Digest:
    """The digest of the canonical text."""
    return digest(Domain.GRAPH, to_json(graph))


def from_json(data: bytes) -> Graph:
    """The graph whose canonical text is exactly `data`. Raises GraphError otherwise."""
    if len(data) > MAX_BYTES:
        raise GraphError(f"a graph of {len(data)} bytes; the limit is {MAX_BYTES}")
    try:
        body = json.loads(data.decode("ascii"), parse_float=_no_float, parse_constant=_no_float)
    except GraphError:
        raise
    except (ValueError, RecursionError) as error:
        raise GraphError(f"the graph is not JSON: {error!s:.100}") from error
    version = body.get("version") if isinstance(body, dict) else None
    if version != VERSION or type(version) is not int:
        raise GraphError(
            f"the graph has version {version!r:.40}; this reperform reads version {VERSION}",
            advice="use the reperform release that pinned the model, or pin it again",
        )
    _, inputs, weights, nodes, outputs = _fields(body, "version", "inputs", "weights", "nodes", "outputs")
    graph = Graph(
        inputs=tuple(_input(i) for i in _exact(list, inputs)),
        weights=tuple(_weight(w) for w in _exact(list, weights)),
        nodes=tuple(_node(n) for n in _exact(list, nodes)),
        outputs=tuple(_name(o) for o in _exact(list, outputs)),
    )
    if to_json(graph) != data:
        raise GraphError("the graph is not in canonical form: keys sorted, each once, no white space")
    return graph


def _input(item: Any) -> GraphInput:
    name, dtype, shape = _fields(item, "name", "dtype", "shape")
    sizes = tuple(_name(s) if isinstance(s, str) else _integer(s) for s in _exact(list, shape))
    if any(isinstance(s, int) and s < 0 for s in sizes):
        raise GraphError(f"the graph's input {_name(name)!r} has a negative size")
    return GraphInput(_name(name), _dtype(dtype), sizes)


def _weight(item: Any) -> Weight:
    name, tensor = _fields(item, "name", "tensor")
    return Weight(_name(name), _exact(str, tensor))


def _node(item: Any) -> Node:
    name, op, args, kwargs = _fields(item, "name", "op", "args", "kwargs")
    arguments = tuple(_read(a, MAX_DEPTH) for a in _exact(list, args))
    keywords = {_name(k): _read(a, MAX_DEPTH) for k, a in _exact(dict, kwargs).items()}
    return Node(_name(name), _name(op), arguments, keywords)


def _write(argument: Argument) -> Any:
    match argument:
        case DType():
            return {"dtype": argument.value}
        case float():
            return {"f64": repr(argument)}
        case Ref(name):
            return {"ref": name}
        case tuple():
            return [_write(a) for a in argument]
    return argument


def _read(value: Any, depth: int) -> Argument:
    match value:
        case None | bool():
            return value
        case int():
            return _integer(value)
        case str():
            return _name(value)
        case list() if depth > 0:
            return tuple(_read(v, depth - 1) for v in value)
        case {"ref": name, **rest} if not rest:
            return Ref(_name(name))
        case {"f64": text, **rest} if not rest:
            return _real(_exact(str, text))
        case {"dtype": dtype, **rest} if not rest:
            return _dtype(dtype)
    raise GraphError(f"{value!r:.60} is not an argument that a graph can hold")


def _real(text: str) -> float:
    # Masks fill with an infinity, which evidence's decimal numbers do not have.
    return float(text) if text in ("inf", "-inf") else parse_canonical(text)


def _integer(value: Any) -> int:
    number: int = _exact(int, value)
    if not -(2**63) <= number < 2**63:
        raise GraphError(f"the graph has an integer of {number.bit_length()} bits; the limit is 63 and a sign")
    return number


def _dtype(value: Any) -> DType:
    if not isinstance(value, str) or value not in list(DType):
        raise GraphError(f"{value!r:.40} is not an element type: {', '.join(DType)}")
    return DType(value)


def _name(value: Any) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise GraphError(f"{value!r:.60} is not a name: letters, digits, '_' and '.', at most 255")
    return value


T = TypeVar("T")


def _exact(kind: type[T], value: Any) -> T:
    if type(value) is not kind:
        raise GraphError(f"the graph has {value!r:.60} where it should have {kind.__name__}")
    return value


def _fields(item: Any, *names: str) -> list[Any]:
    body: dict[str, Any] = _exact(dict, item)
    if body.keys() != set(names):
        raise GraphError(f"the graph has an item with the keys {sorted(body)!s:.100}, expected {sorted(names)}")
    return [body[name] for name in names]


def _no_float(text: str) -> Any:
    raise GraphError(f"the graph has the bare number {text:.40}; a real constant is written {{'f64': text}}")
