"""What it means to do a decision again, before anybody says how."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..evidence.ballot import Reason
from ..evidence.digest import Digest
from ..evidence.errors import ReperformError
from ..evidence.receipt import Receipt


class IndeterminateError(ReperformError):
    """This node cannot say what the model computes, and why not."""

    def __init__(self, reason: Reason, cause: str) -> None:
        super().__init__(cause)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Replayed:
    """The bytes of the output, and the digest of all intermediate values."""

    output: bytes
    trace: Digest


# What a node calls to re-run the committed input (its bytes) of a receipt. Raises IndeterminateError.
Replay = Callable[[Receipt, bytes], Replayed]
