"""Documents by filing and slot."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "v1"
down_revision = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "documents",
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer, "sqlite"), autoincrement=True),
        sa.Column("filing", sa.LargeBinary(32), nullable=False),
        sa.Column("slot", sa.String(16), nullable=False),
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("author", sa.LargeBinary(32), nullable=False),
        sa.Column("envelope", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("position", name="documents_pkey"),
        sa.UniqueConstraint("filing", "slot", "digest", name="documents_filing_slot_digest_key"),
        sqlite_autoincrement=True,
    )
    for name, column, slot in (("documents_filer", "author", "filing"), ("documents_receipt", "digest", "receipt")):
        where = sa.text(f"slot = '{slot}'")
        op.create_index(name, "documents", [column], sqlite_where=where, postgresql_where=where)
