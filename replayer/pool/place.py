"""Where a pool is: in this process, on this machine, or on a cluster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ...consensus.audit.replays import Replays
from .errors import PoolError

INLINE = "inline"
LOCAL = "local"
CLIENT = "ray://"


@contextmanager
def open_pool(
    place: str, models: Sequence[Path], *, workers: int | None = None, resource: str | None = None
) -> Iterator[Replays]:
    """Replays with the models in these folders, ready: each worker holds the models and has passed the self-test.

    place: `inline`, in this process and without Ray; `local`, single-threaded workers on this machine; or
    `ray://HOST:PORT`, workers on a cluster of this organisation. workers: how many; by default one for each
    processor. resource: what a machine must have been started with, as `reperform:ORGANISATION`.
    Raises PoolError, and other ReperformErrors for a bad model.
    """
    if place == INLINE:
        from .inline import Inline  # noqa: PLC0415  # torch, and Ray, only where they are used

        yield Inline(models)
    elif place == LOCAL or place.startswith(CLIENT):
        from .crew import crew  # noqa: PLC0415
        from .on_ray import OnRay  # noqa: PLC0415

        with crew(None if place == LOCAL else place, models, workers, resource) as ready:
            yield OnRay(ready)
    else:
        raise PoolError(f"{place!r:.60} is no pool", advice=f"name {INLINE}, {LOCAL} or {CLIENT}HOST:PORT")
