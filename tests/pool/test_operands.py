"""Weights made ready once on a machine: taken where they fit, refused where they were altered, and held once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import ray
import torch
from reperform.evidence.digest import Digest
from reperform.evidence.values import Text
from reperform.executor.arithmetic.prepared import PREPARED
from reperform.executor.interpreter import RunError
from reperform.executor.model import PinnedModel
from reperform.replayer.pool import operands
from reperform.replayer.pool.cluster import connected
from reperform.replayer.pool.crew import Crew
from reperform.replayer.pool.inline import Inline
from reperform.replayer.pool.on_ray import OnRay
from reperform.replayer.pool.operands import Operands, SharedOperand, kept_in, taken_from
from reperform.replayer.pool.shared import SharedModel, SharedTensor
from reperform.replayer.pool.worker import Worker
from reperform.tests.pool.conftest import Jobs
from reperform.tests.pool.crews import crew, hear, in_time, kill

pytestmark = pytest.mark.xdist_group("ray")


@pytest.fixture(scope="module")
def shared(encoder: Path) -> SharedModel:
    return SharedModel.of(encoder)


@pytest.fixture(scope="module")
def made(shared: SharedModel) -> Operands:
    """What a worker makes of the encoder, as it comes out of the store."""
    found: Operands = {}
    PinnedModel.of(shared, kept_in(found))
    for operand in found.values():
        for value in operand.fields.values():
            if isinstance(value, SharedTensor):
                value.data.flags.writeable = False
    return found


def test_a_model_with_what_another_made_gives_the_same_bytes(
    shared: SharedModel, made: Operands, reader: PinnedModel, texts: list[Text], monkeypatch: pytest.MonkeyPatch
) -> None:
    never = {op: replace(how, prepare=_never) for op, how in PREPARED.items()}
    monkeypatch.setattr(operands, "PREPARED", never)  # nothing is made again
    model = PinnedModel.of(shared, taken_from(made))
    assert model.run(texts[:9]) == reader.run(texts[:9])
    assert model.program.nbytes == reader.program.nbytes


def _never(_: torch.Tensor) -> Any:
    raise AssertionError("it was made ready again")


def test_what_is_not_there_is_made(shared: SharedModel, made: Operands, reader: PinnedModel, texts: list[Text]) -> None:
    half = dict(list(made.items())[::2])
    assert PinnedModel.of(shared, taken_from(half)).run(texts[:3]) == reader.run(texts[:3])


def test_what_was_made_of_another_weight_or_for_another_operation_is_not_taken() -> None:
    made: Operands = {}
    weight = torch.randn(6, 6, generator=torch.Generator().manual_seed(1))
    kept_in(made)["aten.linear.default"].prepare(weight)
    for op, value in (("aten.linear.default", -weight), ("aten.mm.default", weight)):
        taken, own = taken_from(made)[op].prepare(value), PREPARED[op].prepare(value)
        assert SharedOperand.of(taken).sha256 == SharedOperand.of(own).sha256
        assert SharedOperand.of(own).sha256 not in {operand.sha256 for operand in made.values()}


@pytest.mark.parametrize("where", [0, -1], ids=["first", "last"])
def test_an_altered_byte_is_refused(made: Operands, shared: SharedModel, where: int) -> None:
    key, operand = next(iter(made.items()))
    for name, value in operand.fields.items():
        if isinstance(value, SharedTensor):
            data = value.data.copy()
            data[where] ^= 1
            altered = replace(operand, fields={**operand.fields, name: replace(value, data=data)})
            with pytest.raises(RunError, match="altered in its object store"):
                PinnedModel.of(shared, taken_from({**made, key: altered}))


class Telling(Worker):
    """A worker that says where the operands of its models lie."""

    def mappings(self, model: Digest) -> list[tuple[str, str, int]]:
        """For each operand's largest tensor: how its memory is mapped, from which file, and where in it."""
        found = []
        for value in self._models[model].program._weights.values():
            if not isinstance(value, torch.Tensor):
                tensors = [each for each in vars(value).values() if isinstance(each, torch.Tensor)]
                found.append(_mapping(max(tensors, key=lambda each: each.nbytes).data_ptr()))
        return found


def _mapping(address: int) -> tuple[str, str, int]:
    for line in Path("/proc/self/maps").read_text().splitlines():
        span, rights, offset, _, inode = line.split()[:5]
        start, end = (int(each, 16) for each in span.split("-"))
        if start <= address < end:
            return rights, inode, address - start + int(offset, 16)
    raise AssertionError("no such address")


@pytest.fixture(scope="module")
def pair(encoder: Path) -> Iterator[Crew]:
    with connected(None, 4), crew([encoder], 2, Telling) as ready:
        yield ready


def _mappings(member: Any, model: Digest) -> list[tuple[str, str, int]]:
    found: list[tuple[str, str, int]] = ray.get(member.actor.mappings.remote(model), timeout=60)
    return found


def test_workers_of_a_machine_read_the_same_memory_and_cannot_write_there(pair: Crew, reader: PinnedModel) -> None:
    first, second = (_mappings(member, reader.model_id) for member in pair.members)
    assert first == second
    assert len(first) > 30
    assert {rights for rights, _, _ in first} <= {"r--s", "rw-s"}
    assert all(place % 64 == 0 for _, _, place in first)  # as the loops like it


def test_what_was_made_outlives_who_made_it(
    pair: Crew, reader: PinnedModel, texts: Sequence[Text], jobs_of: Jobs, encoder: Path
) -> None:
    before = _mappings(pair.members[0], reader.model_id)
    work = jobs_of(reader, list(texts))
    for _ in range(2):
        victim = pair.ready()[0].where
        assert victim is not None
        kill(victim.process)
        outcomes, events = hear(OnRay(pair), work)
        assert outcomes == hear(Inline([encoder]), work)[0]
        assert len(events) == 1
        with in_time():
            while len(pair.ready()) < 2:
                for member in pair.wait():
                    pair.welcome(member)
    assert [_mappings(member, reader.model_id) for member in pair.members] == [before, before]
