"""The bisection alone, on random traces: the first difference is found in few rounds, and who lies is found out."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import zip_longest

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from reperform.evidence.digest import Digest, Domain, digest
from reperform.evidence.localisation.bisection import Bisection, ContradictionError, Halves, answer
from reperform.evidence.localisation.head import TraceHead
from reperform.evidence.localisation.tree import TreeRefusedError, check_proof, proof, root_before, root_of

NOBODY = Digest(bytes(32))

# Few kinds of leaves, so that traces also agree after they have parted.
traces = st.lists(st.integers(0, 3), min_size=0, max_size=70)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[list[int], list[int]]:
    """Two traces with a common beginning, of any sizes."""
    common, rest = draw(traces), st.lists(st.integers(0, 3), max_size=40)
    return common + draw(rest), common + draw(rest)


def leaf(number: int) -> Digest:
    return digest(Domain.TENSOR, bytes([number]))


class Party:
    """An honest one."""

    def __init__(self, numbers: Sequence[int]) -> None:
        self.leaves = [leaf(number) for number in numbers]
        self.head = TraceHead(NOBODY, NOBODY, (), (1,) * len(numbers), root_of(self.leaves))

    def read(self, first: int, end: int) -> Iterator[Digest]:
        yield from self.leaves[first:end]


def by_definition(leaves: Sequence[Digest]) -> Digest:
    """RFC 6962 §2.1, word for word."""
    if not leaves:
        return digest(Domain.TRACE, b"")
    if len(leaves) == 1:
        return digest(Domain.TRACE, b"\x00" + leaves[0].value)
    split = max(2**k for k in range(len(leaves).bit_length()) if 2**k < len(leaves))
    left, right = by_definition(leaves[:split]), by_definition(leaves[split:])
    return digest(Domain.TRACE, b"\x01" + left.value + right.value)


def bisected(a: Party, b: Party) -> tuple[int | None, int]:
    state, rounds = Bisection.of(a.head, b.head), 0
    while state is not None and state.found is None:
        one, other = state.questions()
        state = state.then(
            None if one is None else answer(one, a.read), None if other is None else answer(other, b.read)
        )
        rounds += 1
    return None if state is None else state.found, rounds


@given(traces)
def test_the_root_is_that_of_rfc_6962(numbers: list[int]) -> None:
    party = Party(numbers)
    assert party.head.root == by_definition(party.leaves)


@given(pairs())
def test_the_first_difference_is_found_in_few_rounds(both: tuple[list[int], list[int]]) -> None:
    a, b = both
    found, rounds = bisected(Party(a), Party(b))
    first = next((i for i, (one, other) in enumerate(zip_longest(a, b)) if one != other), None)
    assert found == first
    assert rounds <= math.ceil(math.log2(max(len(a), len(b), 1)))


@pytest.mark.parametrize("size", [1, 2, 3, 64, 65, 100])
def test_every_place_is_found(size: int) -> None:
    for place in range(size):
        changed = [1 if i == place else 0 for i in range(size)]
        assert bisected(Party([0] * size), Party(changed))[0] == place


@given(pairs(), st.data())
def test_who_answers_for_another_trace_than_it_signed_is_found_out(
    both: tuple[list[int], list[int]], data: st.DataObject
) -> None:
    a, b = Party(both[0]), Party(both[1])
    liar = Party(data.draw(traces))
    liar.leaves = (liar.leaves + b.leaves)[: len(b.leaves)]
    state = Bisection.of(a.head, b.head)
    while state is not None and state.found is None:
        one, other = state.questions()
        said = None if other is None else answer(other, liar.read)
        if other is not None and said != answer(other, b.read):
            with pytest.raises(ContradictionError) as caught:
                state.then(None if one is None else answer(one, a.read), said)
            assert caught.value.party == 1
            return
        state = state.then(None if one is None else answer(one, a.read), said)


def test_silence_is_a_contradiction_too() -> None:
    a, b = Party([0, 1]), Party([0, 2])
    state = Bisection.of(a.head, b.head)
    assert state is not None
    question = state.questions()[0]
    assert question is not None
    with pytest.raises(ContradictionError, match="B contradicts itself"):
        state.then(answer(question, a.read), None)
    with pytest.raises(ContradictionError, match="A contradicts itself"):
        state.then(Halves(NOBODY, NOBODY), None)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=70), st.data())
def test_a_leaf_is_proved_and_no_other(numbers: list[int], data: st.DataObject) -> None:
    party, index = Party(numbers), data.draw(st.integers(0, len(numbers) - 1))
    path, size = proof(index, len(numbers), party.read), len(numbers)
    check_proof(party.leaves[index], index, size, path, party.head.root)
    assert root_before(index, size, path) == root_of(party.leaves[:index])
    with pytest.raises(TreeRefusedError):
        check_proof(leaf(9), index, size, path, party.head.root)
    with pytest.raises(TreeRefusedError):
        check_proof(party.leaves[index], index, size, (*path, NOBODY), party.head.root)
    another = data.draw(st.integers(0, size))
    assume(another == size or party.leaves[another] != party.leaves[index])
    with pytest.raises(TreeRefusedError):
        check_proof(party.leaves[index], another, size, path, party.head.root)


@given(st.lists(st.integers(0, 3), max_size=30))
def test_a_leaf_has_one_place(parts: list[int]) -> None:
    head = TraceHead(NOBODY, NOBODY, (), tuple(parts), NOBODY)
    places = [(node, part) for node, count in enumerate(parts) for part in range(count)]
    assert [head.place(index) for index in range(head.size)] == places
    assert [head.leaf(node) + part for node, part in places] == list(range(head.size))
    assert head.place(head.size) == (len(parts), 0)
    assert replace(head, parts=()).size == 0
