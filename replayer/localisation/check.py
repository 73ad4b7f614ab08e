"""What a third party does with a statement: the one disputed step, computed again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ...evidence.digest import Digest
from ...evidence.localisation.bisection import PARTIES
from ...evidence.localisation.operands import Operands
from ...evidence.localisation.statement import (
    DisputedGraph,
    DisputedInput,
    DisputedOperation,
    Localisation,
    StatementRefusedError,
    Testimony,
    check,
)
from ...evidence.receipt import receipt_id
from ...executor.graph_json import from_json
from ...executor.tensors import digest_of, from_little_endian
from .differences import first_unlike
from .library import Held, named
from .step import Step, operand_names, run_step, step_of


def check_again(statement: Localisation, operands: Operands, models: Mapping[Digest, Held]) -> None:
    """Raises a ReperformError unless the statement holds, signatures aside.

    1. The statement holds in itself (evidence/localisation/statement.py).
    2. The model is the one that the receipt names, and the parties' graphs are its own as far as the disputed node.
    3. The operands are what both parties signed to; at an input, the decision's input is what the receipt commits to.
    4. The step gives what the statement says is right.
    """
    check(statement)
    model = named(models, statement.model)
    shared = [_shared(party, model) for party in statement.parties]
    place, right = statement.place, statement.right
    match place:
        case DisputedGraph(node):
            right = model.manifest.graph
            claims = [(party.manifest or model.manifest).graph for party in statement.parties]
            _demand(claims == [party.claim for party in statement.parties], "the claims are not the graphs' digests")
            _demand(node == _least(shared), "the graphs part elsewhere")
        case DisputedInput(number, name):
            _demand(_least(shared) is not None, "the graphs' inputs differ")
            _demand(name == model.graph.inputs[number].name, "the input has another name")
            right = _input(statement, operands, model, number)
        case DisputedOperation(node):
            least = _least(shared)
            _demand(least is not None and node < least, "the graphs part before this operation")
            disputed = model.graph.nodes[node]
            _demand((place.name, place.op) == (disputed.name, disputed.op), "the node is another operation")
            right = _operation(statement, place, operands, model)
    _demand(right == statement.right, "the step gives something else than what the statement says is right")


def _shared(party: Testimony, model: Held) -> int | None:
    """How many first nodes of the model's graph the party's graph has too."""
    own = model.manifest.graph if party.manifest is None else party.manifest.graph
    if own == model.manifest.graph:
        return len(model.graph.nodes)
    if party.graph is None:
        raise StatementRefusedError("a party ran another graph, which is not shown")
    return first_unlike(model.graph, from_json(party.graph))


def _least(shared: Sequence[int | None]) -> int | None:
    known = [number for number in shared if number is not None]
    return min(known) if len(known) == len(shared) else None


def _input(statement: Localisation, operands: Operands, model: Held, number: int) -> Digest:
    opened = operands.opened
    if opened is None or receipt_id(opened.receipt) != receipt_id(statement.receipt):
        raise StatementRefusedError("the decision's input is not shown", advice="give the file written with it")
    return digest_of(model.model.tensors([opened.check()])[number])


def _operation(statement: Localisation, place: DisputedOperation, operands: Operands, model: Held) -> Digest | None:
    parts = statement.a.trace.parts
    step = step_of(model.graph, place.node, parts)
    names = list(operand_names(model.graph, step, parts))
    _demand([tensor.name for tensor in operands.tensors] == names, "these are not the operands of this operation")
    tensors = {tensor.name: from_little_endian(tensor) for tensor in operands.tensors}
    found = [digest_of(tensor) for tensor in tensors.values()]
    for name, party in zip(PARTIES, statement.parties, strict=True):
        _demand(found == list(_signed_to(party, step, parts)), f"{name} did not sign to these operands")
    given = run_step(model.graph, step, parts, tensors, model.weights(step))
    return given[place.part] if place.part < len(given) else None


def _signed_to(party: Testimony, step: Step, parts: Sequence[int]) -> Iterator[Digest | None]:
    """The digests of the operands, by the party's head and its proofs."""
    trace = party.trace
    proved = {leaf.index: leaf.leaf for leaf in party.leaves}
    yield from (trace.inputs[number] if number < len(trace.inputs) else None for number in step.inputs)
    for number in step.results:
        yield from (proved.get(trace.leaf(number) + part) for part in range(parts[number]))


def _demand(holds: bool, otherwise: str) -> None:
    if not holds:
        raise StatementRefusedError(otherwise, advice="ask whoever signed it for the right one, with its operands")
