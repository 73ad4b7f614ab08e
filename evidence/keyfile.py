"""A party's private keys in one file: PEM blocks of PKCS#8, mode 0600, optionally encrypted.

A party signs with Ed25519 and receives with X25519; where a roster asks for it, it signs with ML-DSA-44 too.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from .errors import ReperformError
from .keys import Algorithm, SigningKey
from .sealing import SealingKey

MAX_BYTES: Final = 64 * 1024
MAX_PASSWORD_BYTES: Final = 1023  # OpenSSL's limit
_BLOCK: Final = re.compile(rb"-----BEGIN (ENCRYPTED )?PRIVATE KEY-----\n.*?-----END \1?PRIVATE KEY-----\n", re.DOTALL)


class KeyFileError(ReperformError):
    """A key file that is missing, open to others, damaged, or locked."""


@dataclass(frozen=True, slots=True)
class KeyRing:
    """Everything that a party signs and receives with."""

    signing: SigningKey
    sealing: SealingKey
    post_quantum: SigningKey | None = None

    @classmethod
    def generate(cls, *, post_quantum: bool = False) -> Self:
        """New keys."""
        extra = SigningKey.generate(Algorithm.ML_DSA_44) if post_quantum else None
        return cls(SigningKey.generate(), SealingKey.generate(), extra)

    @property
    def signers(self) -> tuple[SigningKey, ...]:
        """All the keys that sign for this party."""
        return (self.signing,) if self.post_quantum is None else (self.signing, self.post_quantum)

    def write(self, path: Path, password: bytes | None = None) -> None:
        """Write a new file that only its owner can read. Never overwrites. Raises KeyFileError."""
        if password is not None and not 1 <= len(password) <= MAX_PASSWORD_BYTES:
            raise KeyFileError(f"a password has 1 to {MAX_PASSWORD_BYTES} bytes")
        encryption = NoEncryption() if password is None else BestAvailableEncryption(password)
        private = [key.private for key in self.signers] + [self.sealing.private]
        blocks = [key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption) for key in private]
        write_private(path, b"".join(blocks))

    @classmethod
    def read(cls, path: Path, password: bytes | None = None) -> Self:
        """Read a key file. Raises KeyFileError."""
        data = read_private(path)
        blocks = [match.group(0) for match in _BLOCK.finditer(data)]
        if not blocks or b"".join(blocks) != data:
            raise KeyFileError(f"{path} is not a reperform key file", advice="make one with `reperform keys new`")
        keys = [_load(path, block, password) for block in blocks]
        signing = [k for k in keys if isinstance(k, SigningKey) and k.public.algorithm is Algorithm.ED25519]
        post_quantum = [k for k in keys if isinstance(k, SigningKey) and k.public.algorithm is Algorithm.ML_DSA_44]
        sealing = [k for k in keys if isinstance(k, SealingKey)]
        if len(signing) != 1 or len(sealing) != 1 or len(post_quantum) > 1:
            raise KeyFileError(f"{path} must hold one Ed25519 and one X25519 key, and at most one ML-DSA-44 key")
        return cls(signing[0], sealing[0], post_quantum[0] if post_quantum else None)


def write_private(path: Path, data: bytes) -> None:
    """Write a new file that only its owner can read. Never overwrites. Raises KeyFileError."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise KeyFileError(f"{path} exists", advice="keys are never overwritten; choose another name") from error
    except OSError as error:
        raise KeyFileError(f"{path} cannot be written: {error.strerror}") from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        path.unlink(missing_ok=True)  # half a key file would be in the way of the next try
        raise KeyFileError(f"{path} cannot be written: {error.strerror}") from error


def read_private(path: Path) -> bytes:
    """The bytes of a file that nobody else can read. Raises KeyFileError."""
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_mode & (0o037 if _is_credential(path) else 0o077):
                raise KeyFileError(f"{path} can be read by others", advice=f"run `chmod 600 {path}`")
            return file.read(MAX_BYTES)
    except OSError as error:
        raise KeyFileError(f"{path} cannot be read: {error.strerror}") from error


def _is_credential(path: Path) -> bool:
    """Whether systemd has put the file there for this service alone.

    It lets the service read by an access list, whose mask shows as permissions of the group (systemd.exec(5)).
    """
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    return folder is not None and path.parent == Path(folder)


def _load(path: Path, block: bytes, password: bytes | None) -> SigningKey | SealingKey:
    locked = b"ENCRYPTED" in block.partition(b"\n")[0]
    if locked and password is None:
        raise KeyFileError(f"{path} is encrypted", advice="give its password in REPERFORM_KEY_PASSWORD")
    try:
        private = load_pem_private_key(block, password if locked else None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyFileError(f"{path} does not open: wrong password or damaged file") from error
    match private:
        case Ed25519PrivateKey() | MLDSA44PrivateKey():
            return SigningKey(private)
        case X25519PrivateKey():
            return SealingKey(private)
    raise KeyFileError(f"{path} holds a key of another kind")
