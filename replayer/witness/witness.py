"""A witness: it judges, and what it cosigned is on disk before anybody is told."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from ...evidence.documents import to_bytes
from ...evidence.dsse import Signed
from ...evidence.encoding import MalformedError
from ...evidence.keyfile import KeyRing
from ...evidence.roster import Roster
from ...evidence.tlog.checkpoint import Checkpoint, parse_checkpoint
from ...evidence.tlog.cosignature import cosign
from ...evidence.tlog.fork import Fork
from ...evidence.tlog.note import Note
from ...evidence.tlog.request import Request, origin_hash
from ..database import Database
from .judgement import Cosigned, Outcome, Trust, judge, signed_by_log, trust
from .memory import Memory

log = logging.getLogger(__name__)

_NO_ENTRIES: Final = re.compile(r"[^\n]+\n0\n[A-Za-z0-9+/]{43}=\n")


@dataclass(frozen=True, slots=True)
class Answer:
    """How a request ended, and what is said: signature lines, a size, or the reason of a refusal."""

    outcome: Outcome
    text: str


class Witness:
    """A node as a witness of the logs on its rosters. One object serves one thread."""

    def __init__(
        self, database: Database, rings: Sequence[KeyRing], epochs: Callable[[], Sequence[Signed[Roster]]]
    ) -> None:
        """`rings` are the node's keys, of all epochs; `epochs` gives those of the roster, from the first."""
        self._database = database
        self._memory = Memory(database)
        self._rings = rings
        self._epochs = epochs

    def add(self, body: bytes, now: int) -> Answer:
        """Answer add-checkpoint at `now` (milliseconds since 1970). Raises DatabaseError; then nothing was cosigned.

        Judged and written in one transaction: of two requests at once, one is judged by what the other has left.
        """
        try:
            request = Request.parse(body)
        except MalformedError as error:
            return Answer(Outcome.MALFORMED, str(error))
        try:
            checkpoint = parse_checkpoint(request.note.text)
        except MalformedError as error:
            # The specification has another answer where the root of a log without entries is all that is wrong.
            wrong = Outcome.INCONSISTENT if _NO_ENTRIES.fullmatch(request.note.text) else Outcome.MALFORMED
            return Answer(wrong, str(error))
        with self._database.writing():
            return self._add(request, checkpoint, now)

    def shown(self, name: str) -> bytes | None:
        """The last checkpoint that was cosigned of the log whose origin has this SHA-256, in hexadecimal."""
        cosigned = next(
            (self._memory.cosigned(each) for each in self._memory.origins() if origin_hash(each) == name), None
        )
        return None if cosigned is None else cosigned.note.to_bytes()

    def fork(self, name: str) -> bytes | None:
        """The proof that this log has forked, if there is one."""
        return next(
            (self._memory.fork(origin) for origin in self._memory.origins() if origin_hash(origin) == name), None
        )

    def _add(self, request: Request, checkpoint: Checkpoint, now: int) -> Answer:
        known = self._memory.known(checkpoint)
        # A clock that was set back would have this witness say that a smaller tree was the largest after a larger one.
        at = now if known.cosigned is None else max(now, known.cosigned.seconds * 1000)
        epochs = self._epochs()
        trusted = trust([each.document for each in epochs], self._rings, checkpoint.origin, at)
        judgement = judge(request, checkpoint, known, trusted)
        if judgement.outcome is Outcome.COSIGNED and trusted is not None:
            return Answer(Outcome.COSIGNED, self._cosign(request.note, checkpoint, trusted, at // 1000))
        if judgement.suspect and trusted is not None:
            note = signed_by_log(request.note, trusted.roster)
            self._memory.suspect(note)
            for rival in known.rivals:
                fork = Fork.of(rival, note, [each.envelope for each in epochs])
                self._memory.forked(checkpoint.origin, to_bytes(fork), now)
                log.error("log %s has forked: it signed two trees of size %d", checkpoint.origin, checkpoint.size)
        return Answer(judgement.outcome, judgement.reason)

    def _cosign(self, note: Note, checkpoint: Checkpoint, trusted: Trust, seconds: int) -> str:
        own = tuple(cosign(checkpoint, name, key, seconds) for name, key in trusted.signers)
        signed = Note(note.text, (*signed_by_log(note, trusted.roster).signatures, *own))
        self._memory.remember(Cosigned(checkpoint, seconds, signed))
        return "".join(map(str, own))
