"""A decision file encrypted under a data key of its own, bound to its place. Pure but for the randomness of the key."""

from __future__ import annotations

from dataclasses import dataclass
from secrets import token_bytes
from typing import Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ...evidence.digest import Digest
from ...evidence.documents import from_bytes, to_bytes
from ...evidence.encoding import encode
from ...evidence.errors import ReperformError
from ...evidence.receipt import DecisionFile, Receipt, receipt_id
from ...evidence.sealing import pad, unpad
from .errors import DamagedError
from .key import KEY_BYTES, WrappingKey

_PURPOSE: Final = "vault-opening/v1"
_NONCE: Final = bytes(12)  # every data key encrypts one message


@dataclass(frozen=True, slots=True)
class Place:
    """What a ciphertext is bound to: it opens nowhere else."""

    vault: bytes
    decision: bytes
    receipt: Digest

    @classmethod
    def of(cls, vault: bytes, file: DecisionFile) -> Self:
        """Where a decision file belongs."""
        return cls(vault, file.receipt.parse(Receipt).decision, receipt_id(file.receipt))

    @property
    def context(self) -> bytes:
        """The associated data."""
        return encode([_PURPOSE, self.vault, self.decision, self.receipt.value])


@dataclass(frozen=True, slots=True)
class Sealed:
    """A wrapped data key, and what is encrypted under it."""

    data_key: bytes
    content: bytes


def seal(file: DecisionFile, place: Place, key: WrappingKey) -> Sealed:
    """Encrypt a decision file (AES-256-GCM), filled up to whole blocks: its length would tell its outcome."""
    data_key = token_bytes(KEY_BYTES)
    content = AESGCM(data_key).encrypt(_NONCE, pad(to_bytes(file)), place.context)
    return Sealed(key.wrap(data_key), content)


def unseal(sealed: Sealed, place: Place, key: WrappingKey) -> DecisionFile:
    """The decision file, checked: it is the one of this place, and its opening opens its receipt.

    Raises DamagedError.
    """
    data_key = key.unwrap(sealed.data_key)
    try:
        message = AESGCM(data_key).decrypt(_NONCE, sealed.content, place.context)
    except (InvalidTag, ValueError) as error:
        raise DamagedError("its opening does not decrypt") from error
    try:
        file = from_bytes(DecisionFile, unpad(message))
        file.opening.check(file.receipt.parse(Receipt))
    except ReperformError as error:
        raise DamagedError("its opening is not the receipt's") from error
    if Place.of(place.vault, file) != place:
        raise DamagedError("it holds another decision")
    return file
