"""Where two parties part on one decision, and who is wrong.

First the graphs' inputs are compared, then the traces are bisected. What is found is computed again by the model that
the receipt names, under the reference arithmetic, from what both signed to: nobody's copy of anything is believed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import zip_longest

import torch

from ...evidence.digest import Digest
from ...evidence.localisation.bisection import Bisection, ContradictionError, Halves, Question
from ...evidence.localisation.operands import OpenedInput, Operands
from ...evidence.localisation.statement import (
    DisputedGraph,
    DisputedInput,
    DisputedOperation,
    LeafProof,
    Localisation,
    Place,
    Testimony,
    check,
    judged,
)
from ...evidence.receipt import Receipt, receipt_id
from ...evidence.values import Tensor
from ...executor.tensors import digest_of, from_little_endian
from ...executor.trace import parts_of
from .differences import first_unlike
from .errors import LocalisationError
from .folder import TraceFolder, tensor_of
from .library import Held, named
from .step import Step, computed, names_of, run_step, step_of

Parties = tuple[TraceFolder, TraceFolder]


@dataclass(frozen=True, slots=True)
class Located:
    """The statement, what its check reads besides, and what the bisection took."""

    statement: Localisation
    operands: Operands
    rounds: int
    hashes: int


@dataclass(frozen=True, slots=True)
class _Found:
    """A dispute, before it is stated."""

    place: Place
    claims: tuple[Digest | None, Digest | None]
    right: Digest | None
    operands: Operands
    leaves: tuple[int, ...] = ()


def locate(a: TraceFolder, b: TraceFolder, models: Mapping[Digest, Held]) -> Located | None:
    """The first place where A and B part; None where their traces are the same. Raises a ReperformError.

    models: the one that the receipt names, and those of the parties that ran another, as far as they are to be had.
    """
    parties = (a, b)
    for number, party in enumerate(parties):
        _check_counts(number, party)
    opened = _opened(parties)
    right = named(models, opened.receipt.parse(Receipt).model)
    common, unlike = _common(parties, right)
    rounds = hashes = 0
    if common is None:
        found: _Found | None = _graph(parties, right, None)
    elif a.head.inputs != b.head.inputs:
        found = _input(parties, right, opened)
    else:
        leaf, rounds, hashes = bisect(a, b)
        place = _place(parties, leaf)
        if place is not None and place[0] < common:
            found = _operation(parties, right, models, *place)
        else:
            found = _graph(parties, right, common) if unlike else None
    if found is None:
        return None
    statement = Localisation(
        receipt=opened.receipt,
        place=found.place,
        a=_testimony(a, right, found, 0),
        b=_testimony(b, right, found, 1),
        right=found.right,
        verdict=judged(*found.claims, found.right),
    )
    check(statement)
    return Located(statement, found.operands, rounds, hashes)


def bisect(a: TraceFolder, b: TraceFolder) -> tuple[int | None, int, int]:
    """The first leaf in which the traces differ, if any; rounds, and hashes that were exchanged."""
    state, rounds, hashes = Bisection.of(a.head, b.head), 0, 2
    while state is not None and state.found is None:
        asked_a, asked_b = state.questions()
        state = state.then(_said(a, asked_a), _said(b, asked_b))
        rounds, hashes = rounds + 1, hashes + 2 * ((asked_a is not None) + (asked_b is not None))
    return None if state is None else state.found, rounds, hashes


def _check_counts(number: int, party: TraceFolder) -> None:
    counted = len(party.head.inputs), len(party.head.parts)
    if counted != (len(party.graph.inputs), len(party.graph.nodes)):
        raise ContradictionError(number, "its trace is not of as many inputs and nodes as its graph has")


def _said(party: TraceFolder, question: Question | None) -> Halves | None:
    return None if question is None else party.answer(question)


def _opened(parties: Parties) -> OpenedInput:
    """The input of the decision that both traces are of. Raises LocalisationError."""
    a, b = (party.head.receipt for party in parties)
    if a != b:
        raise LocalisationError("the traces are of different decisions", advice="replay the same decision file")
    for party in parties:
        opened = party.inputs.opened
        if opened is not None and receipt_id(opened.receipt) == a:
            opened.check()
            return opened
    raise LocalisationError("neither trace has the receipt and the input of its decision")


def _common(parties: Parties, right: Held) -> tuple[int | None, bool]:
    """How many first nodes all the graphs share, or None where their inputs differ; whether a graph differs at all."""
    others = [party.graph for party in parties if party.manifest.graph != right.manifest.graph]
    shared = [first_unlike(right.graph, graph) for graph in others]
    known = [number for number in shared if number is not None]
    return (min([len(right.graph.nodes), *known]) if len(known) == len(shared) else None), bool(others)


def _place(parties: Parties, leaf: int | None) -> tuple[int, int] | None:
    """Node and part of the first leaf that differs, in its digest or in what it is of."""
    a, b = (party.head for party in parties)
    counts = zip_longest(a.parts, b.parts)
    unlike = next((number for number, (one, other) in enumerate(counts) if one != other), None)
    places = [] if leaf is None else [min(a.place(leaf), b.place(leaf))]
    if unlike is not None and unlike < min(len(a.parts), len(b.parts)):
        places.append((unlike, min(a.parts[unlike], b.parts[unlike])))
    return min(places, default=None)


def _graph(parties: Parties, right: Held, node: int | None) -> _Found | None:
    a, b = (party.manifest.graph for party in parties)
    if a == b:
        return None  # both ran the same other graph
    return _Found(DisputedGraph(node), (a, b), right.manifest.graph, Operands((), None))


def _input(parties: Parties, right: Held, opened: OpenedInput) -> _Found:
    a, b = (party.head.inputs for party in parties)
    number = next(n for n, (one, other) in enumerate(zip(a, b, strict=True)) if one != other)
    tensor = right.model.tensors([opened.check()])[number]
    shown = [_shown(party, number) for party in parties]
    place = DisputedInput(number, right.graph.inputs[number].name, _first_element(*shown))
    return _Found(place, (a[number], b[number]), digest_of(tensor), Operands((), opened))


def _shown(party: TraceFolder, number: int) -> torch.Tensor | None:
    """An input of the graph as the party shows it, if it is what it signed to."""
    tensors = party.inputs.tensors
    tensor = from_little_endian(tensors[number]) if number < len(tensors) else None
    return tensor if tensor is not None and digest_of(tensor) == party.head.inputs[number] else None


def _first_element(a: torch.Tensor | None, b: torch.Tensor | None) -> int | None:
    """The first element, row by row, that differs; or that one has and the other lacks."""
    if a is None or b is None:
        return None
    left, right = (tensor.reshape(-1) for tensor in (a, b))
    size = min(left.numel(), right.numel())
    unlike = (left[:size] != right[:size]).nonzero()
    return int(unlike[0]) if len(unlike) else size


def _operation(parties: Parties, right: Held, models: Mapping[Digest, Held], node: int, part: int) -> _Found:
    parts = parties[0].head.parts
    step = step_of(right.graph, node, parts)
    leaves = [parties[0].head.leaf(number) + k for number in step.results for k in range(parts[number])]
    proofs = [parties[0].prove(leaf).leaf for leaf in leaves]
    expected = [parties[0].head.inputs[number] for number in step.inputs] + proofs
    operands = _operands(parties, models, right, step, expected)
    tensors = {tensor.name: from_little_endian(tensor) for tensor in operands.tensors}
    given = run_step(right.graph, step, parts, tensors, right.weights(step))
    claims = tuple(_claim(party, node, part) for party in parties)
    place = DisputedOperation(node, part, step.node.name, step.node.op)
    index = parties[0].head.leaf(node) + part
    found = given[part] if part < len(given) else None
    return _Found(place, (claims[0], claims[1]), found, operands, (*leaves, index))


def _claim(party: TraceFolder, node: int, part: int) -> Digest | None:
    head = party.head
    return party.prove(head.leaf(node) + part).leaf if part < head.parts[node] else None


def _operands(
    parties: Parties, models: Mapping[Digest, Held], right: Held, step: Step, expected: list[Digest]
) -> Operands:
    """What the operation reads, computed again by whoever gets what both signed to. Raises LocalisationError."""
    ran = [models.get(party.head.model) for party in parties]
    for party in parties:
        for model in {id(held): held for held in (right, *ran) if held is not None}.values():
            tensors = _recomputed(party, model, step)
            if [digest_of(from_little_endian(tensor)) for tensor in tensors] == expected:
                return Operands(tensors, None)
    raise LocalisationError(
        "no model here gives what both parties say that the operation read",
        advice="name the folder of the model that a party ran with --model",
    )


def _recomputed(party: TraceFolder, model: Held, step: Step) -> tuple[Tensor, ...]:
    parts = party.head.parts
    given = [from_little_endian(tensor) for tensor in party.inputs.tensors]
    taken: dict[int, list[Tensor]] = {}

    def take(number: int, value: object) -> None:
        names = names_of(model.graph, number, parts)
        tensors = [part for part in parts_of(value) if isinstance(part, torch.Tensor)]
        taken[number] = [tensor_of(name, tensor) for name, tensor in zip(names, tensors, strict=False)]

    computed(model.model.program, given, step.results, take)
    inputs = (tensor_of(model.graph.inputs[number].name, given[number]) for number in step.inputs)
    return (*inputs, *(tensor for number in step.results for tensor in taken[number]))


def _testimony(party: TraceFolder, right: Held, found: _Found, number: int) -> Testimony:
    another = party.head.model != right.manifest.model_id
    unlike = party.manifest.graph != right.manifest.graph
    return Testimony(
        head=party.said,
        manifest=party.manifest if another else None,
        graph=party.graph_text if unlike else None,
        leaves=_proofs(party, found.leaves),
        claim=found.claims[number],
    )


def _proofs(party: TraceFolder, leaves: Iterable[int]) -> tuple[LeafProof, ...]:
    return tuple(party.prove(leaf) for leaf in leaves if leaf < party.head.size)
