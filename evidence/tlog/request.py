"""What a log asks of a witness: the body of add-checkpoint (c2sp.org/tlog-witness)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Self

from ..encoding import MalformedError
from .hashes import PATTERN, from_lines, to_lines
from .note import MAX_BYTES, Note

MAX_REQUEST: Final = MAX_BYTES + 4096
_HEAD: Final = re.compile(rf"old (0|[1-9][0-9]{{0,18}})\n({PATTERN})")


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
        return f"old {self.old_size}\n{to_lines(self.proof)}\n".encode() + self.note.to_bytes()

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
        if match is None:
            raise MalformedError("this is not a request as c2sp.org/tlog-witness has it")
        request = cls(int(match[1]), from_lines(match[2]), Note.parse(note))
        if request.to_bytes() != data:
            raise MalformedError("a request to a witness is not in its canonical form")
        return request
