"""A node as a regulator runs it: it learns the roster from its docket, works, and notes what it did."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from ..consensus.docket import Docket
from ..consensus.proceeding import Phase, Proceeding, phase
from ..evidence.digest import Digest
from ..evidence.dsse import Envelope
from ..evidence.errors import ReperformError
from ..evidence.keyfile import KeyRing
from ..evidence.roster import Roster, RosterRefusedError
from .epochs import Epochs
from .library import Library
from .node import Node
from .notebook import Notebook
from .register import Register

log = logging.getLogger(__name__)

# How often (milliseconds) the docket is asked for later epochs of the roster.
ASK_EVERY: Final = 60_000
NOT_YET: Final = "send enrolment.dsse to the roster's keeper, and start again when the docket has the next epoch"


class Station:
    """One node with everything that is its own."""

    def __init__(
        self,
        docket: Docket,
        rings: Sequence[KeyRing],
        library: Library,
        *,
        epochs: Epochs,
        notebook: Notebook,
        register: Register,
        shown: Callable[[], Sequence[Envelope]],
    ) -> None:
        """`rings` are the node's keys, of all epochs; `shown` asks for the epochs that the docket shows."""
        self._docket = docket
        self._rings = rings
        self._library = library
        self._epochs = epochs
        self._notebook = notebook
        self._register = register
        self._shown = shown
        self._ask = 0
        self._told = ""
        self._nodes: list[Node] = []
        self._known = [signed.document for signed in epochs.known()]
        self._rosters: list[Roster] = []

    def start(self, now: int) -> None:
        """Learn the roster. Raises a ReperformError unless this node stands on it."""
        self._learn(now)
        self._serving()

    def step(self, now: int) -> tuple[tuple[Digest, str], ...]:
        """One round. Returns what could not be taken up, and why. Raises a ReperformError for what stops all."""
        if now >= self._ask:
            self._learn(now)
        refused = tuple(item for node in self._serving() for item in node.step(now))
        self._register.contact(now)
        self._notebook.erase(now)
        self._register.models(self._library.held())
        return refused

    def _learn(self, now: int) -> None:
        """Ask for later epochs. What is shown in vain is told once, and changes nothing."""
        self._ask = now + ASK_EVERY
        try:
            shown = self._shown()
            if shown:
                self._known = [signed.document for signed in self._epochs.learn(shown)]
            if self._known:
                self._known[-1].check_time(now)  # its cases are finished all the same
        except ReperformError as error:
            if str(error) != self._told:
                log.warning("the roster: %s", error)
            self._told = str(error)

    def _serving(self) -> list[Node]:
        """A node for each set of keys, under every epoch that is known. Raises RosterRefusedError if there is none."""
        if not self._nodes or self._rosters != self._known:
            if not self._known:
                raise RosterRefusedError(
                    "no roster is known here",
                    advice="see that the docket answers and that roots.json has the root keys of its roster",
                )
            self._nodes = self._made()
            self._rosters = self._known
            log.info("epoch %d of roster %r", self._known[-1].epoch, self._known[-1].name)
        return self._nodes

    def _made(self) -> list[Node]:
        """New keys stand on no epoch until the next is published, and the old ones have work until then."""
        nodes, causes = [], []
        for keys in self._rings:
            noted = partial(self._noted, keys.signing.public.key_id)
            try:
                nodes.append(Node(self._docket, keys, self._known, self._notebook, self._library.replay, noted=noted))
            except RosterRefusedError as error:
                causes.append(error)
        if not nodes:
            raise RosterRefusedError(causes[0].cause, advice=causes[0].advice or NOT_YET)
        for cause in causes:
            log.warning("%s", cause)
        return nodes

    def _noted(self, node: Digest, proceeding: Proceeding, now: int) -> None:
        self._register.case(proceeding, node, now)
        # Fetched while the opening is still on its way.
        if (
            phase(proceeding, now) in (Phase.OPENED, Phase.COMMITTING)
            and self._notebook.read(proceeding.case_id) is None
        ):
            self._library.want(proceeding.receipt.document)
