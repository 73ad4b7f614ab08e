"""A model in the object store: any tensor comes out as it went in, and what was altered there is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from reperform.executor.model import MANIFEST, ModelError, PinnedModel
from reperform.executor.tensors import DTYPE
from reperform.executor.weights import WeightsError
from reperform.replayer.pool.shared import SharedModel, SharedTensor


@pytest.fixture(scope="module")
def shared(mortgage: Path) -> SharedModel:
    """The mortgage scorer's parts."""
    return SharedModel.of(mortgage)


@pytest.mark.parametrize("dtype", DTYPE, ids=str)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3), (2, 0, 4)], ids=str)
def test_a_tensor_comes_out_as_it_went_in(dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    tensor = torch.arange(int(np.prod(shape))).reshape(shape).to(dtype)
    kept = SharedTensor.of(tensor)
    kept.data.flags.writeable = False  # as it comes out of the store
    found = kept.tensor()
    assert (found.dtype, found.shape) == (tensor.dtype, tensor.shape)
    assert torch.equal(found, tensor)


def test_a_tensor_is_shared_by_its_values_wherever_they_lie() -> None:
    tensor = torch.arange(6.0).reshape(2, 3).T
    assert torch.equal(SharedTensor.of(tensor).tensor(), tensor)


def test_an_element_type_that_no_manifest_has_is_refused() -> None:
    with pytest.raises(ModelError, match="complex64, which no pinned model has"):
        SharedTensor.of(torch.zeros(1, dtype=torch.complex64))


def test_the_model_is_the_one_in_the_folder(shared: SharedModel, mortgage: Path) -> None:
    assert PinnedModel.of(shared).model_id == PinnedModel.load(mortgage).model_id == shared.model_id


def test_a_tensor_that_was_altered_is_refused(shared: SharedModel) -> None:
    name, tensor = max(shared.shared.items(), key=lambda item: item[1].data.size)
    data = tensor.data.copy()
    data[-1] ^= 1
    altered = {name: replace(tensor, data=data)}
    with pytest.raises(WeightsError, match="is not the pinned one"):
        PinnedModel.of(replace(shared, shared={**shared.shared, **altered}))


def test_a_part_that_was_altered_or_is_missing_is_refused(shared: SharedModel) -> None:
    for name, data in shared.files.items():
        rest = {other: content for other, content in shared.files.items() if other != name}
        with pytest.raises(ModelError, match="is missing"):
            PinnedModel.of(replace(shared, files=rest))
        # Of the manifest, every byte counts towards the model's id, which a worker compares.
        if name != MANIFEST:
            with pytest.raises(ModelError, match="is not the pinned one"):
                PinnedModel.of(replace(shared, files={**rest, name: data + b" "}))
