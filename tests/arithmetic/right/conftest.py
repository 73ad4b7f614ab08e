"""Every test of this folder is run with each of the kernels, and with each of the exact products."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from reperform.executor.arithmetic import cpu, kernels, reference
from reperform.executor.arithmetic.cpu import dot
from reperform.executor.arithmetic.cpu.products import Product


@pytest.fixture(scope="module", params=["reference", "float64", "int16"], autouse=True)
def served_by(request: pytest.FixtureRequest) -> Iterator[str]:
    """The reference, or the loops for this processor with one of their products."""
    name: str = request.param
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernels, "_for", lambda _: reference if name == "reference" else cpu)
        if name != "reference":
            patch.setattr(dot, "serving", lambda: Product[name.upper()])
        yield name
