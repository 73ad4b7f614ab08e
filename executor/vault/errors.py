"""What can be wrong with a vault. No error says anything about what was decided."""

from __future__ import annotations

from ...evidence.errors import ReperformError


class VaultError(ReperformError):
    """A vault that cannot be used, or does not do what it was asked."""


class VaultKeyError(VaultError):
    """A vault key that is not there, not a key, or not this vault's."""


class NotKeptError(VaultError):
    """A decision that the vault does not hold, or not any more."""


class HeldError(VaultError):
    """A decision that must be kept still."""


class DamagedError(VaultError):
    """A row that is not what was put there."""
