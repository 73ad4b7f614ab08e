"""How commands are given a vault key: a file, or a command that prints it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..evidence.files import FileError

if TYPE_CHECKING:
    from ..executor.vault.key import VaultKey

VaultKeyFile = Annotated[
    Path | None, typer.Option("--vault-key", help="The vault key's file, made by `reperform vault key`.")
]
VaultKeyCommand = Annotated[
    str | None, typer.Option("--vault-key-command", help="A command that prints the vault key; no shell runs it.")
]


def read_vault_key(path: Path | None, command: str | None) -> VaultKey:
    """The vault key, from whichever of the two is given. Raises FileError, KeyFileError, VaultKeyError."""
    from ..executor.vault.key import VaultKey

    if path is not None and command is None:
        return VaultKey.read(path)
    if command is not None and path is None:
        try:
            return VaultKey.ask(shlex.split(command))
        except ValueError as error:
            raise FileError("the vault key's command has a quotation that does not end") from error
    raise FileError("no one vault key is named", advice="give either --vault-key or --vault-key-command")
