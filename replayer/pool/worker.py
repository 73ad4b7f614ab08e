"""What runs on a worker's machine: one process, one thread, the pinned models, and nothing about the decisions."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import ray
import torch

from ...evidence.digest import Digest
from ...executor.model import ModelError, PinnedModel
from ...executor.selftest import selftest
from .replaying import Answer, replay
from .shared import SharedModel

# One thread each, for all who start threads when they are loaded.
ENVIRONMENT: Final = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
FETCH: Final = 120.0  # seconds for a model to come from another machine


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Which process a worker is, and on which of Ray's nodes."""

    node: str
    machine: str
    process: int

    def __str__(self) -> str:
        return f"process {self.process} on node {self.node[:12]} ({self.machine})"


class Worker:
    """A Ray actor. It is never restarted or retried by Ray: what becomes of its work is for the pool to say."""

    def __init__(self) -> None:
        torch.set_num_threads(1)
        self._models: dict[Digest, PinnedModel] = {}

    def prepare(self, shared: Mapping[Digest, Sequence[Any]]) -> Whereabouts:
        """Pass the self-test, and check and load the models; each comes as a list of one reference. Where that was.

        Raises a ReperformError for a machine that does not compute portable-1, or a model that is not the named one.
        """
        selftest()
        for name, (reference,) in shared.items():
            parts: SharedModel = ray.get(reference, timeout=FETCH)
            model = PinnedModel.of(parts)
            if model.model_id != name:
                raise ModelError(f"the pool holds model {model.model_id.short()} as {name.short()}")
            self._models[name] = model
        return Whereabouts(ray.get_runtime_context().get_node_id(), socket.gethostname(), os.getpid())

    def replay(self, model: Digest, inputs: Sequence[bytes]) -> list[Answer]:
        """One answer for each input."""
        return replay(self._models[model], inputs)
