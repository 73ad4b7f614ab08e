"""Sampling: the same everywhere, any set as likely as any other, and a larger sample goes on from a smaller one."""

from __future__ import annotations

import hashlib
from collections import Counter
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reperform.evidence.audit.sampling import Sampler, Stratum, ticket
from reperform.evidence.audit.strata import MAX_STRATA
from reperform.evidence.digest import Digest
from reperform.evidence.encoding import MalformedError
from scipy import stats

seeds = st.binary(min_size=32, max_size=32).map(Digest)


def drawn(seed: Digest, entries: list[int], size: int) -> tuple[int, ...]:
    """A sample out of one stratum."""
    sampler = Sampler(seed, size)
    for entry in entries:
        sampler.take(entry, "all")
    ((sample,),) = [[stratum.sample for stratum in sampler.drawn(lambda _: size)]]
    return sample


def test_a_ticket_is_what_the_page_says() -> None:
    seed = Digest(bytes(range(32)))
    written = hashlib.sha256(b"reperform/audit-ticket/v1\x00" + seed.value + (258).to_bytes(8, "big")).digest()
    assert ticket(seed, 258) == written
    assert drawn(Digest(bytes(32)), list(range(20)), 5) == (7, 9, 13, 17, 18)


@given(seeds, st.lists(st.integers(0, 2**63 - 1), unique=True, min_size=1, max_size=60), st.data())
def test_it_is_the_smallest_tickets_in_whatever_order_they_come(
    seed: Digest, entries: list[int], data: st.DataObject
) -> None:
    size = data.draw(st.integers(0, len(entries)))
    expected = tuple(sorted(sorted(entries, key=lambda entry: ticket(seed, entry))[:size]))
    assert drawn(seed, entries, size) == expected
    assert drawn(seed, data.draw(st.permutations(entries)), size) == expected


@given(seeds, st.integers(2, 40), st.data())
def test_a_larger_sample_has_the_smaller_one_in_it(seed: Digest, population: int, data: st.DataObject) -> None:
    small = data.draw(st.integers(0, population - 1))
    entries = list(range(population))
    assert set(drawn(seed, entries, small)) < set(drawn(seed, entries, small + 1))


def test_every_set_is_as_likely_as_any_other() -> None:
    rounds, sets = 12_000, list(combinations(range(6), 3))
    found = Counter(drawn(Digest(hashlib.sha256(b"%d" % n).digest()), list(range(6)), 3) for n in range(rounds))
    assert set(found) == set(sets)
    assert stats.chisquare([found[each] for each in sets]).pvalue > 0.001


def test_what_falls_out_is_told_so_that_it_need_not_be_kept() -> None:
    seed, held = Digest(bytes(32)), set[int]()
    sampler = Sampler(seed, 5)
    for entry in range(200):
        held.add(entry)
        out = sampler.take(entry, "all")
        held.discard(-1 if out is None else out)
        assert len(held) <= 5
    assert held == set(drawn(seed, list(range(200)), 5))


def test_strata_are_drawn_by_themselves() -> None:
    seed, sampler = Digest(bytes(32)), Sampler(Digest(bytes(32)), 3)
    for entry in range(40):
        sampler.take(entry, "odd" if entry % 2 else "even")
    even, odd = sampler.drawn(lambda population: population // 10)
    assert even == Stratum("even", 20, drawn(seed, list(range(0, 40, 2)), 2))
    assert odd == Stratum("odd", 20, drawn(seed, list(range(1, 40, 2)), 2))


def test_a_sample_that_was_not_kept_is_an_error_and_so_are_too_many_strata() -> None:
    sampler = Sampler(Digest(bytes(32)), 3)
    for entry in range(MAX_STRATA):
        sampler.take(entry, str(entry))
    with pytest.raises(MalformedError, match="strata"):
        sampler.take(0, "one more")
    sampler.take(1, "0")
    with pytest.raises(ValueError, match="a sample of 3 out of"):
        sampler.drawn(lambda _: 3)
