"""Where an auditor's openings come from: a folder with the operator's envelopes, or its desk, which fills that folder.

What was answered once is kept as it was said: another answer about the same item changes nothing, and an audit that
dies does not ask for it again. An operator that is away is no operator that has nothing: it is said, never counted.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from random import SystemRandom
from typing import Final, TypeVar

from ...evidence.audit.answers import Answer as Said
from ...evidence.audit.answers import Opened, open_answer, open_answers
from ...evidence.audit.draw import AuditFile, Drawn
from ...evidence.digest import Digest
from ...evidence.documents import from_bytes, to_bytes
from ...evidence.dsse import Envelope
from ...evidence.encoding import MAX_BYTES, MalformedError
from ...evidence.errors import ReperformError
from ...evidence.files import make_folder, read_document, write_file
from ...evidence.roster import Roster
from ...evidence.sealing import SealingKey
from ..log.remote import Answer, Remote, RemoteError, RemoteRefusesError

log = logging.getLogger(__name__)

PATIENCE: Final = 300.0  # seconds for which a desk that is away or busy is asked again
FIRST_PAUSE: Final = 0.5  # seconds; doubled after every try
LONGEST_PAUSE: Final = 10.0
MAX_INDEX: Final = 32  # bytes
# A desk that is busy or behind a proxy that cannot reach it; every call may be made again without harm.
BUSY: Final = frozenset((429, 502, 503, 504))

T = TypeVar("T")

_random: Final = SystemRandom()


class OperatorAwayError(ReperformError):
    """An operator's desk that does not answer. Nothing follows from that about its decisions."""


class OperatorRefusesError(ReperformError):
    """An operator's desk that refuses, or answers what no desk says."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The audit for which openings are wanted: its draw, what was drawn by entry, and the key that opens answers."""

    drawn: Drawn
    sample: Mapping[int, bytes]
    rosters: Sequence[Roster]
    key: SealingKey


class FolderAnswers:
    """The operator's envelopes in a folder, private. Of two answers about one item the first by file name counts."""

    def __init__(self, folder: Path, asked: Asked) -> None:
        """Raises ReperformError naming a file that is no answer to what was asked."""
        make_folder(folder, mode=0o700)
        self._folder = folder
        self._asked = asked
        self._places: dict[int, Path] = {}
        for path in sorted(folder.glob("*.dsse")):
            try:
                self._index(path, read_document(path, Envelope))
            except OperatorRefusesError as error:
                raise OperatorRefusesError(f"{path}: {error.cause}", advice="remove it, and ask again") from error

    def __call__(self, entries: Sequence[int]) -> Mapping[int, Opened]:
        """What the operator has said about these entries."""
        wanted = set(entries)
        found: dict[int, Opened] = {}
        for path in sorted({self._places[entry] for entry in wanted if entry in self._places}):
            for answer in self._checked(read_document(path, Envelope)):
                if answer.entry in wanted and self._places[answer.entry] == path:
                    entry = self._asked.sample[answer.entry]
                    found[answer.entry] = open_answer(answer, self._asked.drawn, entry, self._asked.key)
        return found

    @property
    def draw_id(self) -> Digest:
        """What is answered."""
        return self._asked.drawn.draw_id

    def has(self, entry: int) -> bool:
        """Whether the operator has said something about an entry."""
        return entry in self._places

    def add(self, envelope: Envelope) -> tuple[Said, ...]:
        """Keep answers, if they are such; what they say. Raises OperatorRefusesError."""
        answers = self._checked(envelope)
        if any(answer.entry not in self._places for answer in answers):
            path = self._folder / f"{len(self._places):012d}.dsse"
            write_file(path, to_bytes(envelope), mode=0o600)
            self._index(path, envelope)
        return answers

    def _index(self, path: Path, envelope: Envelope) -> None:
        for answer in self._checked(envelope):
            self._places.setdefault(answer.entry, path)

    def _checked(self, envelope: Envelope) -> tuple[Said, ...]:
        try:
            return open_answers(envelope, self._asked.drawn, self._asked.sample, self._asked.rosters)
        except ReperformError as error:
            raise OperatorRefusesError(f"this answers nothing that was asked: {error.cause}") from error


