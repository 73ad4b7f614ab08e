"""The operator's desk: takes draws, and answers them. An opening leaves only for what a proper draw names.

The desk believes no auditor: it verifies the draw under its own rosters, and draws the sample again from its own log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from ...evidence.audit.answers import Answers
from ...evidence.audit.draw import AuditFile, Drawn, open_draw
from ...evidence.audit.labels import Labels, labels_id, open_labels
from ...evidence.audit.plan import open_announcement
from ...evidence.digest import Digest
from ...evidence.dsse import Envelope
from ...evidence.encoding import MalformedError
from ...evidence.errors import ReperformError
from ...evidence.roster import Roster, RosterRefusedError
from ..log.storage import StorageError
from .answers import Holdings, answer_next, answering_keys, own_items
from .census import Progress
from .population import draw
from .record import NotAnsweredError, Record

# Puts an announcement into the operator's log, unless it is there, and says where. Raises ReperformError.
Enter = Callable[[Envelope], int]


class UnknownDrawError(NotAnsweredError):
    """A draw that was not accepted here."""


class NotAnAuditError(NotAnsweredError):
    """What is no announcement or no draw by auditors of this roster, of this log."""


class Desk:
    """One operator's desk. One object serves one thread."""

    def __init__(
        self,
        record: Record,
        rosters: Sequence[Roster],
        holdings: Holdings,
        *,
        at_most: int | None,
        clock: Callable[[], int],
    ) -> None:
        """`at_most` is how many items all audits of a period may draw; None: as many as they like."""
        self.record = record
        self._rosters = rosters
        self._holdings = holdings
        self._at_most = at_most
        self._clock = clock

    def announce(self, envelope: Envelope, enter: Enter) -> int:
        """Enter an announcement into the log; its index. Raises ReperformError.

        Only under the newest epoch: who is no auditor any more begins no audit.
        """
        with _judged("this is no announcement of an audit"):
            announced, newest = open_announcement(envelope, self._rosters), self._rosters[-1]
            if announced.roster != newest:
                raise RosterRefusedError(f"audits are announced under epoch {newest.epoch} of roster {newest.name!r}")
        return enter(envelope)

    def take(self, file: AuditFile, progress: Progress) -> Drawn:
        """Accept a draw: from now on it is answered. Again: nothing more. Raises NotAnsweredError, ReperformError."""
        with _judged("this is no draw"):
            drawn = open_draw(file, self._rosters)
        if self.record.known(drawn):
            return drawn
        if self._clock() > drawn.plan.answer_by:
            raise NotAnsweredError("the time until which this audit is answered has passed", advice="plan another one")
        keys = answering_keys(drawn.roster, self._holdings.rings)
        sample = draw(self._holdings.reader, drawn, self._rosters, self._labels(drawn), progress).receipts
        items = own_items(drawn, sample, keys, self._rosters)
        self.record.accept(drawn, file, items, now=self._clock(), at_most=self._at_most)
        return drawn

    def accepted(self, name: Digest) -> Drawn:
        """A draw that was accepted. Raises UnknownDrawError."""
        file = self.record.file(name)
        if file is None:
            raise UnknownDrawError(f"draw {name.short()} was not handed in here", advice="hand in the audit file first")
        return open_draw(file, self._rosters)

    def answers(self, name: Digest, after: int) -> Envelope:
        """Answers to the items of a draw behind the entry `after`: none if there are no more. Raises ReperformError."""
        drawn = self.accepted(name)
        keys = answering_keys(drawn.roster, self._holdings.rings)
        envelope, document = answer_next(drawn, self.record.items(name, after), self._holdings.find, keys)
        self.record.release(document, self._clock())  # on disk before anything leaves
        return envelope

    def everything(self, drawn: Drawn) -> Iterator[tuple[Answers, Envelope]]:
        """All answers of a draw, an envelope at a time, and what stands in it."""
        keys, after = answering_keys(drawn.roster, self._holdings.rings), -1
        while True:
            items = self.record.items(drawn.draw_id, after)
            envelope, document = answer_next(drawn, items, self._holdings.find, keys)
            if not document.answers:
                return
            self.record.release(document, self._clock())
            after = document.answers[-1].entry
            yield document, envelope

    def _labels(self, drawn: Drawn) -> Labels | None:
        wanted = drawn.frozen.freeze.labels
        if wanted is None:
            return None
        for envelope in self._holdings.labels:
            if labels_id(envelope) == wanted:
                return open_labels(envelope, drawn.frozen.announced.announcement, drawn.roster)
        raise StorageError("the labels that this draw names are not at hand", advice="give them with --labels")


@contextmanager
def _judged(what: str) -> Iterator[None]:
    try:
        yield
    except ReperformError as error:
        raise NotAnAuditError(f"{what}: {error.cause}", advice=error.advice) from error


def parse_position(text: str) -> int:
    """The position in a request: an entry's index, or -1 for the beginning. Raises MalformedError."""
    if text == "-1":
        return -1
    if not (text.isascii() and text.isdigit() and len(text) < 19 and str(int(text)) == text):
        raise MalformedError("a position is the index of an entry")
    return int(text)
