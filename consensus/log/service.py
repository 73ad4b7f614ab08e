"""A log for anybody to read over HTTP, as C2SP tlog-tiles has it. Read only; whoever reads verifies what they read."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from ...evidence.encoding import MalformedError
from ...evidence.tlog.tiles import parse_path
from ..service.door import Door
from ..service.quota import Buckets
from .prover import Prover
from .publisher import CHECKPOINT, MAX_NOTE
from .storage import Reader, StorageError

log = logging.getLogger(__name__)

# What is written once is never changed; the checkpoint is another one soon.
FOR_EVER: Final = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}
FOR_NOW: Final = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}
RETRY: Final = {"Retry-After": "1", "Cache-Control": "no-store"}


def create_app(reader: Reader, buckets: Buckets) -> Starlette:
    """The application."""
    prover = Prover(reader)

    def checkpoint(_: Request) -> Response:
        """The newest checkpoint."""
        note = reader.read(CHECKPOINT, MAX_NOTE)
        return _absent() if note is None else PlainTextResponse(note, headers=FOR_NOW)

    def tile(request: Request) -> Response:
        """A tile or a bundle of entries, whole, or as much of it as a smaller tree had."""
        # As it was sent: one path, one spelling.
        path = request.scope["raw_path"].decode("ascii", "replace").removeprefix(request.scope["root_path"] + "/")
        try:
            data = prover.file(parse_path(path))
        except MalformedError:
            return _absent()
        return _absent() if data is None else Response(data, headers=FOR_EVER, media_type="application/octet-stream")

    def unanswered(_: Request, error: Exception) -> Response:
        log.error("%s", error)
        return PlainTextResponse("the log's storage does not answer\n", HTTPStatus.SERVICE_UNAVAILABLE, RETRY)

    app = Starlette(
        routes=[Route(f"/{CHECKPOINT}", checkpoint), Route("/tile/{path:path}", tile)],
        exception_handlers={StorageError: unanswered},
    )
    app.router.redirect_slashes = False
    app.add_middleware(Door, buckets=buckets)
    return app


def _absent() -> Response:
    # What is not there yet may be soon.
    return PlainTextResponse("not found\n", HTTPStatus.NOT_FOUND, {"Cache-Control": "no-store"})
