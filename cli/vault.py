"""`reperform vault`: what an operator keeps of its decisions, for how long, and its erasure."""

from __future__ import annotations

import re
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from ..evidence.documents import to_bytes
from ..evidence.encoding import MalformedError
from ..evidence.files import FileError, make_folder, write_file
from .decide import write_decision
from .output import AsJson, moment, tell
from .trust import now
from .vault_key import VaultKeyCommand, VaultKeyFile, read_vault_key

if TYPE_CHECKING:
    from ..executor.vault.store import Kept, Vault

app = typer.Typer(help="Keep openings encrypted, and destroy them when it is time.", no_args_is_help=True)

DECISION: Final = re.compile(r"[0-9a-f]{8,32}")

VaultFile = Annotated[Path, typer.Argument(metavar="VAULT", help="The vault.", show_default=False)]
_HELP: Final = "The decision's id, or its first 8 or more digits."
DecisionId = Annotated[str, typer.Argument(metavar="DECISION", help=_HELP, show_default=False)]
PerhapsDecisionId = Annotated[str | None, typer.Argument(metavar="DECISION", help=_HELP, show_default=False)]


@app.command("key")
def key(
    path: Annotated[Path, typer.Argument(help="Where to write it: not beside the vault, nor into its backups.")],
    as_json: AsJson = False,
) -> None:
    """Make a vault key.

    Example: reperform vault key /media/key/bank.vault-key

    The file is readable by you alone. Whoever has it and the vault can read every opening that is not erased.
    """
    from ..executor.vault.key import VaultKey

    VaultKey.generate().write(path)
    tell(as_json, {"key": str(path)}, f"vault key: {path} (keep it secret, and away from the vault)")


@app.command("init")
def init(
    vault: VaultFile,
    days: Annotated[int, typer.Option(help="For how many days a decision is kept.", show_default=False)],
    vault_key: VaultKeyFile = None,
    vault_key_command: VaultKeyCommand = None,
    as_json: AsJson = False,
) -> None:
    """Make an empty vault, which opens with this vault key.

    Example: reperform vault init bank.vault --days 1827 --vault-key /media/key/bank.vault-key
    """
    from ..executor.vault.store import Vault

    make_folder(vault.parent)
    Vault.create(vault, read_vault_key(vault_key, vault_key_command), days)
    tell(as_json, {"vault": str(vault), "days": days}, f"{vault} keeps decisions for {days} days")


@app.command("status")
def status(vault: VaultFile, as_json: AsJson = False) -> None:
    """Say what a vault holds. No key is needed.

    Example: reperform vault status bank.vault
    """
    from ..executor.vault.store import Vault

    with Vault(vault) as opened:
        holdings = opened.holdings(now())
    tell(
        as_json,
        asdict(holdings),
        f"{holdings.kept} decisions, kept for {holdings.days} days; {holdings.held} of them held",
        f"{holdings.expired} to be erased by `reperform vault erase --expired`",
        f"{holdings.erased} erased",
    )


@app.command("show")
def show(vault: VaultFile, decision: DecisionId, as_json: AsJson = False) -> None:
    """Say how long a decision is kept, or when it was erased. No key is needed.

    Example: reperform vault show bank.vault 1f0e5c2a
    """
    from ..executor.vault.store import Vault

    with Vault(vault) as opened:
        kept = _named(opened, decision)
        ends = opened.ends(kept)
    body: dict[str, Any] = {"decision": kept.decision.hex(), "receipt": str(kept.receipt), "kept": kept.kept}
    end = f"{'kept' if kept.until is None else 'held'} until {moment(ends)}"
    tell(
        as_json,
        body | {"ends": ends, "held": kept.until is not None, "erased": kept.erased},
        f"decision {kept.decision.hex()}",
        f"kept since {moment(kept.kept)}",
        end if kept.erased is None else f"erased {moment(kept.erased)}",
    )


