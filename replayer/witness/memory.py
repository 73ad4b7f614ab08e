"""What a witness remembers about logs, in its node's database, whatever becomes of the process."""

from __future__ import annotations

from typing import Final

from ...evidence.tlog.checkpoint import Checkpoint, parse_checkpoint
from ...evidence.tlog.note import Note
from ..database import Database
from .judgement import Cosigned, Known

# So many checkpoints of one log are kept that nobody has placed yet: it alone can sign more.
MAX_SUSPECTS: Final = 64


class Memory:
    """What a witness knows about logs, in the node's database."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def cosigned(self, origin: str) -> Cosigned | None:
        """The last checkpoint that was cosigned."""
        rows = self.database.rows("SELECT time, note FROM cosigned WHERE origin = ?", origin)
        if not rows:
            return None
        note = Note.parse(rows[0][1])
        return Cosigned(parse_checkpoint(note.text), rows[0][0], note)

    def remember(self, cosigned: Cosigned) -> None:
        """Replace what was cosigned last."""
        checkpoint = cosigned.checkpoint
        row = (checkpoint.origin, checkpoint.size, cosigned.seconds, cosigned.note.to_bytes())
        self.database.write("INSERT OR REPLACE INTO cosigned VALUES (?, ?, ?, ?)", *row)
        self.clear(checkpoint)

    def known(self, checkpoint: Checkpoint) -> Known:
        """Everything that matters to a judgement."""
        cosigned = self.cosigned(checkpoint.origin)
        notes = [] if cosigned is None else [cosigned.note]
        notes += self.suspects(checkpoint.origin)
        rivals = tuple(note for note in notes if _rivals(parse_checkpoint(note.text), checkpoint))
        return Known(cosigned, rivals, self.fork(checkpoint.origin) is not None)

    def suspects(self, origin: str) -> list[Note]:
        """What the log has signed, and nobody has placed yet."""
        rows = self.database.rows("SELECT note FROM suspects WHERE origin = ? ORDER BY size, root", origin)
        return [Note.parse(note) for (note,) in rows]

    def suspect(self, note: Note) -> None:
        """Keep a note with the log's signatures."""
        checkpoint = parse_checkpoint(note.text)
        self.database.write(
            "INSERT OR IGNORE INTO suspects SELECT ?1, ?2, ?3, ?4 "
            "WHERE (SELECT count(*) FROM suspects WHERE origin = ?1) < ?5",
            checkpoint.origin, checkpoint.size, checkpoint.root.value, note.to_bytes(), MAX_SUSPECTS,
        )  # fmt: skip

    def clear(self, checkpoint: Checkpoint) -> None:
        """Suspect a checkpoint no more."""
        row = (checkpoint.origin, checkpoint.size, checkpoint.root.value)
        self.database.write("DELETE FROM suspects WHERE origin = ? AND size = ? AND root = ?", *row)

    def fork(self, origin: str) -> bytes | None:
        """The proof that the log has forked: a file for strangers."""
        rows = self.database.rows("SELECT proof FROM forks WHERE origin = ?", origin)
        return rows[0][0] if rows else None

    def forked(self, origin: str, proof: bytes, now: int) -> None:
        """Keep a proof; the first one is enough."""
        self.database.write("INSERT OR IGNORE INTO forks VALUES (?, ?, ?)", origin, now, proof)

    def origins(self) -> list[str]:
        """The logs of which anything was cosigned or proved."""
        rows = self.database.rows("SELECT origin FROM cosigned UNION SELECT origin FROM forks ORDER BY origin")
        return [origin for (origin,) in rows]


def _rivals(one: Checkpoint, other: Checkpoint) -> bool:
    return one.size == other.size and one.root != other.root
