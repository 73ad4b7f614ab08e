"""The timetable: which audits are due when, by cron expressions in UTC. A TOML file, read strictly."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from cronsim import CronSim, CronSimError

from ....evidence.encoding import MalformedError
from ....evidence.files import read_file

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
CRON_FIELDS: Final = 5
MAX_DUE: Final = 100_000  # times that are looked at after a long absence

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Scheduled:
    """One audit that is repeated: `cron` in UTC, and what its plan says. Durations are minutes.

    Each covers the decisions logged since the one before it was frozen; the first, all of them.
    """

    name: str
    cron: str
    rate: str
    confidence: str = "0.95"
    expected: int = 0
    strata: str = "none"
    reveal_within: int = 60
    answer_within: int = 20_160

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise MalformedError("the name of a scheduled audit has small letters, digits and -")
        self.due(0)

    def due(self, after: int) -> Iterator[int]:
        """The times at which it is due after a time; milliseconds since 1970, ascending. Raises MalformedError."""
        if len(self.cron.split()) != CRON_FIELDS:
            raise MalformedError(f"{self.cron!r} is no cron expression", advice="write five fields, as in 0 6 1 * *")
        try:
            times = CronSim(self.cron, datetime.fromtimestamp(after / 1000, UTC))
        except CronSimError as error:
            raise MalformedError(
                f"{self.cron!r} is no cron expression: {error}", advice="write five fields, as in 0 6 1 * *"
            ) from error
        return (int(time.timestamp()) * 1000 for time in times)

    def due_between(self, after: int, now: int) -> list[int]:
        """Those up to now."""
        found: list[int] = []
        for time in self.due(after):
            if time > now or len(found) == MAX_DUE:
                break
            found.append(time)
        return found


@dataclass(frozen=True, slots=True)
class Timetable:
    """The lead's service: where everything is, and what is due. Paths are relative to the file."""

    log: str
    desk: str
    key: Path
    roster: tuple[Path, ...]
    roots: Path
    folder: Path
    models: tuple[Path, ...]
    audit: tuple[Scheduled, ...]
    pool: str = "inline"
    workers: int | None = None
    resource: str | None = None
    webhook: str | None = None
    log_ca: Path | None = None
    desk_ca: Path | None = None

    def __post_init__(self) -> None:
        names = [audit.name for audit in self.audit]
        if not names or len(set(names)) != len(names):
            raise MalformedError("a timetable has one audit or more, each with a name of its own")

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the file. Raises FileError, MalformedError naming the file and the entry."""
        try:
            body = tomllib.loads(read_file(path).decode())
        except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise MalformedError(f"{path} is no TOML file: {error}") from error
        try:
            return _filled(cls, {**body, "audit": _audits(body.get("audit"), path.parent)}, path.parent)
        except MalformedError as error:
            raise MalformedError(f"{path}: {error.cause}", advice=error.advice) from error


def _audits(body: object, folder: Path) -> tuple[Scheduled, ...]:
    if not isinstance(body, list):
        raise MalformedError("audits are tables", advice="begin each with [[audit]]")
    return tuple(_filled(Scheduled, audit, folder) for audit in body)


def _filled(cls: type[T], body: object, folder: Path) -> T:
    """A dataclass out of a table; every value has its declared type, and nothing stands beside it."""
    if not isinstance(body, Mapping):
        raise MalformedError("audits are tables", advice="begin each with [[audit]]")
    declared = {field.name: field for field in fields(cls)}  # type: ignore[arg-type]  # both are dataclasses
    if unknown := sorted(body.keys() - declared.keys()):
        raise MalformedError(f"{unknown[0]!r} is no setting", advice=f"there are: {', '.join(declared)}")
    missing = [name for name, field in declared.items() if field.default is MISSING and name not in body]
    if missing:
        raise MalformedError(f"{missing[0]!r} is missing")
    return cls(**{name: _value(name, str(declared[name].type), value, folder) for name, value in body.items()})


def _value(name: str, declared: str, value: Any, folder: Path) -> Any:
    kind = declared.removesuffix(" | None")
    match kind:
        case "str" | "int" if type(value) is {"str": str, "int": int}[kind]:
            return value
        case "Path" if type(value) is str:
            return folder / value
        case "tuple[Path, ...]" if type(value) is list and all(type(each) is str for each in value):
            return tuple(folder / each for each in value)
        case "tuple[Scheduled, ...]":
            return value
    raise MalformedError(f"{name!r} has a value of another type than {kind}")
