"""Before every request: nobody asks too often. After it: it is counted, and a defect is told without what caused it."""

from __future__ import annotations

import time
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .metrics import Metrics
from .problems import defect, problem
from .quota import Buckets


class Door:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp, buckets: Buckets, metrics: Metrics | None = None) -> None:
        self._app = app
        self._buckets = buckets
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer 429."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun, status, begun_to_answer = time.monotonic(), int(HTTPStatus.INTERNAL_SERVER_ERROR), False

        async def sending(message: Message) -> None:
            nonlocal status, begun_to_answer
            if message["type"] == "http.response.start":
                status, begun_to_answer = message["status"], True
            await send(message)

        client = scope.get("client")
        missing = self._buckets.take(client[0] if client else "", begun, body_bytes=announced(scope))
        app = self._app
        if missing:
            headers = {"Retry-After": str(int(missing) + 1)}
            app = problem(HTTPStatus.TOO_MANY_REQUESTS, "too many requests from this address", headers)
        try:
            await app(scope, receive, sending)
        except Exception as error:  # noqa: BLE001  # the server would log it with its message
            answer = defect(error)
            if not begun_to_answer:
                await answer(scope, receive, send)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            if self._metrics is not None:
                self._metrics.count(route, status, time.monotonic() - begun)


def announced(scope: Scope) -> int:
    """How many bytes the body has, if its header says so; the server refuses a body that is longer."""
    length = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    return int(length) if length.isdigit() else 0
