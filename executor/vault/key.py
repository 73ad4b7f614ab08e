"""The vault key: 32 random bytes that are kept elsewhere, in a file or behind a command that prints them.

As text it is `reperform-vault-key-v1:` and 64 hexadecimal digits, so that whoever finds one in the wrong place knows
what it is.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from hmac import compare_digest
from pathlib import Path
from secrets import token_bytes
from typing import Final, Self

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from ...evidence.keyfile import read_private, write_private
from .errors import DamagedError, VaultKeyError

KEY_BYTES: Final = 32
PATIENCE: Final = 30.0  # seconds that a command may take: it may have to ask somebody else's server
_INFO: Final = b"reperform/vault-key/v1"
_TEXT: Final = re.compile(rb"reperform-vault-key-v1:([0-9a-f]{64})\n?")


class VaultKey:
    """The secret. It is never printed."""

    __slots__ = ("_secret",)

    def __init__(self, secret: bytes) -> None:
        if len(secret) != KEY_BYTES:
            raise VaultKeyError(f"a vault key of {len(secret)} bytes, expected {KEY_BYTES}")
        self._secret = secret

    def __repr__(self) -> str:
        return "VaultKey()"

    @classmethod
    def generate(cls) -> Self:
        """A new key from the operating system's randomness."""
        return cls(token_bytes(KEY_BYTES))

    def write(self, path: Path) -> None:
        """Write a new file that only its owner can read. Never overwrites. Raises KeyFileError."""
        write_private(path, f"reperform-vault-key-v1:{self._secret.hex()}\n".encode())

    @classmethod
    def read(cls, path: Path) -> Self:
        """The key of a file that only its owner can read. Raises KeyFileError, VaultKeyError."""
        return cls._parse(read_private(path), f"{path} is not a vault key file")

    @classmethod
    def ask(cls, command: Sequence[str], patience: float = PATIENCE) -> Self:
        """The key that a command prints. Never through a shell; what it says to stderr is not passed on.

        Raises VaultKeyError.
        """
        if not command:
            raise VaultKeyError("the command for the vault key is empty")
        name = command[0]
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # it may hold the key
                timeout=patience,
                check=False,
            )
        except OSError as error:
            raise VaultKeyError(f"the vault key's command {name} cannot be run: {error.strerror}") from error
        except subprocess.TimeoutExpired:
            # Not `from` the error, which holds what was printed.
            raise VaultKeyError(f"the vault key's command {name} took more than {patience:g} seconds") from None
        if done.returncode != 0:
            raise VaultKeyError(
                f"the vault key's command {name} ended with status {done.returncode}",
                advice="run it by hand to see why",
            )
        return cls._parse(done.stdout, f"the vault key's command {name} printed no vault key")

    @classmethod
    def _parse(cls, text: bytes, otherwise: str) -> Self:
        match = _TEXT.fullmatch(text)
        if match is None:
            raise VaultKeyError(otherwise, advice="make one with `reperform vault key`")
        return cls(bytes.fromhex(match.group(1).decode()))

    def wrapping(self, vault: bytes) -> WrappingKey:
        """What of this key is used in the vault of that id (HKDF-SHA256, RFC 5869)."""
        derived = HKDF(SHA256(), 2 * KEY_BYTES, salt=vault, info=_INFO).derive(self._secret)
        return WrappingKey(derived[:KEY_BYTES], derived[KEY_BYTES:])


@dataclass(frozen=True, slots=True, repr=False)
class WrappingKey:
    """What wraps one vault's data keys. `check` stands in the vault, and tells whether a key is the right one."""

    key: bytes
    check: bytes

    def is_checked_by(self, check: bytes) -> bool:
        """Whether this is the key that the vault was made with."""
        return compare_digest(self.check, check)

    def wrap(self, data_key: bytes) -> bytes:
        """AES key wrap (RFC 3394). It needs no nonce, so there is no number of decisions after which it is weak."""
        return aes_key_wrap(self.key, data_key)

    def unwrap(self, wrapped: bytes) -> bytes:
        """The data key. Raises DamagedError."""
        try:
            return aes_key_unwrap(self.key, wrapped)
        except (InvalidUnwrap, ValueError) as error:
            raise DamagedError("its data key does not unwrap") from error
