"""The proof that an entry stands in a log, as one file that can be checked offline (c2sp.org/tlog-proof)."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Final, Self

from ..encoding import MalformedError
from .hashes import PATTERN, from_lines, to_lines
from .note import MAX_BYTES, Note

HEADER: Final = "c2sp.org/tlog-proof@v1"
MAX_EXTRA: Final = 64 * 1024
_HEAD: Final = re.compile(
    re.escape(HEADER) + rf"\n(?:extra ([A-Za-z0-9+/]+={{0,2}})\n)?index (0|[1-9][0-9]{{0,18}})\n({PATTERN})"
)


@dataclass(frozen=True, slots=True)
class Proof:
    """Entry `index` (from 0), the hashes from its sibling to the root's child, and the signed checkpoint.

    Nothing vouches for `extra`.
    """

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: Note
    extra: bytes | None

    def __str__(self) -> str:
        extra = "" if self.extra is None else f"extra {base64.b64encode(self.extra).decode()}\n"
        return f"{HEADER}\n{extra}index {self.index}\n{to_lines(self.hashes)}\n{self.checkpoint.to_bytes().decode()}"

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a proof strictly: what is read is written again as the same bytes. Raises MalformedError."""
        if len(data) > MAX_BYTES + 2 * MAX_EXTRA:  # in base64 it takes a third more
            raise MalformedError("a proof of inclusion that is too large")
        head, _, note = data.partition(b"\n\n")
        try:
            match = _HEAD.fullmatch(head.decode() + "\n")
        except UnicodeDecodeError as error:
            raise MalformedError("a proof of inclusion is not UTF-8 text") from error
        if match is None:
            raise MalformedError("this is not a proof of inclusion as c2sp.org/tlog-proof has it")
        try:
            extra = None if match[1] is None else base64.b64decode(match[1], validate=True)
        except binascii.Error as error:
            raise MalformedError("a proof of inclusion has an extra line that is not in base64") from error
        hashes = from_lines(match[3])
        if extra is not None and len(extra) > MAX_EXTRA:
            raise MalformedError(f"a proof of inclusion with more than {MAX_EXTRA} bytes besides it")
        proof = cls(int(match[2]), hashes, Note.parse(note), extra)
        if str(proof).encode() != data:
            raise MalformedError("a proof of inclusion is not in its canonical form")
        return proof
