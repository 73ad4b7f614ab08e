"""What a log asks of a witness: the body of add-checkpoint (c2sp.org/tlog-witness)."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Self

from ..encoding import MalformedError
from .note import MAX_BYTES, Note

MAX_HASHES: Final = 63
MAX_REQUEST: Final = MAX_BYTES + 4096
_HEAD: Final = re.compile(r"old (0|[1-9][0-9]{0,18})\n((?:[A-Za-z0-9+/]{43}=\n)*)")


def origin_hash(origin: str) -> str:
    """How the addresses of a witness name a log."""
    return sha256(origin.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Request:
    """A checkpoint, and the proof that it extends that of `old_size` entries."""

    old_size: int
    proof: tuple[bytes, ...]
    note: Note

    def to_bytes(self) -> bytes:
        """The body of the request."""
        lines = "".join(f"{base64.b64encode(each).decode()}\n" for each in self.proof)
        return f"old {self.old_size}\n{lines}\n".encode() + self.note.to_bytes()

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a request strictly. Raises MalformedError."""
        if len(data) > MAX_REQUEST:
            raise MalformedError(f"a request of more than {MAX_REQUEST} bytes")
        head, _, note = data.partition(b"\n\n")
        try:
            match = _HEAD.fullmatch(head.decode() + "\n")
        except UnicodeDecodeError as error:
            raise MalformedError("a request to a witness is not UTF-8 text") from error
        hashes = () if match is None else tuple(base64.b64decode(line) for line in match[2].split())
        if match is None or len(hashes) > MAX_HASHES:
            raise MalformedError("this is not a request as c2sp.org/tlog-witness has it")
        request = cls(int(match[1]), hashes, Note.parse(note))
        if request.to_bytes() != data:
            raise MalformedError("a request to a witness is not in its canonical form")
        return request
