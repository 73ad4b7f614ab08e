"""The one table of a docket's store. Rows are added; none is ever changed or removed."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, String, Table, UniqueConstraint, text

metadata: Final = MetaData(
    naming_convention={"pk": "%(table_name)s_pkey", "uq": "%(table_name)s_%(column_0_N_name)s_key"}
)

documents: Final = Table(
    "documents",
    metadata,
    # In the order of commits, without going back: this is the position of the change feed.
    Column("position", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("filing", LargeBinary(32), nullable=False),
    Column("slot", String(16), nullable=False),
    Column("digest", LargeBinary(32), nullable=False),  # SHA-256 of the envelope's bytes
    Column("author", LargeBinary(32), nullable=False),  # the first key that signed
    Column("envelope", LargeBinary, nullable=False),
    UniqueConstraint("filing", "slot", "digest"),
    sqlite_autoincrement=True,  # a position is never given twice
)

# What quotas are counted by.
_FILINGS: Final = text("slot = 'filing'")
_RECEIPTS: Final = text("slot = 'receipt'")
Index("documents_filer", documents.c.author, sqlite_where=_FILINGS, postgresql_where=_FILINGS)
Index("documents_receipt", documents.c.digest, sqlite_where=_RECEIPTS, postgresql_where=_RECEIPTS)
