"""The body of a request, of which nobody knows how long it will be or how long it will take."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request

from .door import announced

# How long (seconds) a body may take to arrive.
BODY_SECONDS: Final = 30


async def read_body(request: Request, limit: int) -> bytes | None:
    """The body; None if it has more than `limit` bytes, which is known without reading it all."""
    if announced(request.scope) > limit:
        return None
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limit:
                    return None
    except TimeoutError as error:
        raise HTTPException(HTTPStatus.REQUEST_TIMEOUT) from error
    return bytes(body)
