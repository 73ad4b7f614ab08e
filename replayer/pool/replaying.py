"""A batch of committed inputs run together: what a worker does, on whatever machine it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...evidence.documents import to_bytes
from ...evidence.errors import ReperformError
from ...evidence.receipt import parse_input
from ...executor.model import PinnedModel


@dataclass(frozen=True, slots=True)
class Stopped:
    """A run that gave no output, and why."""

    cause: str


# The bytes of an output, or why there are none.
Answer = bytes | Stopped


def replay(model: PinnedModel, inputs: Sequence[bytes]) -> list[Answer]:
    """One answer for each of these committed inputs, in their order; the same bytes for any batch.

    A batch that stops is run in halves, so that who did not cause it gets an answer.
    """
    try:
        return [to_bytes(output) for output in model.run([parse_input(committed) for committed in inputs])]
    except ReperformError as error:
        if len(inputs) == 1:
            return [Stopped(f"the run stopped: {error.cause}")]
    half = len(inputs) // 2
    return replay(model, inputs[:half]) + replay(model, inputs[half:])
