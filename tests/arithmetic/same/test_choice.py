"""Which kernels and which exact product serve: chosen in one place, said aloud, and never a silent fallback."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from reperform.executor.arithmetic import RefusedArithmeticError
from reperform.executor.arithmetic.cpu import products
from reperform.executor.arithmetic.cpu.products import Product, gives_known_answers

WITHOUT = "import sys; sys.modules['numba'] = None\n"
SAY = """
import torch
from reperform.executor.arithmetic import kernels, linear
print(kernels.serving(torch.empty(0)).NAME, linear(torch.ones(1, 2), torch.ones(1, 2)).item())
"""


def said(program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    plain = {k: v for k, v in os.environ.items() if not k.startswith("REPERFORM_")}
    command = [sys.executable, "-c", program]
    return subprocess.run(command, env={**plain, **environment}, capture_output=True, text=True, check=False)


def test_without_numba_the_reference_serves_and_says_so() -> None:
    done = said(WITHOUT + SAY)
    assert done.stdout == "reference 2.0\n"
    assert "numba is not installed: the reference serves" in done.stderr


def test_loops_that_were_asked_for_are_not_replaced() -> None:
    last = said(WITHOUT + SAY, REPERFORM_KERNELS="cpu").stderr.splitlines()[-1]
    assert last.startswith("ModuleNotFoundError")
    assert "numba" in last


@pytest.mark.parametrize("name", ["cpu", "reference"])
def test_kernels_are_those_that_were_asked_for(name: str) -> None:
    assert said(SAY, REPERFORM_KERNELS=name).stdout == f"{name} 2.0\n"


@pytest.mark.parametrize(("variable", "advice"), [("KERNELS", "cpu or reference"), ("PRODUCT", "float64 or int16")])
def test_a_name_of_nothing_is_refused(variable: str, advice: str) -> None:
    done = said(SAY, **{f"REPERFORM_{variable}": "int8"})
    assert done.returncode
    assert "'int8' names no" in done.stderr.lower()
    assert advice in done.stderr


@pytest.mark.parametrize("product", list(Product))
def test_products_give_the_known_answers_here(product: Product) -> None:
    assert gives_known_answers(product)


def test_a_processor_that_saturates_is_given_the_other_product(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "HAS_INT16_DOT", True)
    monkeypatch.delenv(products.VARIABLE, raising=False)
    monkeypatch.setattr(products, "gives_known_answers", lambda product: product is Product.FLOAT64)
    assert products.serving.__wrapped__() is Product.FLOAT64
    monkeypatch.setattr(products, "gives_known_answers", lambda _: False)
    with pytest.raises(RefusedArithmeticError, match="float64 came out wrong on this processor"):
        products.serving.__wrapped__()


def test_known_answers_show_a_saturating_product(monkeypatch: pytest.MonkeyPatch) -> None:
    exact = products.sums

    def saturating(*arguments: object) -> None:
        exact(*arguments)  # type: ignore[arg-type]
        total = arguments[7]
        total.clip(-(2.0**31) * 2**20, 2.0**31 * 2**20, out=total)  # type: ignore[attr-defined]

    monkeypatch.setattr(products, "sums", saturating)
    assert not gives_known_answers(Product.FLOAT64)
