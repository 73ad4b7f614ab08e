"""A log, or a witness, at an address. It is not trusted: whatever it says is read in bounds, and checked elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final

import httpx

from ..client import connection
from .storage import StorageError

MAX_CAUSE: Final = 200  # characters of what somebody says went wrong
MAX_PROBLEM: Final = 4096
# Of the statuses that blame who asks, those that pass with time.
LATER: Final = frozenset((HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS))


class RemoteError(StorageError):
    """An address that is none, that does not answer, or that answers what it should not."""


class RemoteRefusesError(RemoteError):
    """An address that will answer the same when it is asked again."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, the media type, and the body."""

    status: int
    kind: str
    body: bytes

    @property
    def cause(self) -> str:
        """The beginning of what is said to be wrong, on one line."""
        return "".join(c for c in self.body[:MAX_CAUSE].decode(errors="replace") if c.isprintable())


class Remote:
    """One address; connections are kept. It is a `Reader` of the log there. Threads may share it."""

    def __init__(self, address: str, authority: Path | None = None, *, what: str = "the log's address") -> None:
        """`authority` is a file of CA certificates, if those of the system are not the ones. Raises RemoteError."""
        self._client = connection(address, authority, what, RemoteError)
        self.address = address.rstrip("/")

    def read(self, path: str, limit: int) -> bytes | None:
        """What is served at a path; None for 404. Raises RemoteError; RemoteRefusesError for what will stay so."""
        answer = self._ask("GET", path, None, limit)
        if answer.status == HTTPStatus.NOT_FOUND:
            return None
        if answer.status != HTTPStatus.OK:
            final = HTTPStatus.BAD_REQUEST <= answer.status < HTTPStatus.INTERNAL_SERVER_ERROR
            refused = RemoteRefusesError if final and answer.status not in LATER else RemoteError
            raise refused(f"{self.address} answers {answer.status}: {answer.cause}")
        return answer.body

    def post(self, path: str, body: bytes, limit: int) -> Answer:
        """The answer to a POST; if it succeeds, of at most `limit` bytes. Raises RemoteError."""
        return self._ask("POST", path, body, limit)

    def _ask(self, method: str, path: str, body: bytes | None, limit: int) -> Answer:
        try:
            with self._client.stream(method, f"{self.address}/{path}", content=body) as response:
                limit = limit if response.status_code == HTTPStatus.OK else MAX_PROBLEM
                data = bytearray()
                for chunk in response.iter_raw(64 * 1024):
                    data += chunk
                    if len(data) > limit:
                        raise RemoteError(f"{self.address} answers with more than {limit} bytes")
                return Answer(response.status_code, response.headers.get("Content-Type", ""), bytes(data))
        except httpx.TransportError as error:
            raise RemoteError(
                f"{self.address} does not answer ({type(error).__name__})", advice="check the address and the network"
            ) from error
