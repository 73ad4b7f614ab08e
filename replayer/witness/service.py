"""A witness over HTTP: C2SP tlog-witness, both prefixes at one address, without the optional sign-subtree."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, TypeVar

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from ...consensus.log.witnesses import SIZE_TYPE
from ...consensus.service.body import read_body
from ...consensus.service.door import Door
from ...consensus.service.quota import Buckets
from ...evidence.tlog.request import MAX_REQUEST
from ..database import DatabaseError
from .judgement import Outcome
from .witness import Witness

log = logging.getLogger(__name__)

FORK_TYPE: Final = "application/vnd.reperform.fork.v1+msgpack"

T = TypeVar("T")


@dataclass(frozen=True)
class Service:
    """What an application is made of. `work` runs beside it for as long as it does."""

    make: Callable[[], Witness]
    buckets: Buckets
    work: Callable[[], AbstractContextManager[None]]
    now: Callable[[], int]


def create_app(service: Service) -> Starlette:
    """The application."""
    # One thread has the database, so requests are judged one after another.
    thread = ThreadPoolExecutor(1, "witness")
    witness: Witness

    async def in_thread(call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(thread, call)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        nonlocal witness
        witness = await in_thread(service.make)
        with service.work():
            yield

    async def add_checkpoint(request: Request) -> Response:
        body = await read_body(request, MAX_REQUEST)
        if body is None:
            return _said(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a request has at most {MAX_REQUEST} bytes")
        answer = await in_thread(lambda: witness.add(body, service.now()))
        match answer.outcome:
            case Outcome.COSIGNED:
                return PlainTextResponse(answer.text)
            case Outcome.CONFLICT:
                # Set as a header, for Starlette would add a charset to the media type.
                return Response(f"{answer.text}\n", HTTPStatus.CONFLICT, {"Content-Type": SIZE_TYPE})
        return _said(answer.outcome.value, answer.text)

    async def checkpoint(request: Request) -> Response:
        note = await in_thread(lambda: witness.shown(request.path_params["name"]))
        return _said(HTTPStatus.NOT_FOUND, "nothing was cosigned") if note is None else PlainTextResponse(note)

    async def fork(request: Request) -> Response:
        proof = await in_thread(lambda: witness.fork(request.path_params["name"]))
        return (
            _said(HTTPStatus.NOT_FOUND, "no fork is known") if proof is None else Response(proof, media_type=FORK_TYPE)
        )

    routes = [
        Route("/add-checkpoint", add_checkpoint, methods=["POST"]),
        Route("/{name}/checkpoint", checkpoint),
        Route("/{name}/fork", fork),  # beyond the specification
    ]
    return Starlette(
        routes=routes,
        lifespan=lifespan,
        middleware=[Middleware(Door, buckets=service.buckets)],
        exception_handlers={DatabaseError: _unavailable, ClientDisconnect: _gone},
    )


def _said(status: HTTPStatus, reason: str) -> Response:
    return PlainTextResponse(f"{reason}\n", status)


def _unavailable(_: Request, error: Exception) -> Response:
    log.error("%s", error)
    return _said(HTTPStatus.SERVICE_UNAVAILABLE, "the witness cannot write down what it would cosign")


def _gone(_: Request, __: Exception) -> Response:
    return _said(HTTPStatus.BAD_REQUEST, "the body was not sent to its end")
