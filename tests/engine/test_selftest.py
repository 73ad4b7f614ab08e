"""The known answers are those of the arithmetic, and a wrong one stops a machine from voting."""

from __future__ import annotations

import json
from importlib.resources import files

import pytest
import torch
from reperform.executor import selftest
from reperform.executor.arithmetic.operations import TABLE


def test_the_committed_answers_are_the_generated_ones() -> None:
    committed = json.loads(files("reperform.executor").joinpath(selftest.ANSWERS).read_text())
    assert committed == dict(selftest.answers())


def test_this_machine_passes() -> None:
    assert selftest.selftest().vectors > 30


def test_a_machine_that_is_off_by_one_ulp_once_is_told_which_vector(monkeypatch: pytest.MonkeyPatch) -> None:
    def off(x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = TABLE["aten.exp.default"](x)
        at = int((y > 1).nonzero()[0])
        y[at] = torch.nextafter(y[at], torch.tensor(0.0))
        return y

    monkeypatch.setattr(selftest, "TABLE", {**TABLE, "aten.exp.default": off})
    with pytest.raises(selftest.SelfTestError, match=r"'aten.exp.default' came out wrong.*do not decide or vote"):
        selftest.selftest()


def test_a_machine_that_flushes_subnormal_numbers_fails() -> None:
    if not torch.set_flush_denormal(True):
        pytest.skip("this processor cannot flush subnormal numbers")
    try:
        with pytest.raises(selftest.SelfTestError):
            selftest.selftest()
    finally:
        torch.set_flush_denormal(False)
