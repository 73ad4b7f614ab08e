"""`reperform audit label`: the operator discloses to which stratum each decision belongs, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ...consensus.audit.labelling import make_labels
from ...evidence.audit.labels import labels_id
from ...evidence.audit.plan import open_announcement
from ...evidence.documents import to_bytes
from ...evidence.dsse import Envelope
from ...evidence.files import read_document, write_file
from ...evidence.roster import OrganisationRole
from ...evidence.witnessed import open_checkpoint
from ..log_place import LogAuthority, LogPlace, open_reader, read_epochs, read_shown, told
from ..output import AsJson, tell
from ..trust import KeyFile, RootsFile, RosterFiles, read_keys
from ..vault_key import VaultKeyCommand, VaultKeyFile, read_vault_key


def label(
    announcement: Annotated[Path, typer.Argument(help="The lead's announcement.dsse.", show_default=False)],
    log: LogPlace,
    key: KeyFile,
    roster: RosterFiles,
    roots: RootsFile,
    vault: Annotated[Path, typer.Option(help="The vault with the openings.", show_default=False)],
    out: Annotated[Path, typer.Option(help="The labels, signed, for the lead.", show_default=False)],
    vault_key: VaultKeyFile = None,
    vault_key_command: VaultKeyCommand = None,
    log_ca: LogAuthority = None,
    as_json: AsJson = False,
) -> None:
    """Disclose the outcome, or the band of an amount, of each decision, where an audit's plan divides by it.

    Example: reperform audit label announcement.dsse --log log/ --vault bank.vault --vault-key /media/key/bank.vault-key
    --key bank.key --roster roster.dsse --roots roots.json --out labels.dsse

    The lead freezes the population with it, before anybody knows what will be drawn; the labels of what is drawn are
    checked.
    """
    from ...executor.vault.store import OpenVault

    rosters, keys = read_epochs(roster, roots), read_keys(key)
    announced = open_announcement(read_document(announcement, Envelope), rosters)
    node = keys.signing.public.key_id
    announced.roster.member_as(node, OrganisationRole.OPERATOR)
    reader = open_reader(log, log_ca)
    checkpoint = open_checkpoint(read_shown(reader), rosters).checkpoint
    with OpenVault(vault, read_vault_key(vault_key, vault_key_command)) as kept:
        labels = make_labels(
            announced, node, kept.find, reader=reader, checkpoint=checkpoint, rosters=rosters, progress=told
        )
    envelope = Envelope.sign(labels, announced.roster.signers(keys))
    write_file(out, to_bytes(envelope))
    counts = {name: labels.numbers.count(number) for number, name in enumerate(labels.names, start=1)}
    tell(
        as_json,
        {"labels": str(labels_id(envelope)), "file": str(out), "counts": counts},
        f"{out}: " + ", ".join(f"{count} {name}" for name, count in counts.items()),
    )
