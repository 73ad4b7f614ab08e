"""What runs on a worker's machine: one process, one thread, the pinned models, and nothing about the decisions."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import ray
import torch
from ray.exceptions import RayError

from ...evidence.digest import Digest
from ...executor.model import ModelError, PinnedModel
from ...executor.selftest import selftest
from .operands import Operands, kept_in, taken_from
from .replaying import Answer, replay
from .shared import SharedModel

# One thread each, for all who start threads when they are loaded.
ENVIRONMENT: Final = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
FETCH: Final = 120.0  # seconds for a model to come from another machine, or to be made ready by another worker

# By the model's id, a list of one reference to a SharedModel: in a list, Ray hands it on and fetches nothing.
Shared = Mapping[Digest, Sequence[Any]]

log = logging.getLogger(__name__)


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

    def arrive(self) -> Whereabouts:
        """Pass the self-test. Where that was. Raises a ReperformError for a machine that computes something else."""
        selftest()
        return Whereabouts(ray.get_runtime_context().get_node_id(), socket.gethostname(), os.getpid())

    def make(self, shared: Shared) -> Operands:
        """The weights of the models, made ready for the products of this machine. Raises as `load` does."""
        made: Operands = {}
        for name, parts in _fetched(shared):
            _checked(name, PinnedModel.of(parts, kept_in(made)))
        return made

    def load(self, shared: Shared, made: Sequence[Any]) -> None:
        """Check and load the models, with the weights that a worker of this machine made ready, by its reference.

        Where these are lost, this worker makes its own. Raises a ReperformError for a model that is not the named one.
        """
        try:
            ready: Operands = ray.get(made[0], timeout=FETCH)
        except RayError as error:
            log.warning("weights made ready on this machine are lost, and made again: %s", type(error).__name__)
            ready = {}
        for name, parts in _fetched(shared):
            self._models[name] = _checked(name, PinnedModel.of(parts, taken_from(ready)))

    def replay(self, model: Digest, inputs: Sequence[bytes]) -> list[Answer]:
        """One answer for each input."""
        return replay(self._models[model], inputs)


def _fetched(shared: Shared) -> Iterator[tuple[Digest, SharedModel]]:
    for name, (reference,) in shared.items():
        parts: Any = ray.get(reference, timeout=FETCH)
        yield name, parts


def _checked(name: Digest, model: PinnedModel) -> PinnedModel:
    if model.model_id != name:
        raise ModelError(f"the pool holds model {model.model_id.short()} as {name.short()}")
    return model
