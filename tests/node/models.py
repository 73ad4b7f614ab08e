"""An address with a model's files, and what else it may do with who asks for them."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler
from pathlib import Path

from reperform.evidence.digest import Digest
from reperform.executor.model import PinnedModel
from reperform.tests.docket.test_client import Answer, say

Files = dict[str, bytes]


def read(folder: Path) -> tuple[Digest, Files]:
    """A pinned model's id, and its files by their names."""
    return PinnedModel.load(folder).model_id, {path.name: path.read_bytes() for path in folder.iterdir()}


def serve(files: Files, *, ranges: bool = True) -> Answer:
    """A web server that has these files under any model's name."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        data = files.get(handler.path.rpartition("/")[2])
        start = handler.headers.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-")
        if data is None:
            say(b"no such file", 404)(handler)
        elif not ranges or "Range" not in handler.headers:
            say(data)(handler)
        elif int(start) >= len(data):
            say(b"", 416)(handler)
        else:
            say(data[int(start) :], 206, Content_Range=f"bytes {start}-{len(data) - 1}/{len(data)}")(handler)

    return answer


def first(one: Answer, then: Answer, name: str) -> Answer:
    """The first who asks for this file gets another answer than those after."""
    told: list[str] = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        if handler.path.endswith(name) and not told:
            told.append(handler.path)
            one(handler)
        else:
            then(handler)

    return answer


def instead(name: str, one: Answer, otherwise: Answer) -> Answer:
    """Whoever asks for this file gets this."""
    return lambda handler: (one if handler.path.endswith(name) else otherwise)(handler)


def half(data: bytes) -> Answer:
    """Half of what was promised."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(data)))
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.wfile.write(data[: len(data) // 2])

    return answer


def flipped(data: bytes) -> bytes:
    """The last bit is another."""
    return data[:-1] + bytes([data[-1] ^ 1])
