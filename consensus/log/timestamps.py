"""Asking a time-stamping authority about a checkpoint, over HTTP (RFC 3161 §3.4)."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Final

import httpx
from cryptography.x509 import Certificate

from ...evidence.timestamp import MAX_RESPONSE, check_timestamp, timestamp_request
from ...evidence.tlog.checkpoint import Checkpoint
from ..client import connection
from .remote import RemoteError

QUERY: Final = "application/timestamp-query"


def timestamp(
    address: str, checkpoint: Checkpoint, certificates: Sequence[Certificate], authority: Path | None = None
) -> bytes:
    """The authority's answer about a checkpoint, verified with the certificates that the asker trusts.

    `authority` is a file of CA certificates for https, if those of the system are not the ones. Raises RemoteError,
    MalformedError, TimestampRefusedError.
    """
    request = timestamp_request(checkpoint)
    with connection(address, authority, "the address of a time-stamping authority", RemoteError) as client:
        try:
            with client.stream("POST", address, content=request, headers={"Content-Type": QUERY}) as response:
                if response.status_code != HTTPStatus.OK:
                    raise RemoteError(f"{address} answers {response.status_code}", advice="check the address")
                data = bytearray()
                for chunk in response.iter_raw(MAX_RESPONSE):
                    data += chunk
                    if len(data) > MAX_RESPONSE:
                        raise RemoteError(f"{address} answers with more than {MAX_RESPONSE} bytes")
        except httpx.TransportError as error:
            raise RemoteError(
                f"{address} does not answer ({type(error).__name__})", advice="check the address and the network"
            ) from error
    check_timestamp(bytes(data), checkpoint, certificates)
    return bytes(data)
