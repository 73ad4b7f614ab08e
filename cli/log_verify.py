"""`reperform log prove`, `verify` and `fsck`: what a log holds, shown to others and checked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from ..consensus.log.committed import read_committed
from ..consensus.log.fsck import Fsck
from ..consensus.log.prover import Prover
from ..consensus.log.publisher import read_published
from ..consensus.log.storage import Reader
from ..evidence.accounts import Accounts, Finding
from ..evidence.encoding import MalformedError
from ..evidence.files import read_file, write_file
from ..evidence.roster import Roster
from ..evidence.timestamp import read_certificates, timestamp_of, with_timestamp
from ..evidence.tlog.proof import Proof
from ..evidence.tlog.tree import check_inclusion, root
from ..evidence.witnessed import open_checkpoint
from .log_place import (
    ENTRY_HELP,
    LogAuthority,
    LogPlace,
    account,
    leaf_of,
    log_keys_of,
    named_log,
    open_reader,
    open_storage,
    read_envelope,
    read_epochs,
    read_shown,
    report,
    seen_by,
    told,
)
from .output import NEGATIVE_VERDICT, AsJson, moment, progress, tell
from .trust import RootsFile, RosterFiles

# Faults of the entries that are told one by one.
SHOWN: Final = 1000


TsaCertificates = Annotated[
    Path | None, typer.Option(help="Certificates (PEM) that you trust for time-stamps.", show_default=False)
]


def prove(
    file: Annotated[Path, typer.Argument(help=ENTRY_HELP)],
    log: LogPlace,
    roster: RosterFiles,
    roots: RootsFile,
    out: Annotated[
        Path | None, typer.Option(help="Where the proof is written; FILE.tlog-proof unless told otherwise.")
    ] = None,
    tsa: Annotated[
        str | None, typer.Option(help="A time-stamping authority (RFC 3161), whose word on the checkpoint is added.")
    ] = None,
    tsa_certificates: TsaCertificates = None,
    log_ca: LogAuthority = None,
    as_json: AsJson = False,
) -> None:
    """Prove that a document stands in the log: a file that anyone can check offline (C2SP tlog-proof).

    Example: reperform log prove my.decision --log https://log.example --roster roster.dsse --roots roots.json

    Exit status 0: proved. 1: it is not in the log, as far as its checkpoint goes. 2: not verified.
    """
    if (tsa is None) != (tsa_certificates is None):
        raise MalformedError("--tsa and --tsa-certificates go together", advice="a time-stamp is not kept unchecked")
    envelope, reader = read_envelope(file), open_reader(log, log_ca)
    note = read_shown(reader)
    witnessed = open_checkpoint(note, read_epochs(roster, roots))
    size, leaf, prover = witnessed.checkpoint.size, leaf_of(envelope), Prover(reader)
    with progress.status("looking for the entry"):
        index = prover.find([leaf], min(seen_by(envelope), size), size).get(leaf)
    if index is None:
        tell(as_json, {"included": False, "size": size}, f"NOT IN THE LOG: {file} is none of its {size} entries")
        raise typer.Exit(NEGATIVE_VERDICT)
    hashes = prover.inclusion(index, size)
    check_inclusion(leaf, index, size, hashes, witnessed.checkpoint.root.value)
    proof = Proof(index, hashes, note, None)
    if tsa is not None and tsa_certificates is not None:
        from ..consensus.log.timestamps import timestamp

        certificates = read_certificates(read_file(tsa_certificates))
        proof = with_timestamp(proof, timestamp(tsa, witnessed.checkpoint, certificates, log_ca))
    target = proof_of(file) if out is None else out
    write_file(target, str(proof).encode())
    tell(
        as_json,
        {"included": True, "index": index, "size": size, "proof": str(target)},
        f"entry {index} of {size}: {target}",
        *account(witnessed),
    )


def verify(
    roster: RosterFiles,
    roots: RootsFile,
    file: Annotated[
        Path | None,
        typer.Argument(help=ENTRY_HELP, show_default=False),
    ] = None,
    proof: Annotated[
        Path | None, typer.Option(help="The proof for FILE, offline; FILE.tlog-proof unless told otherwise.")
    ] = None,
    tsa_certificates: TsaCertificates = None,
    log: Annotated[
        str | None, typer.Option("--log", help="Without FILE: the log to verify as a whole.", show_default=False)
    ] = None,
    log_ca: LogAuthority = None,
    as_json: AsJson = False,
) -> None:
    """Verify that a document stands in the log, offline; or verify a whole log: every entry, and what is missing.

    Example: reperform log verify my.decision --roster roster.dsse --roots roots.json
    or: reperform log verify --log https://log.example --roster roster.dsse --roots roots.json

    Exit status 0: verified. 1: the checkpoint is good, and the log is not: damages, gaps, numbers used twice.
    2: not verified.
    """
    rosters = read_epochs(roster, roots)
    if (file is None) == (log is None):
        raise MalformedError("verify either a document or a whole log", advice="give FILE, or --log")
    if file is not None:
        _verify_document(file, proof or proof_of(file), rosters, tsa_certificates, as_json)
    if log is not None:
        _verify_log(open_reader(log, log_ca), rosters, as_json)


def _verify_document(
    file: Path, proof: Path, rosters: Sequence[Roster], tsa_certificates: Path | None, as_json: bool
) -> None:
    envelope, opened = read_envelope(file), Proof.parse(read_file(proof))
    witnessed = open_checkpoint(opened.checkpoint, rosters)
    checkpoint = witnessed.checkpoint
    check_inclusion(leaf_of(envelope), opened.index, checkpoint.size, opened.hashes, checkpoint.root.value)
    if opened.index < seen_by(envelope):
        raise MalformedError(
            f"entry {opened.index} stands before the checkpoint that it names, of {seen_by(envelope)} entries"
        )
    stamped = None
    if tsa_certificates is not None:
        stamped = timestamp_of(opened, read_certificates(read_file(tsa_certificates)))
    tell(
        as_json,
        {"verified": True, "index": opened.index, **report(witnessed), "timestamp": stamped},
        f"IN THE LOG: entry {opened.index}",
        *account(witnessed),
        *([] if stamped is None else [f"  stamped    {moment(stamped)}, by an authority that you trust"]),
    )


def _verify_log(reader: Reader, rosters: Sequence[Roster], as_json: bool) -> None:
    witnessed, prover = open_checkpoint(read_shown(reader), rosters), Prover(reader)
    checkpoint = witnessed.checkpoint
    check = Fsck(reader, checkpoint)
    accounts = Accounts(checkpoint.origin, rosters, lambda size: root(size, prover.read(size)))
    faults, number = list[str](), 0
    for index, entry in enumerate(told(check.entries(), checkpoint.size)):
        faults += map(_fault, accounts.take(index, entry).findings)
        number, faults = number + len(faults[SHOWN:]), faults[:SHOWN]  # of a log that is nothing but faults
    faults += [*map(_fault, accounts.missing()), *check.damages]
    number += len(faults)
    tell(
        as_json,
        {
            "verified": not faults,
            "decisions": accounts.decisions,
            "abandonments": accounts.abandonments,
            "faults": faults,
            "faults_in_all": number,
            **report(witnessed),
        },
        *(f"FAULT  {fault}" for fault in faults),
        *account(witnessed),
        f"  holds      {accounts.decisions} decisions, {accounts.abandonments} numbers given up, {number} faults",
    )
    raise typer.Exit(NEGATIVE_VERDICT if faults else 0)


def _fault(finding: Finding) -> str:
    who = "" if finding.executor is None else f" (executor {finding.executor.short()}, "
    if finding.numbers is not None:
        first, last = finding.numbers
        who += f"number {first})" if first == last else f"numbers {first} to {last})"
    return f"entry {finding.entry}: {finding.kind}{who}"


def fsck(log: LogPlace, roster: RosterFiles, roots: RootsFile, as_json: AsJson = False) -> None:
    """Derive the whole log again from its entries, and compare every tile and both checkpoints. For who keeps the log.

    Example: reperform log fsck --log log/ --roster roster.dsse --roots roots.json

    Exit status 0: all is well. 1: damaged; the damages are listed. 2: it could not be looked at.
    """
    storage, rosters = open_storage(log), read_epochs(roster, roots)
    _, committed = read_committed(storage, named_log(rosters[-1]).origin, log_keys_of(rosters))
    check = Fsck(storage, committed)
    for _ in told(check.entries(), committed.size):
        pass
    shown = read_published(storage)
    if shown is not None:
        check.check_earlier(open_checkpoint(shown, rosters).checkpoint)
    tell(
        as_json,
        {"entries": committed.size, "root": str(committed.root), "damages": check.damages},
        *(f"DAMAGED  {damage}" for damage in check.damages),
        f"{committed.size} entries, {len(check.damages)} damages",
    )
    raise typer.Exit(NEGATIVE_VERDICT if check.damages else 0)


def proof_of(file: Path) -> Path:
    """Where the proof of a document is, unless told otherwise."""
    return file.with_name(file.name + ".tlog-proof")