@app.command("retain")
def retain(
    vault: VaultFile,
    decision: PerhapsDecisionId = None,
    everything: Annotated[bool, typer.Option("--all", help="Every decision that is not held.")] = False,
    days: Annotated[int | None, typer.Option(help="With --all, from when it was kept; else from now.")] = None,
    until: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Until that day begins, UTC.", show_default=False)
    ] = None,
    lift: Annotated[bool, typer.Option("--lift", help="End the hold: keep it for as long as the others.")] = False,
    as_json: AsJson = False,
) -> None:
    """Hold a decision until a day: it is erased neither before nor later. Or say for how long all others are kept.

    Example: reperform vault retain bank.vault 1f0e5c2a --until 2031-12-31
    """
    from ..executor.vault.store import DAY, Vault, check_days

    if [days is not None, until is not None, lift].count(True) != 1:
        raise MalformedError("it must be said how long, once", advice="give one of --days, --until and --lift")
    with Vault(vault) as opened:
        if decision is None and everything and days is not None:
            opened.keep_for(days)
            tell(as_json, {"days": days}, f"{vault} keeps decisions for {days} days")
            return
        if decision is None or everything:
            raise MalformedError("it must be said what", advice="name one decision, or give --all and --days")
        kept, end = _named(opened, decision), None
        if days is not None:
            check_days(days)
            end = now() + days * DAY
        elif until is not None:
            end = int(until.replace(tzinfo=UTC).timestamp() * 1000)
        kept = opened.hold(kept, end)
        ends = opened.ends(kept)
    name = kept.decision.hex()
    tell(as_json, {"decision": name, "held": end is not None, "ends": ends}, f"{name} is kept until {moment(ends)}")


@app.command("erase")
def erase(
    vault: VaultFile,
    decision: PerhapsDecisionId = None,
    expired: Annotated[bool, typer.Option("--expired", help="Every decision whose time is over.")] = False,
    as_json: AsJson = False,
) -> None:
    """Destroy what is kept of a decision, for good: its data key and its ciphertext. The vault key is not needed.

    Example: reperform vault erase bank.vault 1f0e5c2a

    The receipt stays in the log. Decision files that were handed out, and backups of the vault, are not reached:
    docs/vault.md.
    """
    from ..executor.vault.store import Vault

    if (decision is None) is not expired:
        raise MalformedError("it must be said what", advice="name one decision, or give --expired")
    with Vault(vault) as opened:
        if decision is None:
            count = opened.erase_expired(now())
            tell(as_json, {"erased": count}, f"{count} decisions erased")
            return
        kept = _named(opened, decision)
        opened.erase(kept, now())
    tell(as_json, {"erased": 1, "decision": kept.decision.hex()}, f"erased: {kept.decision.hex()}")


@app.command("export")
def export(
    vault: VaultFile,
    out: Annotated[Path, typer.Option(help="The decision file; with --all, a folder.", show_default=False)],
    decision: PerhapsDecisionId = None,
    everything: Annotated[bool, typer.Option("--all", help="Every decision that is not erased.")] = False,
    vault_key: VaultKeyFile = None,
    vault_key_command: VaultKeyCommand = None,
    as_json: AsJson = False,
) -> None:
    """Write a decision file again, as `decide` did: the receipt and its opening, for the subject.

    Example: reperform vault export bank.vault 1f0e5c2a --out applicant.decision --vault-key /media/key/bank.vault-key
    """
    from ..executor.vault.store import OpenVault

    if (decision is None) is not everything:
        raise MalformedError("it must be said what", advice="name one decision, or give --all")
    with OpenVault(vault, read_vault_key(vault_key, vault_key_command)) as opened:
        if decision is not None:
            if out.exists():
                raise FileError(f"{out} exists", advice="name a new file")
            write_file(out, to_bytes(opened.read(_named(opened, decision))), mode=0o600)
            count = 1
        else:
            make_folder(out)
            kept = opened.everything()
            for each in kept:
                write_decision(out, opened.read(each))
            count = len(kept)
    tell(as_json, {"decisions": count, "out": str(out)}, f"{count} decision files: {out}")


@app.command("rotate")
def rotate(
    vault: VaultFile,
    new_key: Annotated[Path, typer.Option(help="The new vault key's file.", show_default=False)],
    vault_key: VaultKeyFile = None,
    vault_key_command: VaultKeyCommand = None,
    as_json: AsJson = False,
) -> None:
    """Give a vault another vault key. When the old key is destroyed, nobody can open older copies of the vault.

    Example: reperform vault rotate bank.vault --vault-key old.vault-key --new-key new.vault-key
    """
    from ..executor.vault.key import VaultKey
    from ..executor.vault.store import OpenVault

    with OpenVault(vault, read_vault_key(vault_key, vault_key_command)) as opened:
        count = opened.rotate(VaultKey.read(new_key))
    tell(
        as_json,
        {"decisions": count},
        f"{vault} opens with {new_key}; {count} decisions",
        "destroy the old vault key, and backups of the vault with it",
    )


def _named(vault: Vault, decision: str) -> Kept:
    if not DECISION.fullmatch(decision):
        raise MalformedError("a decision is named by 8 to 32 hexadecimal digits", advice="see its decision file's name")
    return vault.named(decision)
