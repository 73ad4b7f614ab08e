"""A docket over HTTP. It takes documents that the store admits and shows them to everybody; it keeps no secrets."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from importlib.metadata import version
from typing import Annotated, Any, Final

from fastapi import FastAPI, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from ...evidence.digest import Digest
from ...evidence.documents import Document, from_bytes, to_bytes
from ...evidence.dsse import Envelope
from ...evidence.encoding import MalformedError
from ..admission import MAX_BYTES
from ..docket import Changes, parse_envelope
from ..store.store import Store
from ..wire import DOCUMENT_TYPE, MAX_SAID, MAX_TOGETHER, MAX_WAIT, Documents, Filings, Rosters
from .bell import Bell
from .body import read_body
from .door import Door
from .metrics import Metrics
from .problems import add_problems, problem
from .quota import Buckets

# Bytes of a body: the largest document, and what stands around it.
MAX_BODY: Final = max(MAX_BYTES.values()) + 64 * 1024

FilingNames = Annotated[
    str,
    Path(
        pattern=f"^[0-9a-f]{{64}}(,[0-9a-f]{{64}}){{0,{MAX_TOGETHER - 1}}}$",
        description=f"The digests of filings, in hexadecimal: at most {MAX_TOGETHER}, with commas between them.",
    ),
]
Position = Annotated[int, Query(ge=0, lt=2**63, description="A position from an earlier answer; 0 is the beginning.")]
Wait = Annotated[float, Query(ge=0, le=MAX_WAIT, description="Seconds to wait for a change if there is none.")]

_BINARY: Final[dict[str, Any]] = {"schema": {"type": "string", "format": "binary"}}
_ANSWER: Final[dict[int | str, dict[str, Any]]] = {200: {"content": {DOCUMENT_TYPE: _BINARY}}}
_BODY: Final[dict[str, Any]] = {"requestBody": {"required": True, "content": {DOCUMENT_TYPE: _BINARY}}}


@dataclass(frozen=True)
class Service:
    """What an application is made of. `work` runs for as long as the application does."""

    store: Store
    rosters: Sequence[Envelope]
    bell: Bell
    buckets: Buckets
    work: Callable[[], AbstractContextManager[None]]


def create_app(service: Service) -> FastAPI:
    """The application."""
    store, bell, metrics = service.store, service.bell, Metrics(service.store.position)
    rosters = to_bytes(Rosters(tuple(service.rosters)))

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        bell.start()
        with service.work():
            yield

    app = FastAPI(
        title="reperform docket",
        version=version("reperform"),
        summary="Signed documents about disputed decisions. Verify what you read; the docket is not to be trusted.",
        lifespan=lifespan,
        redoc_url=None,
    )
    add_problems(app)

    app.add_middleware(Door, buckets=service.buckets, metrics=metrics)

    @app.post("/v1/filings", status_code=204, openapi_extra=_BODY)
    async def post(request: Request) -> Response:
        """Post signed documents about a filing: a `documents/v1`. All are on disk when this answers, or none is new.

        Posting them again changes nothing.
        """
        if request.headers.get("content-type") != DOCUMENT_TYPE:
            return problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"documents are posted as {DOCUMENT_TYPE}")
        body = await read_body(request, MAX_BODY)
        if body is None:
            return problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"what is posted has at most {MAX_BODY} bytes")
        await run_in_threadpool(_post, store, body)
        return Response(status_code=204)

    @app.get("/v1/filings/{filings}", responses=_ANSWER, response_class=Response)
    def read(filings: FilingNames) -> Response:
        """Everything that was posted about filings: a `filings/v1`. What does not fit in is to be asked for again."""
        return _document(Filings(store.documents([Digest.from_hex(name) for name in filings.split(",")])))

    @app.get("/v1/changes", responses=_ANSWER, response_class=Response)
    async def changes(after: Position = 0, wait: Wait = 0) -> Response:
        """The filings about which something was posted after a position, a page at a time: a `changes/v1`."""
        return _document(await _changes(store, bell, after, wait))

    @app.get("/v1/rosters", responses=_ANSWER, response_class=Response)
    def epochs() -> Response:
        """Every epoch of the roster, signed by the root keys: a `rosters/v1`."""
        return Response(rosters, media_type=DOCUMENT_TYPE)

    @app.get("/healthz")
    def health() -> dict[str, int | str]:
        """Whether the database answers."""
        return {"status": "ok", "position": store.position()}

    @app.get("/metrics", response_class=Response)
    def measured() -> Response:
        """Counters for Prometheus."""
        return metrics.answer()

    return app


def _post(store: Store, body: bytes) -> None:
    posted = from_bytes(Documents, body)
    slots = {each.slot for each in posted.documents}
    if not 0 < len(posted.documents) == len(slots) <= MAX_SAID:
        raise MalformedError(f"one to {MAX_SAID} documents are posted, each in another slot")
    store.post(posted.filing, {each.slot: parse_envelope(each.envelope) for each in posted.documents})


async def _changes(store: Store, bell: Bell, after: int, wait: float) -> Changes:
    """Changes; if there are none, those of the next moments."""
    end = time.monotonic() + wait
    while True:
        ticket = bell.ticket()
        found = await run_in_threadpool(store.changes, after)
        left = end - time.monotonic()
        if found.position != after or left <= 0:
            return found
        try:
            await asyncio.wait_for(ticket.wait(), left)
        except TimeoutError:
            return found


def _document(document: Document) -> Response:
    return Response(to_bytes(document), media_type=DOCUMENT_TYPE)
