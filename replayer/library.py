"""This node's own copies of pinned models: handed to it, or fetched when a case names them."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

from ..evidence.ballot import Reason
from ..evidence.digest import Digest
from ..evidence.documents import to_bytes
from ..evidence.errors import ReperformError
from ..evidence.manifest import ExecutionClass
from ..evidence.receipt import Receipt, parse_input
from ..executor.model import PinnedModel
from .delivery import Delivery
from .replay import IndeterminateError, Replayed
from .source import Source

log = logging.getLogger(__name__)


class NotHereYetError(ReperformError):
    """A model that is on its way. The node asks again."""


class Library:
    """Pinned models, one folder each, verified when they are loaded. Raises ReperformError for a bad one."""

    def __init__(self, folders: Iterable[Path], source: Source | None = None) -> None:
        kept = [] if source is None else source.kept()
        models = [PinnedModel.load(folder) for folder in (*folders, *kept)]
        self._models = {model.model_id: model for model in models}
        self._source = source
        self._deliveries: dict[Digest, Delivery] = {}

    def held(self) -> frozenset[Digest]:
        """The models that are ready."""
        return frozenset(self._models)

    def want(self, receipt: Receipt) -> None:
        """Have the model of a receipt brought, if it is not here and can be had."""
        source, model = self._source, receipt.model
        portable = receipt.execution_class is ExecutionClass.PORTABLE_1
        if source is not None and portable and model not in self._models and model not in self._deliveries:
            log.info("fetching model %s", model.short())
            self._deliveries[model] = Delivery(lambda: source.download(model))

    def replay(self, receipt: Receipt, committed: bytes) -> Replayed:
        """Run the model that the receipt names on the committed input.

        Raises IndeterminateError, and NotHereYetError while the model is being fetched.
        """
        if receipt.execution_class is not ExecutionClass.PORTABLE_1:
            raise IndeterminateError(Reason.EXECUTION_CLASS, f"{receipt.execution_class} does not run on this machine")
        model = self._models.get(receipt.model) or self._fetched(receipt)
        try:
            output, trace = model.traced(parse_input(committed))
            return Replayed(to_bytes(output), trace)  # an output that has no encoding would have none next time
        except ReperformError as error:
            raise IndeterminateError(Reason.RUN, f"the run stopped: {error.cause}") from error

    def _fetched(self, receipt: Receipt) -> PinnedModel:
        name = receipt.model
        if self._source is None:
            raise IndeterminateError(Reason.MODEL, f"this node has no copy of model {name.short()}")
        self.want(receipt)
        try:
            folder = self._deliveries[name].arrived()
            model = None if folder is None else self._source.check(name, folder)
        except ReperformError as error:
            del self._deliveries[name]  # another case may try again
            raise IndeterminateError(Reason.MODEL, f"model {name.short()} was not to be had: {error}") from error
        if model is None:
            raise NotHereYetError(f"model {name.short()} is being fetched")
        del self._deliveries[name]
        log.info("model %s is here and checked", name.short())
        self._models[name] = model
        return model
