"""`reperform export`: decision files again, from the executor's journal."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..evidence.documents import from_bytes
from ..evidence.files import FileError, make_folder
from ..evidence.receipt import DecisionFile, Opening, Receipt
from ..evidence.sealing import Purpose
from .decide import write_decision
from .output import AsJson, tell
from .trust import KeyFile, read_keys


def export(
    journal: Annotated[Path, typer.Argument(help="The executor's journal.")],
    key: KeyFile,
    out: Annotated[Path, typer.Option(help="A folder for the decision files.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Write the decision file of every receipt in a journal, as `decide` did. For files that were lost.

    Example: reperform export bank.journal --key bank.key --out decisions/
    """
    # The journal stands beside torch in the executor, and needs none of it.
    from ..executor.journal import Journal

    if not journal.exists():
        raise FileError(f"{journal} does not exist", advice="check the name")
    keys = read_keys(key)
    make_folder(out)
    written = 0
    with Journal(journal, keys.signing.public.key_id) as opened:
        for entry in opened.entries():
            if entry.sealed_opening is not None:
                decision = entry.envelope.parse(Receipt).decision
                opening = keys.sealing.open(entry.sealed_opening, purpose=Purpose.STORED_OPENING, context=decision)
                write_decision(out, DecisionFile(entry.envelope, from_bytes(Opening, opening)))
                written += 1
    tell(as_json, {"decisions": written, "directory": str(out)}, f"{written} decision files in {out}")
