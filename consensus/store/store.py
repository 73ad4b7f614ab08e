"""A docket in a database: what strangers can reach. It admits, counts, and forgets nothing that it acknowledged."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, Engine, bindparam, func, select

from ...evidence.digest import Digest
from ...evidence.documents import to_bytes
from ...evidence.dsse import Envelope
from ..admission import MAX_PER_AUTHOR, Admission, CrowdedError
from ..docket import Changes, Slot, parse_envelope
from ..wire import Documents, Posted
from .engine import reading
from .ledger import Ledger, Row
from .tables import documents

# How many documents one answer about changes covers.
PAGE: Final = 1000
# Bytes of documents after which an answer takes up no further filing.
PAGE_BYTES: Final = 2**20

_table = documents.c
_LATER: Final = (
    select(_table.position, _table.filing)
    .where(_table.position > bindparam("after"), _table.slot != Slot.RECEIPT)
    .order_by(_table.position)
    .limit(PAGE)
)
_OF_FILING: Final = (
    select(_table.slot, _table.envelope).where(_table.filing == bindparam("filing")).order_by(_table.position)
)
_OF_AUTHOR: Final = select(_table.digest).where(
    *(_table[name] == bindparam(name) for name in ("filing", "slot", "author"))
)
_LAST: Final = select(func.max(_table.position))


@dataclass(frozen=True, slots=True)
class Quota:
    """How much anybody may file, ever. Who needs more asks for more: a subject has one receipt and files it once."""

    filings_per_filer: int = 1024  # by the key that signs the filings
    filings_per_receipt: int = 16  # receipts can be read by all; whoever read one could file it again and again


class Store:
    """A `Docket` whose documents are all admitted. `posted` is called after each that is new."""

    def __init__(
        self,
        engine: Engine,
        admission: Admission,
        quota: Quota | None = None,
        posted: Callable[[], None] = lambda: None,
    ) -> None:
        self._engine = engine
        self._admission = admission
        self._ledger = Ledger(engine, self._is_new)
        self._quota = quota or Quota()
        self._posted = posted

    def changes(self, after: int) -> Changes:
        """The filings of the next documents, each once. A receipt alone is no filing yet."""
        with reading(self._engine) as connection:
            rows = connection.execute(_LATER, {"after": after}).all()
            if not rows and after > _last(connection):
                after = 0  # a position that was never given: the database is an older copy; its readers begin anew
                rows = connection.execute(_LATER, {"after": after}).all()
        position = rows[-1].position if rows else after
        return Changes(position, tuple(Digest(filing) for filing in dict.fromkeys(row.filing for row in rows)))

    def read(self, filing: Digest) -> Mapping[Slot, tuple[Envelope, ...]]:
        """The documents, in the order of posting."""
        found: dict[Slot, list[Envelope]] = defaultdict(list)
        for posted in self.documents([filing])[0].documents:
            found[posted.slot].append(parse_envelope(posted.envelope))
        return {slot: tuple(found[slot]) for slot in Slot}

    def documents(self, filings: Sequence[Digest]) -> tuple[Documents, ...]:
        """The documents as they were stored, about the first of these filings: as many as make a page."""
        found, size = [], 0
        with reading(self._engine) as connection:
            for filing in filings:
                if size > PAGE_BYTES:
                    break
                rows = connection.execute(_OF_FILING, {"filing": filing.value}).all()
                size += sum(len(row.envelope) for row in rows)
                found.append(Documents(filing, tuple(Posted(Slot(slot), data) for slot, data in rows)))
        return tuple(found)

    def post(self, filing: Digest, said: Mapping[Slot, Envelope]) -> None:
        """Admit documents and keep them, all or none; they are on disk when this returns.

        Raises NotAdmittedError, CrowdedError, StoreError.
        """
        posted, rows = dict(self.read(filing)), []
        for slot, envelope in said.items():
            if envelope not in posted[slot]:
                # Outside the transaction: nothing that was posted goes away, so what was admissible stays so.
                self._admission.check(filing, slot, envelope, posted)
                posted[slot] = (*posted[slot], envelope)
                rows.append(_row(filing, slot, envelope))
        if rows and self._ledger.add(rows):
            self._posted()

    def _is_new(self, connection: Connection, row: Row) -> bool:
        """False for what is there already. Raises CrowdedError if the author of a document has no room for it."""
        slot, author = row["slot"], row["author"]
        mine = connection.scalars(_OF_AUTHOR, row).all()
        if row["digest"] in mine:
            return False  # somebody posted the same in between
        if len(mine) >= MAX_PER_AUTHOR:
            raise CrowdedError(f"the author has {MAX_PER_AUTHOR} documents in the slot {slot}, which is all there is")
        if slot is Slot.FILING and _count(connection, slot=slot, author=author) >= self._quota.filings_per_filer:
            raise CrowdedError("this key has filed as often as it may", advice="ask the docket's keeper for more")
        if slot is Slot.RECEIPT:
            times = _count(connection, slot=slot, digest=row["digest"])
            if times >= self._quota.filings_per_receipt:
                raise CrowdedError("this receipt was filed as often as it may be", advice="ask the docket's keeper")
        return True

    def position(self) -> int:
        """The position of the last document; 0 if there is none."""
        with reading(self._engine) as connection:
            return _last(connection)


def _row(filing: Digest, slot: Slot, envelope: Envelope) -> Row:
    data = to_bytes(envelope)
    return {
        "filing": filing.value,
        "slot": slot,
        "digest": hashlib.sha256(data).digest(),
        "author": envelope.signatures[0].key_id.value,
        "envelope": data,
    }


def _last(connection: Connection) -> int:
    return connection.scalar(_LAST) or 0


def _count(connection: Connection, **equal: object) -> int:
    where = [_table[name] == value for name, value in equal.items()]
    return connection.scalar(select(func.count()).select_from(documents).where(*where)) or 0
