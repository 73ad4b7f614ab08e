"""The seam between an audit and what runs decisions again: neither knows the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from ...evidence.ballot import Reason
from ...evidence.receipt import Receipt


@dataclass(frozen=True, slots=True)
class Job:
    """A decision to be run again: where its receipt stands in the log, and the committed bytes of its input."""

    entry: int
    receipt: Receipt
    input: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """The bytes of the output that the pinned model gives, or why there are none."""

    entry: int
    output: bytes | None
    reason: Reason | None = None
    cause: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to the machines and belongs into the report. `time` is milliseconds since 1970."""

    time: int
    what: str


class Replays(Protocol):
    """Runs decisions again.

    Jobs are pulled as they can be taken, so that a bounded number is under way, whatever their number. Outcomes come in
    any order, exactly one for each job.
    """

    def __call__(self, jobs: Iterable[Job]) -> Iterator[Outcome | Event]: ...
