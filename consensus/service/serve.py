"""Running the service: one process with the database, the keeper and the docket's signing key."""

from __future__ import annotations

import logging
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import uvicorn
from fastapi import FastAPI

from ...evidence.dsse import Signed
from ...evidence.errors import ReperformError
from ...evidence.keyfile import KeyRing
from ...evidence.roster import Roster
from ..admission import Admission
from ..keeper import Keeper, Patience
from ..store.engine import alone, open_engine
from ..store.store import Quota, Store
from .app import Service, create_app
from .bell import Bell
from .keeping import keeping
from .quota import Buckets

log = logging.getLogger(__name__)

MAX_CONNECTIONS: Final = 1024
# Seconds that requests under way, some of which wait for changes, are given at the end.
LAST_SECONDS: Final = 3
SWITCH_SECONDS: Final = 0.0005


class ListenError(ReperformError):
    """An address that cannot be listened at, or a certificate that cannot be shown."""


@dataclass(frozen=True, slots=True)
class Listening:
    """Where and how the service is reached."""

    host: str
    port: int
    tls_cert: Path | None
    tls_key: Path | None
    proxy: str | None  # the one address whose word for the client's address is taken
    requests_per_minute: int  # by one client's address

    @property
    def scheme(self) -> str:
        """How addresses of this service begin."""
        return "http" if self.tls_cert is None else "https"


def serve(
    database: str,
    listening: Listening,
    keys: KeyRing,
    rosters: Sequence[Signed[Roster]],
    *,
    patience: Patience,
    quota: Quota,
    now: Callable[[], int],
) -> None:
    """Serve until SIGTERM or SIGINT. Raises ListenError, StoreError, and RosterRefusedError for a wrong key."""
    bell, known = Bell(), [signed.document for signed in rosters]
    engine = open_engine(database)
    store = Store(engine, Admission(known, keys.signing.public.key_id), quota, bell.ring)
    keeper = Keeper(store, keys, known, patience)
    with alone(engine) as still:
        service = Service(
            store,
            [signed.envelope for signed in rosters],
            bell,
            Buckets(listening.requests_per_minute),
            lambda: keeping(keeper, bell.keeper, now, still),
        )
        _listen(create_app(service), listening)


def _listen(app: FastAPI, listening: Listening) -> None:
    config = uvicorn.Config(
        app,
        ssl_certfile=listening.tls_cert,
        ssl_keyfile=listening.tls_key,
        proxy_headers=listening.proxy is not None,
        forwarded_allow_ips=listening.proxy,
        log_config=None,  # the log is the command's; what clients ask for is not in it
        access_log=False,
        server_header=False,
        limit_concurrency=MAX_CONNECTIONS,
        timeout_graceful_shutdown=LAST_SECONDS,
    )
    try:
        config.load()
        server = socket.create_server((listening.host, listening.port))
    except (OSError, ValueError) as error:
        raise ListenError(
            f"cannot listen at {listening.host}:{listening.port}: {getattr(error, 'strerror', None) or error}",
            advice="check the address, and the files of --tls-cert and --tls-key",
        ) from error
    # Requests pass from thread to thread and back; behind a busy keeper each time cost them Python's 5 ms.
    sys.setswitchinterval(SWITCH_SECONDS)
    for number in (signal.SIGTERM, signal.SIGINT):
        # uvicorn stops at these, and raises them once more when it is done: to be stopped is no failure.
        signal.signal(number, lambda *_: None)
    with server:
        # Taken over by every connection; else an answer's body would wait 40 ms for the receipt of its headers.
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        log.info("listening at %s://%s:%d", listening.scheme, listening.host, server.getsockname()[1])
        uvicorn.Server(config).run(sockets=[server])
