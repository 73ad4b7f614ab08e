"""Checkpoints: the state of a log, as text that is signed (c2sp.org/tlog-checkpoint). Without extension lines."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import ClassVar, Final

from ..digest import Digest
from ..encoding import MalformedError
from .tree import EMPTY_ROOT, MAX_SIZE

_TEXT: Final = re.compile(r"([^\n]+)\n(0|[1-9][0-9]{0,18})\n([A-Za-z0-9+/]{43}=)\n")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A log's name, how many entries it has, and the root of the tree over them."""

    KIND: ClassVar[str] = "checkpoint/v1"
    origin: str
    size: int
    root: Digest

    def __post_init__(self) -> None:
        if not self.origin or any(c < " " or "\ud800" <= c <= "\udfff" for c in self.origin):
            raise MalformedError("a log's origin is one line of text")
        if not 0 <= self.size <= MAX_SIZE:
            raise MalformedError(f"a log has 0 to {MAX_SIZE} entries")
        if self.size == 0 and self.root.value != EMPTY_ROOT:
            raise MalformedError("a log without entries has another root")

    def text(self) -> str:
        """The text that a log signs."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root.value).decode()}\n"


def parse_checkpoint(text: str) -> Checkpoint:
    """Read a checkpoint's text strictly. Raises MalformedError."""
    match = _TEXT.fullmatch(text)
    if match is None:
        raise MalformedError("this is not the text of a checkpoint: origin, size and root, a line each")
    checkpoint = Checkpoint(match[1], int(match[2]), Digest(base64.b64decode(match[3])))
    if checkpoint.text() != text:
        raise MalformedError("a checkpoint is not in its canonical form")
    return checkpoint
