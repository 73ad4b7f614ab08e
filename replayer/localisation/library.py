"""The pinned models at hand, by id: manifest and graph at once, everything else when it is needed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch

from ...evidence.digest import Digest
from ...evidence.manifest import Manifest
from ...executor.graph import Graph
from ...executor.model import Folder, PinnedModel, read_graph, read_manifest
from ...executor.weights import check_weights
from .errors import LocalisationError
from .step import Step


@dataclass(frozen=True)
class Held:
    """One pinned model."""

    folder: Folder

    @cached_property
    def manifest(self) -> Manifest:
        """Its manifest."""
        return read_manifest(self.folder)

    @cached_property
    def graph(self) -> Graph:
        """Its graph."""
        return read_graph(self.folder, self.manifest)

    @cached_property
    def model(self) -> PinnedModel:
        """All of it, checked."""
        return PinnedModel.load(self.folder.path)

    def weights(self, step: Step) -> dict[str, torch.Tensor]:
        """Those that one operation reads, checked, and no others."""
        wanted = {weight.tensor for weight in step.weights}
        stored = {name: tensor for name, tensor in self.folder.tensors().items() if name in wanted}
        return check_weights(stored, [entry for entry in self.manifest.tensors if entry.name in wanted])


def held(folders: Iterable[Path]) -> dict[Digest, Held]:
    """The models in these folders. Raises ModelError."""
    models = [Held(Folder(folder)) for folder in folders]
    return {model.manifest.model_id: model for model in models}


def named(models: Mapping[Digest, Held], name: Digest) -> Held:
    """The model of a receipt. Raises LocalisationError."""
    model = models.get(name)
    if model is None:
        raise LocalisationError(
            f"no model here is {name.short()}, which the receipt names", advice="name its folder with --model"
        )
    return model
