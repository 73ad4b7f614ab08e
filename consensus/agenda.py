"""A party's agenda: which proceedings it must look at now, and which can wait.

Nothing in it needs to survive: a party that starts anew looks at everything once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from ..evidence.digest import Digest
from ..evidence.errors import ReperformError
from ..evidence.roster import Roster
from .docket import Docket, DocketUnreachableError
from .proceeding import Phase, Proceeding, assemble, phase

# How long (milliseconds) after a part that could not be done it is tried again.
RETRY: Final = 1000
# A docket that cannot say what changed reports cases that are over as well. So many of them are known by name;
# of more, the oldest are read again when they are reported.
MAX_ENDED: Final = 2**16


class Agenda:
    """What one party has to look at: what changed, where a deadline passed, and what it could not do before."""

    def __init__(self, docket: Docket, rosters: Sequence[Roster]) -> None:
        self._docket = docket
        self._rosters = rosters
        self._position = 0
        self._now = 0
        self._due: dict[Digest, int] = {}  # when to look although nothing was posted
        self._ended: dict[Digest, int] = {}  # when a case ended

    def take_up(self, act: Callable[[Proceeding], None], now: int) -> tuple[tuple[Digest, str], ...]:
        """Do one's part in every proceeding in which there may be something to do at `now`.

        Returns what could not be taken up, and why: none may stop the others. Raises DocketError if the docket
        cannot say what changed, or is gone; then the next round looks at the same again.
        """
        if now < self._now:  # a clock that was ahead: what seemed to be over, or done, may not be
            self._position, self._due = 0, {}
        self._now = now
        changes = self._docket.changes(self._position)
        due = [filing for filing, moment in self._due.items() if moment <= now]
        refused = []
        for filing in dict.fromkeys((*changes.filings, *due)):
            if now > self._ended.get(filing, now):
                continue
            cause = self._look(filing, act, now)
            if cause is not None:
                refused.append((filing, str(cause)))
        self._position = changes.position
        return tuple(refused)

    def _look(self, filing: Digest, act: Callable[[Proceeding], None], now: int) -> ReperformError | None:
        """Act on one proceeding, and note when to look again although nothing is posted."""
        again: int | None = now + RETRY
        try:
            posted = self._docket.read(filing)
            again = None  # what is no valid filing becomes none by waiting
            proceeding = assemble(filing, posted, self._rosters)
            again = now + RETRY
            if proceeding.case is None or phase(proceeding, now) is not Phase.CLOSED:
                act(proceeding)
            again = self._next(proceeding, now)
        except DocketUnreachableError:
            raise
        except ReperformError as error:
            return error
        finally:
            self._due.pop(filing, None)
            if again is not None:
                self._due[filing] = again
        return None

    def _next(self, proceeding: Proceeding, now: int) -> int | None:
        """The first moment after `now` at which time alone changes what is to be done."""
        if proceeding.case is None:
            return None
        case = proceeding.case.document
        limits = case.deadlines
        steps = (limits.openings, limits.ballots, limits.release, limits.votes, limits.attestation)
        if now > limits.attestation:
            self._ended.pop(proceeding.filing_id, None)
            self._ended[proceeding.filing_id] = limits.attestation
            if len(self._ended) > MAX_ENDED:
                del self._ended[next(iter(self._ended))]
            return None
        # A deadline is kept at its own millisecond and missed in the next.
        return min(moment for moment in (case.opened, *(step + 1 for step in steps)) if moment > now)
