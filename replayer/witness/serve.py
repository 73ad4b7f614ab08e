"""Running a witness: one process, beside the node's own, with the node's keys and database."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from ...consensus.service.listen import Listening, listen
from ...consensus.service.quota import Buckets
from ...evidence.keyfile import KeyRing
from ...evidence.roster import OrganisationRole, RosterRefusedError, check_serves
from ..database import Database
from .service import Service, create_app
from .vigil import Vigil
from .witness import Witness

log = logging.getLogger(__name__)


def serve(
    state: Path,
    rings: Sequence[KeyRing],
    vigil: Vigil,
    listening: Listening,
    *,
    interval: float,
    now: Callable[[], int],
) -> None:
    """Serve until SIGTERM or SIGINT. Raises ListenError, DatabaseError, and RosterRefusedError for a node that is not
    on the roster, or whose roster has no log.
    """
    vigil.learn(Database(state))
    rosters = [each.document for each in vigil.epochs()]
    if not rosters or rosters[-1].log is None:
        raise RosterRefusedError("no roster with a log is known here", advice="ask its keeper for the newest epoch")
    check_serves(rosters, rings[0], OrganisationRole.REPLAYER)
    service = Service(
        lambda: Witness(Database(state), rings, vigil.epochs),
        Buckets(listening.requests_per_minute),
        lambda: vigil.kept(interval, now),
        now,
    )
    log.info("a witness of log %s, under epoch %d of the roster", rosters[-1].log.origin, rosters[-1].epoch)
    listen(create_app(service), listening)
