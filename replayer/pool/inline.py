"""Replays in this process: no Ray, one batch after another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from ...consensus.audit.replays import Event, Job, Outcome
from ...executor.model import PinnedModel
from ...executor.selftest import selftest
from .batches import Batch, batches
from .replaying import replay


class Inline:
    """Implements Replays with the models in these folders. Raises a ReperformError for a bad model, or machine."""

    def __init__(self, folders: Iterable[Path]) -> None:
        selftest()  # a machine that computes something else must not replay
        models = [PinnedModel.load(folder) for folder in folders]
        self._models = {model.model_id: model for model in models}

    def __call__(self, jobs: Iterable[Job]) -> Iterator[Outcome | Event]:
        """As Replays says."""
        held = {name: model.manifest.input for name, model in self._models.items()}
        for item in batches(jobs, held):
            if isinstance(item, Batch):
                yield from item.outcomes(replay(self._models[item.model], item.inputs()))
            else:
                yield item