class DeskClient:
    """The operator's desk at an address. It is asked again, for a while, when it is away or busy."""

    def __init__(
        self, remote: Remote, pause: Callable[[float], None] = time.sleep, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._remote = remote
        self._pause = pause
        self._clock = clock

    def announce(self, announcement: Envelope) -> int:
        """Have an announcement entered into the operator's log; its index there."""
        said = self._posted("v1/announcements", to_bytes(announcement))
        text = said.body.decode("ascii", "replace").removesuffix("\n")
        if not text.isdigit() or len(text) > MAX_INDEX or str(int(text)) != text:
            raise OperatorRefusesError(f"the desk at {self._remote.address} answers with no index of an entry")
        return int(text)

    def hand_in(self, file: AuditFile) -> None:
        """Show the desk what was drawn."""
        self._posted("v1/draws", to_bytes(file))

    def answers(self, draw: Digest, after: int) -> Envelope | None:
        """The next answers behind an entry; None if the desk does not know the draw. Nothing about them is verified."""
        data = self._patiently(lambda: self._remote.read(f"v1/draws/{draw}/answers?after={after}", MAX_BYTES))
        try:
            return None if data is None else from_bytes(Envelope, data)
        except MalformedError as error:
            raise OperatorRefusesError(f"the desk at {self._remote.address} answers what no desk says") from error

    def _posted(self, path: str, body: bytes) -> Answer:
        def post() -> Answer:
            answer = self._remote.post(path, body, MAX_INDEX)
            if answer.status in BUSY:
                raise RemoteError(f"{self._remote.address} is busy ({answer.status}): {answer.cause}")
            return answer

        answer = self._patiently(post)
        if answer.status not in (HTTPStatus.OK, HTTPStatus.NO_CONTENT):
            raise OperatorRefusesError(f"the desk at {self._remote.address} refuses ({answer.status}): {answer.cause}")
        return answer

    def _patiently(self, call: Callable[[], T]) -> T:
        wait, until = FIRST_PAUSE, self._clock() + PATIENCE
        while True:
            try:
                return call()
            except RemoteRefusesError as error:
                raise OperatorRefusesError(f"the operator's desk refuses: {error.cause}") from error
            except RemoteError as error:
                if self._clock() > until:
                    raise OperatorAwayError(
                        f"the operator's desk does not answer: {error.cause}",
                        advice="run the same command again when it does; what was answered before is kept",
                    ) from error
                log.warning("%s; asking again", error.cause)
            self._pause(wait * _random.uniform(0.5, 1))
            wait = min(2 * wait, LONGEST_PAUSE)


class DeskAnswers:
    """A `Source` of openings: what the desk says goes into the folder, and counts from there."""

    def __init__(self, desk: DeskClient, file: AuditFile, kept: FolderAnswers) -> None:
        self._desk = desk
        self._file = file
        self._kept = kept

    def __call__(self, entries: Sequence[int]) -> Mapping[int, Opened]:
        """What the operator says about these entries, which ascend. Raises OperatorAwayError, OperatorRefusesError."""
        missing = [entry for entry in entries if not self._kept.has(entry)]
        while missing:
            answers = self._kept.add(self._ask(missing[0] - 1))
            if not answers:
                break  # it has said everything that it has to say
            if answers[-1].entry < missing[0]:
                raise OperatorRefusesError("the operator's desk answers with what was not asked for")
            missing = [entry for entry in missing if entry > answers[-1].entry]
        return self._kept(entries)

    def _ask(self, after: int) -> Envelope:
        draw = self._kept.draw_id
        envelope = self._desk.answers(draw, after)
        if envelope is None:
            self._desk.hand_in(self._file)
            envelope = self._desk.answers(draw, after)
        if envelope is None:
            raise OperatorRefusesError("the operator's desk took the draw, and does not know it")
        return envelope
