"""What the reference's evaluations promise, and its list of midpoints (§1)."""

from __future__ import annotations

import mpmath  # type: ignore[import-untyped]
import pytest
import torch
from reperform.executor.arithmetic import exhaustive
from reperform.executor.arithmetic.reference.functions import EVALUATIONS
from reperform.executor.arithmetic.reference.midpoints import MIDPOINTS
from reperform.tests.arithmetic.right.test_functions import ordinary_inputs


@pytest.fixture(scope="module", autouse=True)
def served_by() -> None:
    """Once is enough: these tests name the reference, whatever serves."""


@pytest.mark.parametrize("name", sorted(EVALUATIONS))
def test_evaluations_in_float64_keep_what_they_promise(name: str) -> None:
    x = ordinary_inputs(name, 800)
    x = x[x.abs() > 2.0**-100] if name in {"silu", "gelu", "gelu_tanh"} else x
    with mpmath.workprec(120):
        for argument, value in zip(x.tolist(), EVALUATIONS[name](x.to(torch.float64)).tolist(), strict=True):
            exact = exhaustive.EXACT[name](mpmath.mpf(argument))
            assert abs(value - exact) < abs(exact) * 2.0**-50, argument.hex()


def test_every_function_that_needs_a_list_has_one() -> None:
    assert set(MIDPOINTS) == set(EVALUATIONS) == set(exhaustive.EXACT)


@pytest.mark.parametrize("name", sorted(EVALUATIONS))
def test_the_list_is_what_the_search_finds(name: str) -> None:
    # 1.0 to 1.5: a part of the full search, repeated.
    first, count = 0x3F800000, 1 << 22
    found = exhaustive.examine(name, first, count)
    listed = [[p for p in part.split() if first <= int(p, 16) < first + count] for part in MIDPOINTS[name]]
    assert [found.toward_zero, found.away_from_zero] == listed
