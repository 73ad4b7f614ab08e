"""`reperform decide`: decide with a pinned model, one receipt each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..consensus.admission import largest_input
from ..evidence.documents import to_bytes
from ..evidence.files import make_folder, write_file
from ..evidence.receipt import DecisionFile, Receipt
from ..evidence.roster import OrganisationRole
from ..evidence.values import Input
from ..executor.refusal import InputError
from .inputs import read_inputs
from .log_writer import writing
from .output import AsJson, progress, tell
from .trust import KeyFile, RootsFile, RosterFiles, now, read_keys, read_rosters
from .vault_key import VaultKeyCommand, VaultKeyFile, read_vault_key

if TYPE_CHECKING:
    from ..executor.model import PinnedModel


def decide(
    inputs: Annotated[
        Path,
        typer.Argument(
            help="A .csv or .jsonl file of records, a .txt file, one text a line; a .pgm or .ppm image, a .wav sound, "
            ".safetensors; or a folder of such files."
        ),
    ],
    model: Annotated[Path, typer.Option(help="The pinned model.", show_default=False)],
    key: KeyFile,
    roster: RosterFiles,
    roots: RootsFile,
    journal: Annotated[Path, typer.Option(help="The executor's journal.", show_default=False)],
    vault: Annotated[Path, typer.Option(help="The vault for the openings.", show_default=False)],
    out: Annotated[Path, typer.Option(help="A folder for the decision files.", show_default=False)],
    vault_key: VaultKeyFile = None,
    vault_key_command: VaultKeyCommand = None,
    log: Annotated[
        str | None, typer.Option(help="The log that the roster names: a folder, or s3://BUCKET/PREFIX.")
    ] = None,
    log_key: Annotated[Path | None, typer.Option(help="The log's key file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Decide every input and write a decision file for each: the receipt and its opening, for the subject.

    Example: reperform decide applications.csv --model models/mortgage --key bank.key --roster roster.dsse
    --roots roots.json --journal bank.journal --vault bank.vault --vault-key /media/key/bank.vault-key --out decisions/
    --log log/ --log-key log.key
    """
    from ..executor.journal import Journal
    from ..executor.model import PinnedModel
    from ..executor.selftest import selftest
    from ..executor.service import Executor
    from ..executor.vault.store import OpenVault

    values = read_inputs(inputs)
    rosters = [signed.document for signed in read_rosters(roster, roots)]
    in_force = rosters[-1]
    in_force.check_time(now())
    keys = read_keys(key)
    in_force.member_as(keys.signing.public.key_id, OrganisationRole.OPERATOR)
    pinned = PinnedModel.load(model)
    _check(pinned, values, inputs, len(in_force.panel()))
    selftest()  # a machine that computes something else must not decide
    make_folder(out)
    with (
        OpenVault(vault, read_vault_key(vault_key, vault_key_command)) as kept,
        writing(log, log_key, rosters) as entered,
        Journal(journal, keys.signing.public.key_id) as opened,
        progress.status(f"deciding {len(values)} inputs"),
    ):
        executor = Executor(pinned, keys, in_force, journal=opened, vault=kept, log=entered, clock=now)
        decisions = executor.decide(values)
    for decision in decisions:
        write_decision(out, decision.file)
    counts: dict[str, int] = {}
    for decision in decisions:
        counts[decision.output.decision or "answered"] = counts.get(decision.output.decision or "answered", 0) + 1
    summary = ", ".join(f"{count} {label}" for label, count in sorted(counts.items()))
    tell(
        as_json,
        {"decisions": len(decisions), "outcomes": counts, "first": decisions[0].sequence, "directory": str(out)},
        f"{len(decisions)} decisions: {summary}",
        f"decision files in {out}; each goes to its subject and to nobody else",
    )


def _check(model: PinnedModel, values: Sequence[Input], path: Path, panel: int) -> None:
    """Refuse an input that cannot be decided on, by its place in the file, before any number is reserved."""
    for number, value in enumerate(values, start=1):
        try:
            _check_size(value, panel)
            model.tensors([value])
        except InputError as error:
            raise InputError(f"{path}, input {number}: {error.cause}", advice=error.advice) from error


def _check_size(value: Input, panel: int) -> None:
    """What the panel could not be shown could not be disputed."""
    size, limit = len(to_bytes(value)), largest_input(panel)
    if size > limit:
        cause = f"it has {size} bytes, and a panel of {panel} nodes can be shown {limit}"
        raise InputError(cause, advice="decide on something smaller, or under a roster with fewer nodes")


def write_decision(folder: Path, decision: DecisionFile) -> Path:
    """Write a decision file for its subject alone. Its name has the decision's id in it: none replaces another."""
    receipt = decision.receipt.parse(Receipt)
    path = folder / f"{receipt.sequence:09d}-{receipt.decision.hex()[:8]}.decision"
    write_file(path, to_bytes(decision), mode=0o600)
    return path
