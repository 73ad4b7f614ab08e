"""What a witness does beside answering: it learns later epochs of the roster, and watches its log."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ...consensus.log.storage import Reader
from ...evidence.dsse import Envelope, Signed
from ...evidence.errors import ReperformError
from ...evidence.roots import RootKeys
from ...evidence.roster import Roster
from ..database import Database
from ..epochs import Epochs
from .memory import Memory
from .watch import Nowhere, Watch

log = logging.getLogger(__name__)

LAST_SECONDS: Final = 3  # that a round under way is given at the end


class Vigil:
    """The rosters as they are known now, and a thread that looks around."""

    def __init__(
        self,
        state: Path,
        roots: RootKeys,
        shown: Callable[[], Sequence[Envelope]],
        tiles: Reader | None,
        peers: Sequence[Reader],
    ) -> None:
        """`state` is the node's folder; `shown` asks for the epochs of the roster that the docket shows.

        `tiles` is where the log is served, `peers` are the monitoring prefixes of other witnesses.
        """
        self._state, self._roots, self._shown, self._tiles, self._peers = state, roots, shown, tiles or Nowhere(), peers
        self._told = ""
        self._epochs: Sequence[Signed[Roster]] = ()

    def epochs(self) -> Sequence[Signed[Roster]]:
        """Every epoch that is known, from the first. Any thread may ask."""
        return self._epochs

    def learn(self, database: Database) -> None:
        """Ask for later epochs. Raises a ReperformError if what is kept here does not verify."""
        epochs = Epochs(database, self._roots)
        try:
            shown = self._shown()
            if shown:
                epochs.learn(shown)
            self._told = ""
        except ReperformError as error:
            if str(error) != self._told:
                log.warning("the roster: %s", error)
            self._told = str(error)
        self._epochs = epochs.known()

    @contextmanager
    def kept(self, interval: float, now: Callable[[], int]) -> Iterator[None]:
        """Look around every `interval` seconds for as long as the block runs."""
        stop = threading.Event()

        def work() -> None:
            database = Database(self._state)
            watch = Watch(Memory(database), self._tiles, self._peers)
            while not stop.is_set():
                try:
                    self.learn(database)
                    watch.look(self._epochs, now())
                except ReperformError as error:
                    log.warning("%s", error)  # the database may be back in the next round
                stop.wait(interval)
            database.close()

        thread = threading.Thread(target=work, name="vigil", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(LAST_SECONDS)
