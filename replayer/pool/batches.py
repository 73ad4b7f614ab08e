"""Jobs in batches: of one model each, and of similar lengths, because texts that run together are padded together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from ...consensus.audit.replays import Job, Outcome
from ...evidence.ballot import Reason
from ...evidence.digest import Digest
from ...evidence.inputs import InputSpec, RecordInput
from ...evidence.manifest import ExecutionClass
from .replaying import Answer, Stopped

# How far jobs are read ahead, in all; what is sorted is what was read.
WINDOW_JOBS: Final = 4096
WINDOW_BYTES: Final = 64 * 1024 * 1024

# A batch of texts keeps a core busy for about a second. Larger ones are not faster, and leave the last worker alone for
# longer; smaller ones of records take more of the cores to hand out.
RECORDS: Final = 512
TEXT_BYTES: Final = 16 * 1024  # of padded texts: the longest, as often as there are texts

# What each model that is held takes.
Held = Mapping[Digest, InputSpec]


@dataclass(frozen=True, slots=True)
class Batch:
    """Jobs to be run together. `losses` is how many workers were lost while they ran these."""

    model: Digest
    jobs: tuple[Job, ...]
    losses: int = 0

    def inputs(self) -> list[bytes]:
        """What the model is run on."""
        return [job.input for job in self.jobs]

    def outcomes(self, answers: Iterable[Answer]) -> Iterator[Outcome]:
        """What came out, by job."""
        for job, answer in zip(self.jobs, answers, strict=True):
            if isinstance(answer, Stopped):
                yield Outcome(job.entry, None, Reason.RUN, answer.cause)
            else:
                yield Outcome(job.entry, answer)


def batches(jobs: Iterable[Job], held: Held) -> Iterator[Batch | Outcome]:
    """Every job in one batch, or refused with its outcome. Holds no more than a window of them."""
    waiting: dict[Digest, list[Job]] = {}
    count = size = 0
    for job in jobs:
        refusal = _refused(job, held)
        if refusal is not None:
            yield refusal
            continue
        waiting.setdefault(job.receipt.model, []).append(job)
        count, size = count + 1, size + len(job.input)
        if count >= WINDOW_JOBS or size >= WINDOW_BYTES:
            largest = max(waiting, key=lambda model: len(waiting[model]))
            full = waiting.pop(largest)
            count, size = count - len(full), size - sum(len(each.input) for each in full)
            yield from _cut(largest, held[largest], full)
    for model, rest in waiting.items():
        yield from _cut(model, held[model], rest)


def _refused(job: Job, held: Held) -> Outcome | None:
    """As replayer/library.py refuses."""
    receipt = job.receipt
    if receipt.execution_class is not ExecutionClass.PORTABLE_1:
        cause = f"{receipt.execution_class} does not run on this machine"
        return Outcome(job.entry, None, Reason.EXECUTION_CLASS, cause)
    if receipt.model not in held:
        return Outcome(job.entry, None, Reason.MODEL, f"this pool has no copy of model {receipt.model.short()}")
    return None


def _cut(model: Digest, takes: InputSpec, jobs: list[Job]) -> Iterator[Batch]:
    """The longest first: what is left for the last worker is then the least."""
    jobs = sorted(jobs, key=lambda job: len(job.input), reverse=True)
    start = 0
    while start < len(jobs):
        many = RECORDS if isinstance(takes, RecordInput) else max(1, TEXT_BYTES // len(jobs[start].input or b"-"))
        yield Batch(model, tuple(jobs[start : start + many]))
        start += many
