"""Drawn tokens against Python integers (§6), and known answers that any implementation must give."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reperform.executor import arithmetic
from reperform.executor.arithmetic import sampling
from reperform.tests.arithmetic import oracle

SEED = bytes(range(32))
LOGITS = st.floats(width=32, min_value=-50, max_value=50) | st.sampled_from([0.0, 1.0, -math.inf, -3e38])
ROW = [2.0, -1.0, 0.5, -math.inf, 2.0, 3.25, 0.0, -0.0, 1.5, -7.0]


@settings(deadline=None)
@given(
    st.lists(LOGITS, min_size=1, max_size=12).filter(lambda row: max(row) >= -50),
    st.sampled_from([0.0, 0.1, 0.7, 1.0, 1.3, 100.0]),
    st.none() | st.integers(1, 14),
    st.none() | st.floats(0, 1, exclude_min=True) | st.sampled_from([0.5, 0.9, 1, 2.0**-33, 1.5 * 2.0**-32]),
    st.binary(min_size=32, max_size=32),
    st.integers(0, 2**64 - 1),
)
def test_any_row(  # noqa: PLR0917
    row: list[float], temperature: float, top_k: int | None, top_p: float | None, seed: bytes, position: int
) -> None:
    token = arithmetic.sample(
        torch.tensor(row), temperature=temperature, top_k=top_k, top_p=top_p, seed=seed, position=position
    )
    assert token.dtype == torch.int64
    assert token.item() == oracle.sample(row, temperature, top_k, top_p, seed, position)


@pytest.mark.parametrize(
    ("temperature", "top_k", "top_p", "tokens"),
    [
        (1.0, None, None, [5, 8, 0, 5, 8, 5, 5, 0, 8, 0, 4, 8, 5, 4, 6, 0]),
        (0.7, None, None, [5, 8, 0, 5, 8, 5, 5, 0, 5, 0, 4, 8, 5, 4, 5, 0]),
        (1.5, 4, None, [5, 8, 0, 5, 8, 5, 5, 0, 8, 0, 4, 8, 5, 4, 8, 0]),
        (1.0, None, 0.75, [5, 5, 0, 5, 5, 5, 5, 0, 5, 0, 4, 5, 5, 4, 5, 0]),
        (2.5, 8, 0.9, [7, 8, 0, 5, 8, 5, 5, 0, 8, 0, 2, 8, 6, 2, 8, 0]),
        (0.0, None, None, [5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5]),
    ],
)
def test_known_answers(temperature: float, top_k: int | None, top_p: float | None, tokens: list[int]) -> None:
    rows = torch.tensor(ROW).expand(len(tokens), -1)
    drawn = arithmetic.sample(
        rows, temperature=temperature, top_k=top_k, top_p=top_p, seed=SEED, position=range(len(tokens))
    )
    assert drawn.tolist() == tokens


def test_tokens_are_drawn_as_often_as_they_weigh() -> None:
    row = torch.tensor([0.5, 0.25, 0.125, 0.125]).log()
    drawn = arithmetic.sample(row.expand(4000, -1), temperature=1.0, seed=SEED, position=range(4000))
    assert torch.allclose(drawn.bincount(minlength=4) / 4000, row.exp(), atol=0.03)


def test_weights_are_rounded_to_units_of_2_to_the_minus_40() -> None:
    row = torch.tensor([[0.0, *(math.log(units * 2.0**-40) for units in (0.4, 0.6, 1.4, 1.6))]])
    assert sampling._weights(row).tolist() == [[1 << 40, 0, 1, 1, 2]]


def test_top_k_of_tied_weights_keeps_the_lower_index() -> None:
    drawn = arithmetic.sample(torch.zeros(50, 7), temperature=1.0, top_k=2, seed=SEED, position=range(50))
    assert set(drawn.tolist()) == {0, 1}


def test_top_p_acts_on_what_top_k_left() -> None:
    # Of 0.4, 0.3, 0.2, 0.1 the first two have 0.7; half of that is in the first alone.
    row = torch.tensor([0.1, 0.2, 0.3, 0.4]).log().expand(50, -1)
    alone = arithmetic.sample(row, temperature=1.0, top_p=0.5, seed=SEED, position=range(50))
    both = arithmetic.sample(row, temperature=1.0, top_k=2, top_p=0.5, seed=SEED, position=range(50))
    assert set(alone.tolist()) == {2, 3}
    assert set(both.tolist()) == {3}


def test_a_row_does_not_depend_on_the_batch() -> None:
    rows = torch.randn(3, 2, 100, generator=torch.Generator().manual_seed(0))
    options: dict[str, Any] = {"temperature": 0.8, "top_k": 50, "top_p": 0.95, "seed": SEED}
    whole = arithmetic.sample(rows, position=range(6), **options)
    single = [arithmetic.sample(row, position=i, **options).item() for i, row in enumerate(rows.reshape(6, 100))]
    assert whole.shape == (3, 2)
    assert whole.flatten().tolist() == single
    assert arithmetic.sample(rows, position=4, **options)[2, 0] == whole[2, 0]


def test_products_of_64_bits_are_not_rounded() -> None:
    weights = [(1 << 60) + 1, 1, 1 << 59]
    draw = -(-(weights[0] << 64) // sum(weights))  # the least with floor(draw · Z / 2^64) = the first weight
    assert sampling._token(torch.tensor(weights), None, None, draw) == 1
    assert sampling._token(torch.tensor(weights), None, None, draw - 1) == 0
    # Half of 2^61 + 2 is the first weight; half of one more is not.
    for last, kept in ((1 << 60, 1), ((1 << 60) + 1, 2)):
        weights = [(1 << 60) + 1, last, 1]
        assert int((sampling._kept(torch.tensor(weights), None, 0.5) > 0).sum()) == kept


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("row", [[math.nan, 1.0], [math.inf, 1.0], [-math.inf, -math.inf]])
def test_rows_that_are_no_logits_stop_the_run(row: list[float], temperature: float) -> None:
    with pytest.raises(arithmetic.NonFiniteError, match="sample"):
        arithmetic.sample(torch.tensor([[0.0, 1.0], row]), temperature=temperature, seed=SEED, position=0)


def test_a_quotient_beyond_float32_stops_the_run() -> None:
    with pytest.raises(arithmetic.NonFiniteError, match="sample"):
        arithmetic.sample(torch.tensor([3e38, 0.0]), temperature=0.1, seed=SEED, position=0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"temperature": -1.0},
        {"temperature": math.nan},
        {"temperature": math.inf},
        {"temperature": 1e-60},
        {"temperature": 1e60},
        {"temperature": True},
        {"top_k": 0},
        {"top_k": 1.0},
        {"top_k": True},
        {"top_p": 0.0},
        {"top_p": 1.0001},
        {"top_p": math.nan},
        {"top_p": True},
        {"seed": bytes(31)},
        {"seed": 7},
        {"seed": "0" * 32},
        {"position": -1},
        {"position": 1 << 64},
        {"position": 1.0},
        {"position": True},
        {"position": [0, 1, 2]},
        {"logits": torch.zeros(2, 3, dtype=torch.float64)},
        {"logits": torch.zeros(2, 0)},
        {"logits": torch.zeros(())},
        {"logits": torch.zeros(1).expand((1 << 22) + 1)},
    ],
    ids=str,
)
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_what_the_page_does_not_define_is_refused(wrong: dict[str, Any], temperature: float) -> None:
    options = {"logits": torch.zeros(2, 3), "temperature": temperature, "seed": SEED, "position": 0, **wrong}
    with pytest.raises(arithmetic.RefusedArithmeticError, match="sample"):
        arithmetic.sample(options.pop("logits"), **options)
