"""A docket's service in a thread of the test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import cast

from reperform.consensus.service.app import Service, create_app
from reperform.consensus.service.bell import Bell
from reperform.consensus.service.quota import Buckets
from reperform.consensus.store.store import Store
from reperform.tests.serving import serving
from reperform.tests.world import World


@contextmanager
def running(
    world: World, *, per_minute: int = 10**6, certificate: Path | None = None, key: Path | None = None
) -> Iterator[str]:
    """The address of a service over the world's store; the test itself moves the world's keeper."""
    bell = Bell()
    store = cast("Store", world.docket)
    store._posted = bell.ring
    app = create_app(Service(store, [world.roster_envelope], bell, Buckets(per_minute), nullcontext))
    with serving(app, certificate=certificate, key=key) as address:
        yield address
