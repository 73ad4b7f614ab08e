"""Where a log is: a folder, a bucket, or an http(s) address; what is put there; and what its checkpoint says.

One option for every command that uses a log.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.progress import track

from ..consensus.log.folder import FolderStorage
from ..consensus.log.publisher import read_published
from ..consensus.log.storage import Reader, Storage, StorageError
from ..evidence.documents import from_bytes, to_bytes
from ..evidence.dsse import Envelope, payload_type
from ..evidence.encoding import MalformedError
from ..evidence.files import read_file
from ..evidence.keys import PublicKey
from ..evidence.pack import Pack
from ..evidence.receipt import Abandonment, DecisionFile, Receipt
from ..evidence.roster import Log, Roster, RosterRefusedError
from ..evidence.tlog.note import Note
from ..evidence.tlog.tree import leaf_hash
from ..evidence.witnessed import Witnessed
from .output import moment, progress
from .trust import read_rosters

LogPlace = Annotated[
    str, typer.Option("--log", help="The log: a folder, s3://BUCKET/PREFIX, or https://HOST.", show_default=False)
]
LogAuthority = Annotated[
    Path | None, typer.Option("--log-ca", help="CA certificates (PEM) for an https log, if not the system's.")
]


def open_storage(place: str) -> Storage:
    """The storage of a log that is kept here. Raises StorageError."""
    if place.startswith(("http://", "https://")):
        raise StorageError(
            "at an http address a log can only be read", advice="name the folder or the bucket in which it is kept"
        )
    if not place.startswith("s3://"):
        return FolderStorage(Path(place))
    from ..consensus.log.objects import ObjectStorage

    return ObjectStorage(place)


def open_reader(place: str, authority: Path | None) -> Reader:
    """A log to be read. Raises StorageError."""
    if not place.startswith(("http://", "https://")):
        return open_storage(place)
    from ..consensus.log.remote import Remote

    return Remote(place, authority)


def named_log(roster: Roster) -> Log:
    """The log that a roster names. Raises RosterRefusedError if it names none."""
    if roster.log is None:
        raise RosterRefusedError(
            f"epoch {roster.epoch} of roster {roster.name!r} names no log",
            advice="name one in its description, or with `reperform roster renew`",
        )
    return roster.log


def log_keys_of(rosters: Sequence[Roster]) -> list[PublicKey]:
    """The keys with which the log committed what it holds, by the epochs at hand."""
    return [roster.log.signing for roster in rosters if roster.log is not None]


def read_epochs(files: Sequence[Path], roots: Path) -> list[Roster]:
    """Every epoch of the roster, verified against the root keys."""
    return [signed.document for signed in read_rosters(files, roots)]


ENTRY_HELP: Final = "An envelope, a decision file (its receipt) or a pack (its attestation)."


def read_envelope(path: Path) -> Envelope:
    """What would be an entry: an envelope, a decision file's receipt, or the attestation of an evidence pack.

    Raises FileError, MalformedError.
    """
    read: Envelope | DecisionFile | Pack
    try:
        read = from_bytes(Envelope | DecisionFile | Pack, read_file(path))  # type: ignore[arg-type]  # a union
    except MalformedError as error:
        raise MalformedError(f"{path}: {error.cause}", advice=error.advice) from error
    match read:
        case DecisionFile():
            return read.receipt
        case Pack():
            return read.attestation
    return read


def leaf_of(envelope: Envelope) -> bytes:
    """The leaf hash of an envelope as an entry."""
    return leaf_hash(to_bytes(envelope))


def seen_by(envelope: Envelope) -> int:
    """The index from which on an envelope can stand in the log: receipts name a checkpoint that they follow."""
    seen = None
    if envelope.payload_type == payload_type(Receipt):
        seen = envelope.parse(Receipt).checkpoint
    elif envelope.payload_type == payload_type(Abandonment):
        seen = envelope.parse(Abandonment).checkpoint
    return 0 if seen is None else seen.size


def read_shown(reader: Reader) -> Note:
    """The published checkpoint, not verified yet. Raises StorageError."""
    note = read_published(reader)
    if note is None:
        raise StorageError(
            "no checkpoint of the log is published", advice="who keeps it runs `reperform log checkpoint`"
        )
    return note


def report(witnessed: Witnessed) -> dict[str, Any]:
    """A verified checkpoint, for machines."""
    checkpoint = witnessed.checkpoint
    return {
        "origin": checkpoint.origin,
        "size": checkpoint.size,
        "root": str(checkpoint.root),
        "witnessed_by": list(witnessed.organisations),
        "witnessed": witnessed.time,
    }


def account(witnessed: Witnessed) -> list[str]:
    """A verified checkpoint, for people."""
    checkpoint = witnessed.checkpoint
    by = ", ".join(witnessed.organisations) or "nobody; the roster asks for nobody"
    when = "" if witnessed.time is None else f", by {moment(witnessed.time)}"
    return [
        f"{checkpoint.origin}: {checkpoint.size} entries",
        f"  root       {checkpoint.root}",
        f"  witnessed  {by}{when}",
    ]


def told(entries: Iterable[bytes], size: int) -> Iterator[bytes]:
    """A log's entries as they are read, with their progress on stderr where somebody watches."""
    quiet = not progress.is_terminal
    return iter(track(entries, "reading the log", size, console=progress, transient=True, disable=quiet))
