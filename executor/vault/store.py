"""Vaults: decision files by decision id, until they are erased.

`Vault` needs no key: retention and erasure must not depend on one. `OpenVault` reads and adds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from secrets import token_bytes
from types import TracebackType
from typing import Final, Self

from ...evidence.digest import Digest
from ...evidence.receipt import DECISION_ID_BYTES, DecisionFile
from .database import Database
from .errors import DamagedError, HeldError, NotKeptError, VaultError, VaultKeyError
from .key import VaultKey
from .sealed import Place, Sealed, seal, unseal

VAULT_ID_BYTES: Final = 16
DAY: Final = 24 * 60 * 60 * 1000  # milliseconds
MAX_DAYS: Final = 36_525  # a century
AT_ONCE: Final = 500  # how many decisions one question is about; SQLite takes 999 and more
_ROW: Final = "number, decision, receipt, kept, until, erased"
_EXPIRED: Final = f"erased IS NULL AND coalesce(until, kept + days * {DAY}) <= ?"
_HOLDINGS: Final = f"""
SELECT days,
    count(number) FILTER (WHERE erased IS NULL),
    count(number) FILTER (WHERE erased IS NULL AND until > ?),
    count(number) FILTER (WHERE {_EXPIRED}),
    count(erased)
FROM vault LEFT JOIN decision
"""  # noqa: S608  # from constants


@dataclass(frozen=True, slots=True)
class Kept:
    """What a vault says of a decision without its key. Times are milliseconds since 1970."""

    number: int
    decision: bytes
    receipt: Digest
    kept: int
    until: int | None
    erased: int | None


@dataclass(frozen=True, slots=True)
class Holdings:
    """A vault in numbers: decisions that are there, of them held, of them due to be erased; and those erased."""

    days: int
    kept: int
    held: int
    expired: int
    erased: int


class Vault:
    """A vault whose key is not needed: what is there, for how long, and its erasure."""

    def __init__(self, path: Path) -> None:
        """Raises VaultError."""
        self._database = Database(path)
        self.path = path

    @staticmethod
    def create(path: Path, key: VaultKey, days: int) -> None:
        """Make an empty vault, in which decisions are kept for so many days. Raises VaultError."""
        check_days(days)
        vault = token_bytes(VAULT_ID_BYTES)
        Database.create(path, vault, key.wrapping(vault).check, days)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._database.close()

    def kept(self, decision: bytes) -> Kept | None:
        """What there is of a decision."""
        rows = self._select("WHERE decision = ?", decision)
        return rows[0] if rows else None

    def everything(self) -> list[Kept]:
        """Every decision that is there, in the order in which they came."""
        return self._select("WHERE erased IS NULL ORDER BY number")

    def named(self, beginning: str) -> Kept:
        """The one decision whose id, in hexadecimal digits, begins so. Raises NotKeptError."""
        digits = 2 * DECISION_ID_BYTES
        low, high = (bytes.fromhex(beginning.ljust(digits, fill)) for fill in "0f")
        rows = self._select("WHERE decision BETWEEN ? AND ? LIMIT 2", low, high)
        if not rows:
            raise NotKeptError(f"{self.path} has no decision {beginning}", advice="check the id and the vault")
        if len(rows) > 1:
            raise NotKeptError(f"the ids of several decisions begin with {beginning}", advice="give more digits")
        return rows[0]

    def ends(self, kept: Kept) -> int:
        """When a decision is to be erased."""
        if kept.until is not None:
            return kept.until
        ((days,),) = self._database.rows("SELECT days FROM vault")
        return kept.kept + int(days) * DAY

    def holdings(self, now: int) -> Holdings:
        """The vault in numbers."""
        return Holdings(*self._database.rows(_HOLDINGS, now, now)[0])

    def hold(self, kept: Kept, until: int | None) -> Kept:
        """Keep a decision until then, neither longer nor shorter; None: for as long as others. Raises NotKeptError."""
        with self._database.transaction():
            self._still_there(kept)
            self._database.run("UPDATE decision SET until = ? WHERE number = ?", until, kept.number)
        return replace(kept, until=until)

    def keep_for(self, days: int) -> None:
        """From now on keep what is not held for so many days. Raises VaultError."""
        check_days(days)
        with self._database.transaction():
            self._database.run("UPDATE vault SET days = ?", days)

    def erase(self, kept: Kept, now: int) -> None:
        """Destroy the data key and the ciphertext of a decision, in every file of the vault.

        What was erased before is erased again: that finishes an erasure that was interrupted. Raises HeldError.
        """
        with self._database.transaction():
            current = self._current(kept)
            if current.until is not None and now < current.until and current.erased is None:
                raise HeldError(
                    f"decision {current.decision.hex()} is held",
                    advice="`reperform vault retain --lift` ends that",
                )
            self._destroy([current], now)
        self._database.empty_log()

    def erase_expired(self, now: int) -> int:
        """Erase what has been kept for as long as it must be; how many."""
        with self._database.transaction():
            expired = self._select(f"JOIN vault WHERE {_EXPIRED}", now)
            self._destroy(expired, now)
        self._database.empty_log()
        return len(expired)

    def forget(self, decisions: Sequence[bytes], now: int) -> int:
        """Erase what is there of decisions that were never handed out, held or not; how many."""
        orphans: list[Kept] = []
        for first in range(0, len(decisions), AT_ONCE):
            chunk = decisions[first : first + AT_ONCE]
            marks = ",".join("?" * len(chunk))
            orphans += self._select(f"WHERE erased IS NULL AND decision IN ({marks})", *chunk)
        if orphans:
            with self._database.transaction():
                self._destroy(orphans, now)
            self._database.empty_log()
        return len(orphans)

    def _destroy(self, rows: Iterable[Kept], now: int) -> None:
        for row in rows:
            self._database.overwrite(row.number, "data_key")
            self._database.overwrite(row.number, "content")
            self._database.run("UPDATE decision SET erased = coalesce(erased, ?) WHERE number = ?", now, row.number)

    def _current(self, kept: Kept) -> Kept:
        (row,) = self._select("WHERE number = ?", kept.number)
        return row

    def _still_there(self, kept: Kept) -> None:
        if self._current(kept).erased is not None:
            raise NotKeptError(f"decision {kept.decision.hex()} was erased")

    def _select(self, which: str, *values: object) -> list[Kept]:
        rows = self._database.rows(f"SELECT {_ROW} FROM decision {which}", *values)  # noqa: S608
        return [Kept(number, decision, Digest(receipt), *times) for number, decision, receipt, *times in rows]

    def _header(self) -> tuple[bytes, bytes]:
        ((vault, check),) = self._database.rows("SELECT id, key_check FROM vault")
        return vault, check


class OpenVault(Vault):
    """A vault and its key."""

    def __init__(self, path: Path, key: VaultKey) -> None:
        """Raises VaultError, and VaultKeyError for another vault's key."""
        super().__init__(path)
        try:
            self._id, _ = self._header()
            self._key = key.wrapping(self._id)
            self._check_key()
        except BaseException:
            self._database.close()
            raise

    def keep(self, files: Sequence[DecisionFile], now: int) -> None:
        """Put decision files into the vault, all or none. They are on disk when this returns."""
        places = [Place.of(self._id, file) for file in files]
        rows = [(place, seal(file, place, self._key)) for place, file in zip(places, files, strict=True)]
        with self._database.transaction():
            self._check_key()  # or nobody could open what is wrapped after a rotation
            for place, sealed in rows:
                number = self._database.add(sealed.data_key, sealed.content)
                values = (number, place.decision, place.receipt.value, now)
                self._database.run("INSERT INTO decision VALUES (?, ?, ?, ?, NULL, NULL)", *values)

    def read(self, kept: Kept) -> DecisionFile:
        """The decision file. Raises NotKeptError if it was erased, DamagedError if it is not what was kept."""
        rows = self._database.rows("SELECT data_key, content FROM opening WHERE number = ?", kept.number)
        self._still_there(kept)
        name = kept.decision.hex()
        advice = "restore the vault from its backup, or erase the decision"
        if not rows:
            raise DamagedError(f"decision {name}: its opening is missing", advice=advice)
        try:
            return unseal(Sealed(*rows[0]), Place(self._id, kept.decision, kept.receipt), self._key)
        except DamagedError as error:
            raise DamagedError(f"decision {name}: {error.cause}", advice=advice) from error

    def find(self, decision: bytes) -> DecisionFile | None:
        """The decision file, or None if it was never kept or was erased. Raises DamagedError."""
        kept = self.kept(decision)
        return None if kept is None or kept.erased is not None else self.read(kept)

    def rotate(self, new: VaultKey) -> int:
        """Wrap every data key with another vault key; how many. Copies of the vault from before need the old one."""
        wrapping = new.wrapping(self._id)
        with self._database.transaction():
            self._check_key()
            rows = self._database.rows(
                "SELECT number, data_key FROM opening JOIN decision USING (number) WHERE erased IS NULL"
            )
            for number, wrapped in rows:
                self._database.overwrite(number, "data_key", wrapping.wrap(self._key.unwrap(wrapped)))
            self._database.run("UPDATE vault SET key_check = ?", wrapping.check)
        self._key = wrapping
        self._database.empty_log()
        return len(rows)

    def _check_key(self) -> None:
        if not self._key.is_checked_by(self._header()[1]):
            raise VaultKeyError(f"{self.path} does not open with this vault key", advice="give the vault's own")


def check_days(days: int) -> None:
    """Raise VaultError for a period that makes no sense."""
    if not 0 < days <= MAX_DAYS:
        raise VaultError(f"a period of {days} days", advice=f"keep decisions for 1 to {MAX_DAYS} days")
