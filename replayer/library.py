"""This node's own copies of pinned models."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ..evidence.ballot import Reason
from ..evidence.documents import to_bytes
from ..evidence.errors import ReperformError
from ..evidence.manifest import ExecutionClass
from ..evidence.receipt import Receipt, parse_input
from ..executor.model import PinnedModel
from .replay import IndeterminateError, Replayed


class Library:
    """Pinned models, one folder each, verified when they are loaded. Raises ReperformError for a bad one."""

    def __init__(self, folders: Iterable[Path]) -> None:
        models = [PinnedModel.load(folder) for folder in folders]
        self._models = {model.model_id: model for model in models}

    def replay(self, receipt: Receipt, committed: bytes) -> Replayed:
        """Run the model that the receipt names on the committed input. Raises IndeterminateError."""
        if receipt.execution_class is not ExecutionClass.PORTABLE_1:
            raise IndeterminateError(Reason.EXECUTION_CLASS, f"{receipt.execution_class} does not run on this machine")
        model = self._models.get(receipt.model)
        if model is None:
            raise IndeterminateError(Reason.MODEL, f"this node has no copy of model {receipt.model.short()}")
        try:
            output, trace = model.traced(parse_input(committed))
            return Replayed(to_bytes(output), trace)  # an output that has no encoding would have none next time
        except ReperformError as error:
            raise IndeterminateError(Reason.RUN, f"the run stopped: {error.cause}") from error
