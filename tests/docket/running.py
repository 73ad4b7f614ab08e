"""A service in a thread of the test, on loopback, over a real socket."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import cast

import uvicorn
from reperform.consensus.service.app import Service, create_app
from reperform.consensus.service.bell import Bell
from reperform.consensus.service.quota import Buckets
from reperform.consensus.store.store import Store
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
    config = uvicorn.Config(
        app, log_config=None, access_log=False, ssl_certfile=certificate, ssl_keyfile=key, timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            while not server.started and thread.is_alive():
                time.sleep(0.01)
            scheme = "http" if certificate is None else "https"
            yield f"{scheme}://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
