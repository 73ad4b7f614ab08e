"""Sealing to one recipient: HPKE (RFC 9180), base mode, X25519, HKDF-SHA256, ChaCha20-Poly1305.

`info` binds a sealed message to its place: the purpose, the case, and the recipient. A message
cut out of one case does not open in another.

A message is padded before it is sealed: ciphertexts stand in evidence packs, and from the length of a
replayer's answer anyone could read whether it says "approved" or "declined".
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
BLOCK_BYTES: Final = 512  # lengths show no more than a number of blocks
_PROBE: Final = X25519PrivateKey.from_private_bytes(bytes(range(32)))


class SealBrokenError(ReperformError):
    """A sealed message that does not open: another recipient, another place, or altered bytes."""


class Purpose(StrEnum):
    """What a sealed message is for."""

    PANEL_OPENING = "panel-opening/v1"
    OUTPUT_KEY = "output-key/v1"
    ANSWER = "answer/v1"
    AUDIT_OPENING = "audit-opening/v1"


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
            padded = SUITE.decrypt(sealed, self.private, info=_info(purpose, context, self.public))
        except (InvalidTag, ValueError) as error:
            raise SealBrokenError(f"a sealed {purpose} does not open with this key in this place") from error
        try:
            return unpad(padded)
        except MalformedError as error:
            raise SealBrokenError(f"a sealed {purpose} is not padded as it must be") from error


def seal(message: bytes, recipient: bytes, *, purpose: Purpose, context: bytes) -> bytes:
    """Seal `message` to the X25519 public key `recipient` (32 bytes)."""
    check_sealing_key(recipient)
    public = X25519PublicKey.from_public_bytes(recipient)
    return SUITE.encrypt(pad(message), public, info=_info(purpose, context, recipient))


def check_sealing_key(public: bytes) -> None:
    """Raise MalformedError unless messages can be sealed to this X25519 public key."""
    if len(public) != PUBLIC_KEY_BYTES:
        raise MalformedError(f"a sealing key of {len(public)} bytes, expected {PUBLIC_KEY_BYTES}")
    try:
        _PROBE.exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError as error:  # a low-order key: the shared secret would be zero (RFC 9180 §7.1.4)
        raise MalformedError("a sealing key that nothing can be sealed to") from error


def pad(message: bytes) -> bytes:
    """Fill up to whole blocks: one bit, then zeros (ISO/IEC 9797-1, padding method 2)."""
    return message + b"\x80" + bytes(-(len(message) + 1) % BLOCK_BYTES)


def unpad(padded: bytes) -> bytes:
    """What was filled up. Raises MalformedError."""
    message = padded.rstrip(b"\x00")[:-1]
    if pad(message) != padded:
        raise MalformedError("not padded as it must be")
    return message


def _info(purpose: Purpose, context: bytes, recipient: bytes) -> bytes:
    return encode([str(purpose), context, recipient])
