"""What two models do not share: parts of their manifests by name, and the first node of their graphs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ...evidence.manifest import Manifest
from ...executor.graph import Graph

_FIELDS: Final = ("name", "graph", "input", "outputs", "rule", "origin")


def parts_that_differ(ours: Manifest, theirs: Manifest) -> list[str]:
    """The parts by name, as `file tokenizer.json` or `tensor layers.0.weight`."""
    found = [name for name in _FIELDS if getattr(ours, name) != getattr(theirs, name)]
    found += _unlike("file", {f.name: f.digest for f in ours.files}, {f.name: f.digest for f in theirs.files})
    return found + _unlike("tensor", {t.name: t for t in ours.tensors}, {t.name: t for t in theirs.tensors})


def first_unlike(ours: Graph, theirs: Graph) -> int | None:
    """The first node that is not the same in both; None where inputs, or a weight's place, differ already.

    The number of nodes where the graphs do the same. Weights and outputs are compared as far as something reads them.
    """
    if ours.inputs != theirs.inputs:
        return None
    places = [{weight.name: weight.tensor for weight in graph.weights} for graph in (ours, theirs)]
    for number, (one, other) in enumerate(zip(ours.nodes, theirs.nodes, strict=False)):
        read = {name: [place.get(name) for place in places] for name in one.references()}
        if one != other or any(left != right for left, right in read.values()):
            return number
    return min(len(ours.nodes), len(theirs.nodes))


def _unlike(kind: str, ours: Mapping[str, object], theirs: Mapping[str, object]) -> list[str]:
    names = sorted(ours.keys() | theirs.keys())
    return [f"{kind} {name}" for name in names if ours.get(name) != theirs.get(name)]
