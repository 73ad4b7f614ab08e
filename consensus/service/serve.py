"""Running the service: one process with the database, the keeper and the docket's signing key."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...evidence.dsse import Signed
from ...evidence.keyfile import KeyRing
from ...evidence.roster import Roster
from ..admission import Admission
from ..keeper import Keeper, Patience
from ..store.engine import alone, open_engine
from ..store.store import Quota, Store
from .app import Service, create_app
from .bell import Bell
from .keeping import keeping
from .listen import Listening, listen
from .quota import Buckets


def serve(
    database: str,
    listening: Listening,
    keys: KeyRing,
    rosters: Sequence[Signed[Roster]],
    *,
    patience: Patience,
    quota: Quota,
    now: Callable[[], int],
) -> None:
    """Serve until SIGTERM or SIGINT. Raises ListenError, StoreError, and RosterRefusedError for a wrong key."""
    bell, known = Bell(), [signed.document for signed in rosters]
    engine = open_engine(database)
    store = Store(engine, Admission(known, keys.signing.public.key_id), quota, bell.ring)
    keeper = Keeper(store, keys, known, patience)
    with alone(engine) as still:
        service = Service(
            store,
            [signed.envelope for signed in rosters],
            bell,
            Buckets(listening.requests_per_minute),
            lambda: keeping(keeper, bell.keeper, now, still),
        )
        listen(create_app(service), listening)
