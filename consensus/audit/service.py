"""The operator's desk over HTTP. What it gives out is sealed to the lead, so nobody needs to log in to read it."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any, Final, TypeVar

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from ...evidence.audit.draw import AuditFile
from ...evidence.digest import Digest
from ...evidence.documents import from_bytes, to_bytes
from ...evidence.dsse import Envelope
from ...evidence.encoding import MalformedError
from ...evidence.errors import ReperformError
from ...evidence.tlog.tiles import MAX_ENTRY
from ..service.body import read_body
from ..service.door import Door
from ..service.quota import Buckets
from .desk import Desk, Enter, NotAnAuditError, UnknownDrawError, parse_position
from .record import NotAnsweredError

log = logging.getLogger(__name__)

ANSWERS_TYPE: Final = "application/vnd.reperform.audit-answers.v1+msgpack"
MAX_FILE: Final = 512 * 1024  # bytes of an audit file: an announcement, a proof with its witnesses, eight nonces
# Seconds. A sample is drawn from the whole log again; who asks again meanwhile waits for the same.
PATIENCE: Final = 10.0
RETRY: Final = {"Retry-After": "2", "Cache-Control": "no-store"}
MAX_UNDER_WAY: Final = 16

T = TypeVar("T")


class _BusyError(ReperformError):
    """Work that is not done yet."""


@dataclass(frozen=True)
class Service:
    """What an application is made of. `enter` is None where announcements are entered by other means."""

    make: Callable[[], Desk]
    enter: Enter | None
    buckets: Buckets


def create_app(service: Service) -> Starlette:
    """The application."""
    # One thread has the databases, so requests are answered one after another.
    thread = ThreadPoolExecutor(1, "desk")
    under_way: dict[bytes, asyncio.Future[Any]] = {}
    desk: Desk

    async def in_thread(call: Callable[[], T], name: bytes) -> T:
        """The result, also of the same call that is under way. Raises _BusyError when it takes long."""
        future = under_way.get(name)
        if future is None:
            if len(under_way) >= MAX_UNDER_WAY:
                raise _BusyError("too much is under way")
            future = asyncio.get_running_loop().run_in_executor(thread, call)
            under_way[name] = future
            future.add_done_callback(lambda done: _forget(under_way, name, done))
        try:
            result: T = await asyncio.wait_for(asyncio.shield(future), PATIENCE)
        except TimeoutError as error:
            raise _BusyError("this is under way") from error
        return result

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        nonlocal desk
        desk = await asyncio.get_running_loop().run_in_executor(thread, service.make)
        yield
        thread.shutdown(cancel_futures=True)

    async def announcements(request: Request) -> Response:
        body = await read_body(request, MAX_ENTRY)
        if body is None:
            return _said(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"an announcement has at most {MAX_ENTRY} bytes")
        enter = service.enter
        if enter is None:
            return _said(
                HTTPStatus.NOT_FOUND, "this desk does not write to the log: send the operator the announcement"
            )
        envelope = from_bytes(Envelope, body)
        index = await in_thread(lambda: desk.announce(envelope, enter), _name(b"announcement", body))
        return PlainTextResponse(f"{index}\n")

    async def draws(request: Request) -> Response:
        body = await read_body(request, MAX_FILE)
        if body is None:
            return _said(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"an audit file has at most {MAX_FILE} bytes")
        file = from_bytes(AuditFile, body)
        await in_thread(partial(desk.take, file, _untold), _name(b"draw", body))
        return Response(status_code=HTTPStatus.NO_CONTENT)

    async def answers(request: Request) -> Response:
        name = Digest.from_hex(request.path_params["draw"])
        after = parse_position(request.query_params.get("after", "-1"))
        envelope = await in_thread(
            lambda: desk.answers(name, after), _name(b"answers", name.value + str(after).encode())
        )
        return Response(to_bytes(envelope), headers={"Cache-Control": "no-store"}, media_type=ANSWERS_TYPE)

    return Starlette(
        routes=[
            Route("/v1/announcements", announcements, methods=["POST"]),
            Route("/v1/draws", draws, methods=["POST"]),
            Route("/v1/draws/{draw}/answers", answers),
        ],
        lifespan=lifespan,
        middleware=[Middleware(Door, buckets=service.buckets)],
        exception_handlers={ReperformError: _refused, ClientDisconnect: _gone},
    )


def _name(what: bytes, of: bytes) -> bytes:
    return what + hashlib.sha256(of).digest()


def _forget(under_way: dict[bytes, asyncio.Future[Any]], name: bytes, done: asyncio.Future[Any]) -> None:
    under_way.pop(name, None)
    if not done.cancelled():
        done.exception()  # who asked may be gone; then nobody else looks at it


def _untold(entries: Iterable[bytes], _: int) -> Iterator[bytes]:
    return iter(entries)


def _refused(_: Request, error: Exception) -> Response:
    if isinstance(error, _BusyError):
        return PlainTextResponse(f"{error.cause}; ask again\n", HTTPStatus.SERVICE_UNAVAILABLE, RETRY)
    if isinstance(error, UnknownDrawError):
        return _said(HTTPStatus.NOT_FOUND, str(error))
    if isinstance(error, NotAnAuditError | MalformedError):
        return _said(HTTPStatus.BAD_REQUEST, str(error))
    if isinstance(error, NotAnsweredError):
        return _said(HTTPStatus.CONFLICT, str(error))
    log.error("%s", error)
    return PlainTextResponse("the operator cannot answer now\n", HTTPStatus.SERVICE_UNAVAILABLE, RETRY)


def _said(status: HTTPStatus, reason: str) -> Response:
    return PlainTextResponse(f"{reason}\n", status, {"Cache-Control": "no-store"})


def _gone(_: Request, __: Exception) -> Response:
    return _said(HTTPStatus.BAD_REQUEST, "the body was not sent to its end")
