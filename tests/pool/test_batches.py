"""Jobs become batches: each once, of one model, similar lengths together, and few of them held at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reperform.consensus.audit.replays import Job, Outcome
from reperform.evidence.ballot import Reason
from reperform.evidence.digest import Digest
from reperform.evidence.inputs import NumberColumn, RecordInput, TextInput
from reperform.evidence.manifest import ExecutionClass
from reperform.evidence.receipt import Receipt
from reperform.replayer.pool import batches as rules
from reperform.replayer.pool.batches import Batch, Held, batches
from reperform.tests.world import World

TEXTS, RECORDS, OTHER = (Digest(bytes([number]) * 32) for number in range(3))
HELD: Held = {
    TEXTS: TextInput("tokenizer.json", 256),
    RECORDS: RecordInput((NumberColumn("income", "monthly income", "0.0", "1.0"),)),
}


@pytest.fixture(scope="module")
def receipt(tmp_path_factory: pytest.TempPathFactory) -> Receipt:
    return World(tmp_path_factory.mktemp("world")).decision().receipt.parse(Receipt)


@given(data=st.lists(st.tuples(st.sampled_from([TEXTS, RECORDS]), st.integers(0, 40_000)), max_size=60))
def test_every_job_is_in_one_batch_with_its_like(receipt: Receipt, data: list[tuple[Digest, int]]) -> None:
    jobs = [Job(i, replace(receipt, model=model), b"x" * length) for i, (model, length) in enumerate(data)]
    found = list(batches(iter(jobs), HELD))
    assert sorted(job.entry for batch in found if isinstance(batch, Batch) for job in batch.jobs) == list(
        range(len(jobs))
    )
    for batch in found:
        assert isinstance(batch, Batch)
        assert {job.receipt.model for job in batch.jobs} == {batch.model}
        lengths = [len(job.input) for job in batch.jobs]
        assert lengths == sorted(lengths, reverse=True)
        if batch.model == TEXTS and len(lengths) > 1:
            assert max(lengths) * len(lengths) <= rules.TEXT_BYTES


def test_what_no_worker_can_run_is_refused_with_its_reason(receipt: Receipt) -> None:
    other = Job(1, replace(receipt, model=OTHER), b"")
    pinned = Job(2, replace(receipt, model=TEXTS, execution_class=ExecutionClass.PINNED), b"")
    refused = [item for item in batches([other, pinned], HELD) if isinstance(item, Outcome)]
    assert [(item.entry, item.output, item.reason) for item in refused] == [
        (1, None, Reason.MODEL),
        (2, None, Reason.EXECUTION_CLASS),
    ]


@pytest.mark.parametrize("length", [10, 1_000_000])
def test_no_more_than_a_window_is_held(receipt: Receipt, length: int) -> None:
    """A population of millions is read as it is replayed."""
    pulled = handed = most = 0
    named = [replace(receipt, model=model) for model in (TEXTS, RECORDS)]
    content = b"x" * length

    def jobs() -> Iterator[Job]:
        nonlocal pulled
        for entry in range(20_000 if length < 100 else 300):
            pulled += 1
            yield Job(entry, named[entry % 3 == 0], content)

    for item in batches(jobs(), HELD):
        assert isinstance(item, Batch)
        most = max(most, pulled - handed)
        handed += len(item.jobs)
    assert handed == pulled
    assert most <= min(rules.WINDOW_JOBS, rules.WINDOW_BYTES // length + 1)
