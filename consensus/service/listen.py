"""An application at an address, until it is told to stop."""

from __future__ import annotations

import logging
import signal
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import uvicorn
from starlette.applications import Starlette

from ...evidence.errors import ReperformError

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


def listen(app: Starlette, listening: Listening) -> None:
    """Serve until SIGTERM or SIGINT. Raises ListenError."""
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
