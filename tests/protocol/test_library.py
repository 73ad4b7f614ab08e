"""A run that cannot give an answer is a finding, INDETERMINATE, and not the end of the node."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from reperform.evidence.ballot import Reason
from reperform.evidence.digest import Domain, digest
from reperform.evidence.encoding import MAX_BYTES
from reperform.evidence.receipt import Receipt
from reperform.evidence.values import DType, Output, Tensor
from reperform.executor.arithmetic.errors import UndecidedRoundingError
from reperform.executor.arithmetic.reference.rounding import correctly_rounded
from reperform.replayer.library import Library
from reperform.replayer.replay import IndeterminateError
from reperform.tests.world import MANIFEST, World


class Runs:
    """A pinned model that does what the test says."""

    def __init__(self, run: Any) -> None:
        self.traced = run


def holding(run: Any) -> Library:
    """A library that holds one such model."""
    library = Library([])
    library._models = {MANIFEST.model_id: Runs(run)}  # type: ignore[dict-item]
    return library


def undecided(_: object) -> object:
    """A run into a midpoint that nobody listed."""
    between = 1.0 + 2.0**-24  # float32 has no value here, and two that are equally near
    return correctly_rounded("no such function", lambda y: y * 0 + between, torch.ones(3))


def too_large(_: object) -> object:
    """A run whose output has no encoding."""
    output = Output("approve", (Tensor("score", DType.F32, (MAX_BYTES // 4,), bytes(MAX_BYTES)),))
    return output, digest(Domain.TRACE, b"")


@pytest.mark.parametrize("run", [undecided, too_large])
def test_a_run_that_gives_no_answer_is_indeterminate(world: World, run: Any) -> None:
    decision = world.decision()
    with pytest.raises(IndeterminateError, match="the run stopped") as caught:
        holding(run).replay(decision.receipt.parse(Receipt), decision.opening.input)
    assert caught.value.reason is Reason.RUN


def test_an_input_near_a_midpoint_that_is_not_listed_is_an_error_with_a_next_step() -> None:
    with pytest.raises(UndecidedRoundingError, match=r"not on the list; run `reperform selftest`"):
        undecided(None)
