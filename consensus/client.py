"""A docket over HTTP, as its users see it. It is not trusted: whatever it says is read strictly and in bounds."""

from __future__ import annotations

import json
import ssl
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from random import SystemRandom
from typing import Final, TypeVar
from urllib.parse import urlsplit

import httpx

from ..evidence.digest import Digest
from ..evidence.documents import from_bytes, to_bytes
from ..evidence.dsse import Envelope
from ..evidence.encoding import MAX_BYTES, MalformedError
from ..evidence.errors import ReperformError
from .docket import Changes, DocketError, DocketUnreachableError, Slot, parse_envelope
from .wire import DOCUMENT_TYPE, MAX_TOGETHER, Documents, Filings, Posted, Rosters

TIMEOUT: Final = httpx.Timeout(20, connect=5)
# Every call may be made twice without harm: a document posted twice is posted once.
TRIES: Final = 4
FIRST_PAUSE: Final = 0.25  # seconds; doubled after every try
LONGEST_PAUSE: Final = 5.0
# Nothing is compressed, so that no answer is larger than it was on the wire.
HEADERS: Final = {"User-Agent": "reperform", "Accept-Encoding": "identity"}
BUSY: Final = frozenset({429, 502, 503, 504})
# Bytes of an answer about changes; one about filings may be as long as a document.
MAX_CHANGES: Final = 256 * 1024
MAX_PROBLEM: Final = 4096
MAX_CAUSE: Final = 300  # characters

D = TypeVar("D", Changes, Filings, Rosters)
T = TypeVar("T")

_random: Final = SystemRandom()


