"""Where a service listens: the same options for every command that is one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ..evidence.encoding import MalformedError

if TYPE_CHECKING:
    from ..consensus.service.listen import Listening

Listen = Annotated[str, typer.Option("--listen", help="HOST:PORT to listen at; port 0 takes a free one.")]
TlsCertificate = Annotated[
    Path | None, typer.Option("--tls-cert", help="Certificate chain (PEM). Without one: behind a proxy.")
]
TlsKey = Annotated[Path | None, typer.Option("--tls-key", help="The certificate's private key (PEM).")]
Proxy = Annotated[
    str | None, typer.Option("--proxy", help="Address of the proxy whose X-Forwarded-For is believed; of no other.")
]
RequestsPerMinute = Annotated[int, typer.Option("--requests-per-minute", min=1, help="How often one address may ask.")]

_ADDRESS: Final = re.compile(r"(\[[0-9a-fA-F:]+\]|[^:\[\]]+):([0-9]{1,5})")


def listening(
    address: str, tls_cert: Path | None, tls_key: Path | None, proxy: str | None, requests_per_minute: int
) -> Listening:
    """The options, checked. Raises MalformedError."""
    from ..consensus.service.listen import Listening

    parts = _ADDRESS.fullmatch(address)
    if parts is None or int(parts[2]) > 65535:
        raise MalformedError("--listen names no address and port", advice="write it as 127.0.0.1:8443")
    if (tls_cert is None) != (tls_key is None):
        raise MalformedError("a certificate and its key come together", advice="give both --tls-cert and --tls-key")
    return Listening(parts[1].strip("[]"), int(parts[2]), tls_cert, tls_key, proxy, requests_per_minute)
