"""Sealing to one recipient: HPKE (RFC 9180), base mode, X25519, HKDF-SHA256, ChaCha20-Poly1305.

`info` binds a sealed message to its place: the purpose, the case (or decision), and the recipient. A message
cut out of one case does not open in another.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from .encoding import MalformedError, encode
from .errors import ReperformError

SUITE: Final = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
PUBLIC_KEY_BYTES: Final = 32


class SealBrokenError(ReperformError):
    """A sealed message that does not open: another recipient, another place, or altered bytes."""


class Purpose(StrEnum):
    """What a sealed message is for."""

    STORED_OPENING = "stored-opening/v1"
    PANEL_OPENING = "panel-opening/v1"
    OUTPUT_KEY = "output-key/v1"
    ANSWER = "answer/v1"


class SealingKey:
    """The private key of a recipient."""

    __slots__ = ("private", "public")

    def __init__(self, private: X25519PrivateKey) -> None:
        self.private = private
        self.public = private.public_key().public_bytes_raw()

    def __repr__(self) -> str:
        return f"SealingKey({self.public.hex()[:12]})"

    @classmethod
    def generate(cls) -> Self:
        """A new key from the operating system's randomness."""
        return cls(X25519PrivateKey.generate())

    def open(self, sealed: bytes, *, purpose: Purpose, context: bytes) -> bytes:
        """The message. Raises SealBrokenError."""
        try:
            return SUITE.decrypt(sealed, self.private, info=_info(purpose, context, self.public))
        except (InvalidTag, ValueError) as error:
            raise SealBrokenError(f"a sealed {purpose} does not open with this key in this place") from error


def seal(message: bytes, recipient: bytes, *, purpose: Purpose, context: bytes) -> bytes:
    """Seal `message` to the X25519 public key `recipient` (32 bytes)."""
    if len(recipient) != PUBLIC_KEY_BYTES:
        raise MalformedError(f"a sealing key of {len(recipient)} bytes, expected {PUBLIC_KEY_BYTES}")
    try:
        public = X25519PublicKey.from_public_bytes(recipient)
        return SUITE.encrypt(message, public, info=_info(purpose, context, recipient))
    except ValueError as error:  # a low-order key: the shared secret would be zero (RFC 9180 §7.1.4)
        raise MalformedError("a sealing key that nothing can be sealed to") from error


def _info(purpose: Purpose, context: bytes, recipient: bytes) -> bytes:
    return encode([str(purpose), context, recipient])