class HttpDocket:
    """A `Docket` at an https:// or http:// address. One object serves one thread."""

    def __init__(self, url: str, authority: Path | None = None, pause: Callable[[float], None] = time.sleep) -> None:
        """`authority` is a file of CA certificates, if those of the system are not the ones. Raises DocketError."""
        self._client = connection(url, authority, "a docket's address", DocketError)
        self._url = url.rstrip("/")
        self._pause = pause
        self._position = 0
        self._named: tuple[Digest, ...] = ()
        self._shown: dict[Digest, Documents] = {}

    def changes(self, after: int) -> Changes:
        """What was posted after a position."""
        changes = self._changes(after, 0)
        self._named, self._shown = changes.filings, {}
        return changes

    def wait(self, seconds: float) -> None:
        """Return when something was posted after the last changes that were read, or after so many seconds."""
        self._changes(self._position, seconds)

    def read(self, filing: Digest) -> Mapping[Slot, tuple[Envelope, ...]]:
        """Everything posted about a filing. With it come the next that the last changes named: they are read next."""
        if filing not in self._shown:
            self._shown = self._documents(filing)
        found: dict[Slot, list[Envelope]] = defaultdict(list)
        for posted in self._shown.pop(filing).documents:
            found[posted.slot].append(self._read(parse_envelope, posted.envelope))
        return {slot: tuple(found[slot]) for slot in Slot}

    def _documents(self, filing: Digest) -> dict[Digest, Documents]:
        """What was posted about a filing, and about some of those that follow it in the last changes."""
        named, self._named = self._named, ()  # what cannot be read with others is read alone
        start = named.index(filing) if filing in named else len(named)
        names = (filing, *named[start + 1 : start + MAX_TOGETHER])
        answer = self._get("/v1/filings/" + ",".join(map(str, names)), Filings, MAX_BYTES)
        found = {documents.filing: documents for documents in answer.filings if documents.filing in names}
        if filing not in found:
            raise DocketError(f"the docket at {self._url} answers about other filings than it was asked for")
        self._named = named
        return found

    def post(self, filing: Digest, said: Mapping[Slot, Envelope]) -> None:
        """Post documents. When this returns, the docket says that they are on its disk."""
        documents = tuple(Posted(slot, to_bytes(envelope)) for slot, envelope in said.items())
        self._send("POST", "/v1/filings", to_bytes(Documents(filing, documents)), limit=MAX_PROBLEM)

    def rosters(self) -> tuple[Envelope, ...]:
        """Every epoch of the docket's roster. Verify them with `open_rosters`."""
        return self._get("/v1/rosters", Rosters, MAX_BYTES).epochs

    def _changes(self, after: int, seconds: float) -> Changes:
        path = f"/v1/changes?after={after}" + (f"&wait={seconds:g}" if seconds else "")
        changes = self._get(path, Changes, MAX_CHANGES)
        if not seconds:
            self._position = changes.position
        return changes

    def _get(self, path: str, cls: type[D], limit: int) -> D:
        return self._read(lambda body: from_bytes(cls, body), self._send("GET", path, None, limit=limit))

    def _read(self, parse: Callable[[bytes], T], data: bytes) -> T:
        try:
            return parse(data)
        except MalformedError as error:
            raise DocketError(
                f"the docket at {self._url} answers what no docket says: {error.cause}",
                advice="check that the address is that of a docket, and of this version",
            ) from error

    def _send(self, method: str, path: str, body: bytes | None, *, limit: int) -> bytes:
        """The answer's bytes, at most `limit`. Tries again where that may help, for a bounded time."""
        wait = FIRST_PAUSE
        for left in reversed(range(TRIES)):
            try:
                status, answer, after = self._once(method, path, body, limit)
            except httpx.TransportError as error:
                if not left or "CERTIFICATE_VERIFY_FAILED" in str(error):
                    raise self._unreachable(error) from error
                after = 0.0
            else:
                if status < 300:
                    return answer
                if status not in BUSY:
                    raise DocketError(f"the docket at {self._url} refuses ({status}): {_cause(answer)}")
                if not left:
                    raise DocketUnreachableError(
                        f"the docket at {self._url} is busy ({status}): {_cause(answer)}", advice="try again later"
                    )
            self._pause(min(max(after, wait * _random.uniform(0.5, 1)), LONGEST_PAUSE))
            wait *= 2
        raise AssertionError("the last try returns or raises")

    def _once(self, method: str, path: str, body: bytes | None, limit: int) -> tuple[int, bytes, float]:
        """Status, body, and how many seconds the docket asks to wait."""
        headers = {} if body is None else {"Content-Type": DOCUMENT_TYPE}
        with self._client.stream(method, self._url + path, content=body, headers=headers) as response:
            limit = limit if response.status_code < 300 else MAX_PROBLEM
            answer = bytearray()
            for chunk in response.iter_raw(64 * 1024):
                answer += chunk
                if len(answer) > limit:
                    raise DocketError(f"the docket at {self._url} answers with more than {limit} bytes")
            after = response.headers.get("Retry-After", "")
            return response.status_code, bytes(answer), float(after) if after.isascii() and after.isdigit() else 0.0

    def _unreachable(self, error: httpx.TransportError) -> ReperformError:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return DocketUnreachableError(
                f"the certificate of the docket at {self._url} is signed by nobody known here",
                advice="give the CA's certificate with --docket-ca",
            )
        return DocketUnreachableError(
            f"the docket at {self._url} does not answer ({type(error).__name__})",
            advice="check the address and the network; what was not posted can be posted again",
        )


def connection(address: str, authority: Path | None, what: str, refusal: type[ReperformError]) -> httpx.Client:
    """A client for an address, which is `what` in an error. Raises a `refusal` if it, or `authority`, is none."""
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
        raise refusal(f"{what} is https://HOST, with a port and a path if need be")
    try:
        trust = ssl.create_default_context(cafile=authority)
    except (OSError, ssl.SSLError) as error:
        raise refusal(f"{authority} is no file of CA certificates", advice="name a PEM file") from error
    return httpx.Client(timeout=TIMEOUT, verify=trust, headers=HEADERS)


def _cause(answer: bytes) -> str:
    """What somebody whom nobody trusts says went wrong: the beginning of it, on one line."""
    try:
        detail = json.loads(answer)["detail"]
    except (ValueError, RecursionError, KeyError, TypeError):
        detail = None
    if not isinstance(detail, str):
        return "no reason given"
    return "".join(c for c in detail[:MAX_CAUSE] if c.isprintable())
