"""Merkle trees: every proof is the one that the RFC defines, proves what it should, and nothing beside it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reperform.evidence.tlog.tree import (
    EMPTY_ROOT,
    MAX_SIZE,
    ProofRefusedError,
    check_consistency,
    check_inclusion,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root,
)
from reperform.tests.tlog.naive import Tree

LARGEST = 300
ENTRIES = [b"entry %d" % i for i in range(LARGEST)]
TREE = Tree(ENTRIES)
ROOTS = [TREE.mth(0, size) for size in range(LARGEST + 1)]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]


def refused(check: Callable[..., None], *arguments: object) -> None:
    with pytest.raises(ProofRefusedError):
        check(*arguments)


def test_the_roots_are_those_of_the_definition_at_every_size() -> None:
    assert [root(size, TREE.read) for size in range(LARGEST + 1)] == ROOTS
    assert ROOTS[0] == EMPTY_ROOT == hashlib.sha256(b"").digest()


def test_every_entry_of_every_tree_is_proved_by_the_proof_of_the_definition() -> None:
    for size in range(1, LARGEST + 1):
        for index in range(size):
            proof = inclusion_proof(index, size, TREE.read)
            assert list(proof) == TREE.path(index, 0, size)
            check_inclusion(LEAVES[index], index, size, proof, ROOTS[size])


def test_every_tree_is_proved_to_begin_with_every_smaller_one() -> None:
    for new in range(LARGEST + 1):
        for old in range(new + 1):
            proof = consistency_proof(old, new, TREE.read)
            assert list(proof) == (TREE.subproof(old, 0, new, True) if old else [])
            check_consistency(old, ROOTS[old], new, ROOTS[new], proof)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 9, 64, 100, 255, 256, 257, 300])
def test_an_inclusion_proof_proves_no_other_place_leaf_or_tree(size: int) -> None:
    for index in {0, size // 3, size // 2, size - 1}:
        proof, leaf = inclusion_proof(index, size, TREE.read), LEAVES[index]
        for other in range(size):
            if other != index:
                refused(check_inclusion, leaf, other, size, proof, ROOTS[size])
        refused(check_inclusion, leaf_hash(b"another"), index, size, proof, ROOTS[size])
        refused(check_inclusion, leaf, index, size, proof, ROOTS[size - 1])
        refused(check_inclusion, leaf, index, size, (*proof, leaf), ROOTS[size])
        refused(check_inclusion, leaf, index, size, (leaf, *proof), ROOTS[size])
        for i in range(len(proof)):
            refused(check_inclusion, leaf, index, size, (*proof[:i], *proof[i + 1 :]), ROOTS[size])
            refused(check_inclusion, leaf, index, size, (*proof[:i], _flipped(proof[i]), *proof[i + 1 :]), ROOTS[size])
            refused(check_inclusion, leaf, index, size, (*proof[:i], proof[i][:-1], *proof[i + 1 :]), ROOTS[size])


@pytest.mark.parametrize("new", [2, 3, 7, 8, 9, 64, 100, 255, 256, 257, 300])
def test_a_consistency_proof_proves_no_other_trees(new: int) -> None:
    for old in {1, (new + 1) // 2, new - new // 3, new - 1} - {new}:
        proof = consistency_proof(old, new, TREE.read)
        refused(check_consistency, old, _flipped(ROOTS[old]), new, ROOTS[new], proof)
        refused(check_consistency, old, ROOTS[old], new, _flipped(ROOTS[new]), proof)
        refused(check_consistency, old, ROOTS[new], new, ROOTS[old], proof)
        refused(check_consistency, old, ROOTS[old], new, ROOTS[new], (*proof, ROOTS[old]))
        refused(check_consistency, old, ROOTS[old], new, ROOTS[new], (ROOTS[old], *proof))
        refused(check_consistency, old, ROOTS[old], new, ROOTS[new], ())
        for i in range(len(proof)):
            refused(check_consistency, old, ROOTS[old], new, ROOTS[new], (*proof[:i], *proof[i + 1 :]))
            flipped = (*proof[:i], _flipped(proof[i]), *proof[i + 1 :])
            refused(check_consistency, old, ROOTS[old], new, ROOTS[new], flipped)


def test_the_empty_tree_takes_an_empty_proof_and_the_empty_root() -> None:
    check_consistency(0, EMPTY_ROOT, 0, EMPTY_ROOT, ())
    check_consistency(0, EMPTY_ROOT, 5, ROOTS[5], ())
    refused(check_consistency, 0, ROOTS[1], 5, ROOTS[5], ())
    refused(check_consistency, 0, EMPTY_ROOT, 5, ROOTS[5], (ROOTS[5],))
    refused(check_consistency, 0, EMPTY_ROOT, 0, ROOTS[1], ())
    refused(check_consistency, 0, ROOTS[1], 0, ROOTS[1], ())
    refused(check_inclusion, LEAVES[0], 0, 0, (), EMPTY_ROOT)


def test_trees_of_one_size_are_the_same_tree_without_a_proof() -> None:
    check_consistency(5, ROOTS[5], 5, ROOTS[5], ())
    refused(check_consistency, 5, ROOTS[5], 5, ROOTS[6], ())
    refused(check_consistency, 5, ROOTS[5], 5, ROOTS[5], (ROOTS[5],))


def test_sizes_out_of_range_are_refused_before_anything_is_hashed() -> None:
    refused(check_consistency, 6, ROOTS[6], 5, ROOTS[5], ())
    refused(check_consistency, -1, EMPTY_ROOT, 5, ROOTS[5], ())
    refused(check_consistency, 1, ROOTS[1], MAX_SIZE + 1, ROOTS[5], (ROOTS[1],))
    refused(check_inclusion, LEAVES[0], -1, 5, (), ROOTS[5])
    refused(check_inclusion, LEAVES[0], 5, 5, (), ROOTS[5])
    refused(check_inclusion, LEAVES[0], 0, MAX_SIZE + 1, (), ROOTS[5])
    for index, size in ((5, 5), (-1, 5), (0, 0)):
        with pytest.raises(ValueError, match="entry"):
            inclusion_proof(index, size, TREE.read)
    with pytest.raises(ValueError, match="before"):
        consistency_proof(6, 5, TREE.read)


def test_a_root_that_was_made_for_a_wrong_proof_does_not_make_it_right() -> None:
    """Only a dishonest log can sign such a root: one of a tree that is higher than its size says."""
    leaf, other, short = LEAVES[0], LEAVES[1], LEAVES[1][:-1]
    with pytest.raises(ProofRefusedError, match="too long"):
        check_inclusion(leaf, 0, 1, (other,), node_hash(other, leaf))
    with pytest.raises(ProofRefusedError, match="hashes of 32 bytes"):
        check_inclusion(leaf, 0, 2, (short,), node_hash(leaf, short))
    for index, size in ((0, 3), (0, 4)):
        with pytest.raises(ProofRefusedError, match="not proved"):
            check_inclusion(leaf, index, size, (other,), node_hash(leaf, other))
    pair = node_hash(leaf, other)
    with pytest.raises(ProofRefusedError, match="too long"):
        check_consistency(1, node_hash(other, leaf), 2, node_hash(other, pair), (other, other))
    with pytest.raises(ProofRefusedError, match="hashes of 32 bytes"):
        check_consistency(1, leaf, 2, node_hash(leaf, short), (short,))
    with pytest.raises(ProofRefusedError, match="too short"):
        check_consistency(1, leaf, 3, pair, (other,))
    with pytest.raises(ProofRefusedError, match="too short"):
        check_consistency(3, leaf, 4, leaf, ())


def test_a_tree_of_more_entries_than_c2sp_counts_is_refused_with_its_genuine_proof() -> None:
    size = MAX_SIZE + 1
    top = root(size, _uniform)
    with pytest.raises(ProofRefusedError, match="there is no entry"):
        check_inclusion(_LEVELS[0], 0, size, inclusion_proof(0, size, _uniform), top)
    with pytest.raises(ProofRefusedError, match="does not extend"):
        check_consistency(1, _LEVELS[0], size, top, consistency_proof(1, size, _uniform))


# Trees whose entries are all the same: a complete subtree is known by its level.
def _uniform(level: int, _: int) -> bytes:
    while len(_LEVELS) <= level:
        _LEVELS.append(node_hash(_LEVELS[-1], _LEVELS[-1]))
    return _LEVELS[level]


_LEVELS = [leaf_hash(b"")]


# Beyond 2**62 entries a proof of consistency may have 64 hashes, one more than c2sp.org/tlog-witness takes.
@given(st.integers(1, 2**62), st.data())
def test_proofs_of_the_largest_trees_hold_and_have_at_most_63_hashes(size: int, data: st.DataObject) -> None:
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    inclusion, consistency = inclusion_proof(index, size, _uniform), consistency_proof(old, size, _uniform)
    top = root(size, _uniform)
    check_inclusion(_LEVELS[0], index, size, inclusion, top)
    check_consistency(old, root(old, _uniform), size, top, consistency)
    assert max(len(inclusion), len(consistency)) <= 63


@settings(max_examples=20)
@given(st.integers(1, 2**20), st.data())
def test_proofs_of_distinct_entries_hold_at_random_sizes_to_a_million(size: int, data: st.DataObject) -> None:
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    top = root(size, _labelled)
    check_inclusion(_labelled(0, index), index, size, inclusion_proof(index, size, _labelled), top)
    check_consistency(old, root(old, _labelled), size, top, consistency_proof(old, size, _labelled))
    if size > 1:
        other = (index + 1) % size
        refused(check_inclusion, _labelled(0, index), other, size, inclusion_proof(other, size, _labelled), top)


# Entries that all differ; what was hashed of the tree over them is kept from level 4 up.
def _labelled(level: int, index: int) -> bytes:
    if level == 0:
        return leaf_hash(b"%d" % index)
    found = _KNOWN.get((level, index))
    if found is None:
        found = node_hash(_labelled(level - 1, 2 * index), _labelled(level - 1, 2 * index + 1))
        if level >= 4:
            _KNOWN[level, index] = found
    return found


_KNOWN: dict[tuple[int, int], bytes] = {}


def _flipped(value: bytes) -> bytes:
    return bytes([value[0] ^ 1]) + value[1:]
