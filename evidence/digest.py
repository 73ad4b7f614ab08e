"""SHA-256 over a domain string and the payload, so that no document can stand in for another.

    digest(D, x) = SHA-256( "reperform/" ‖ D ‖ 0x00 ‖ x )

The domain names the kind of content and its version. A kind whose layout changes takes a new version.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from .encoding import MalformedError


class Domain(StrEnum):
    """What a digest was taken of."""

    AUDIT_ANNOUNCEMENT = "audit-announcement/v1"
    AUDIT_DRAW = "audit-draw/v1"
    AUDIT_EXHIBIT = "audit-exhibit/v1"
    AUDIT_FREEZE = "audit-freeze/v1"
    AUDIT_LABELS = "audit-labels/v1"
    AUDIT_NONCE = "audit-nonce/v1"
    AUDIT_PLAN = "audit-plan/v1"
    AUDIT_SEED = "audit-seed/v1"
    AUDIT_TICKET = "audit-ticket/v1"
    BALLOT = "ballot/v1"
    BALLOTS = "ballots/v1"
    BALLOT_COMMITMENT = "ballot-commitment/v1"
    CASE = "case/v1"
    COMMITMENT_KEY = "commitment-key/v1"
    FILE = "file/v1"
    FILING = "filing/v1"
    GRAPH = "graph/v1"
    MANIFEST = "manifest/v1"
    PUBLIC_KEY = "public-key/v1"
    RECEIPT = "receipt/v1"
    ROSTER = "roster/v1"
    TENSOR = "tensor/v1"
    TRACE = "trace/v1"
    VOTE = "vote/v1"
    VOTES = "votes/v1"


@dataclass(frozen=True, slots=True, order=True)
class Digest:
    """32 bytes that came out of SHA-256; not just any bytes."""

    value: bytes

    def __post_init__(self) -> None:
        if type(self.value) is not bytes or len(self.value) != hashlib.sha256().digest_size:
            raise MalformedError("a digest is 32 bytes")

    def __str__(self) -> str:
        return self.value.hex()

    def short(self) -> str:
        """Enough to tell two apart on a screen, not enough to prove anything."""
        return self.value.hex()[:12]

    @classmethod
    def from_hex(cls, text: str) -> Self:
        """Parse 64 lower-case hexadecimal digits."""
        try:
            digest = cls(bytes.fromhex(text))
        except ValueError as error:
            raise MalformedError("a digest is written as 64 hexadecimal digits") from error
        if str(digest) != text:
            raise MalformedError("a digest is written as 64 lower-case hexadecimal digits")
        return digest


def digest(domain: Domain, payload: bytes, *more: memoryview) -> Digest:
    """The digest of `payload`, and what follows it, as the kind of content that `domain` names. Nothing is copied."""
    sha256 = hashlib.sha256(b"reperform/" + domain.encode() + b"\x00")
    sha256.update(payload)
    for part in more:
        sha256.update(part)  # other threads run meanwhile
    return Digest(sha256.digest())
