"""`reperform roster`: later epochs, drafted by the roster's keeper and signed by the holders of root keys."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from ..evidence.digest import Digest
from ..evidence.documents import to_bytes
from ..evidence.dsse import Envelope, Signed
from ..evidence.encoding import MalformedError
from ..evidence.files import FileError, read_document, write_file
from ..evidence.roster import Log, Roster, RosterRefusedError, open_rosters
from ..evidence.succession import Draft, changes, join
from .description import DAY, body, lines, read_holders, read_log
from .output import AsJson, moment, tell
from .trust import KeyFile, RootsFile, RosterFiles, now, read_keys, read_roots, read_rosters

DraftFile = Annotated[Path, typer.Option("--draft", help="The draft: begun if there is none, else gone on with.")]
Out = Annotated[Path, typer.Option(help="Where to write it; nothing is overwritten.", show_default=False)]
Request = Annotated[Path, typer.Argument(help="A request written by `reperform keys enrol`.", show_default=False)]
DRAFT: Final = Path("roster.draft")


def enrol(
    requests: Annotated[list[Path], typer.Argument(help="Requests written by `reperform keys enrol`.")],
    roster: RosterFiles,
    roots: RootsFile,
    draft: DraftFile = DRAFT,
    as_json: AsJson = False,
) -> None:
    """Draft the next epoch with new nodes, each of which proves that it holds its keys.

    Example: reperform roster enrol audit.enrolment --roster roster.dsse --roots roots.json
    """

    def add(drafted: Draft) -> Draft:
        for path in requests:
            drafted = drafted.enrol(read_document(path, Envelope))
        return drafted

    _change(add, draft, roster, roots, as_json)


def rotate(
    request: Request,
    roster: RosterFiles,
    roots: RootsFile,
    lost: Annotated[bool, typer.Option("--lost", help="The old keys are gone: root keys alone answer for it.")] = False,
    draft: DraftFile = DRAFT,
    as_json: AsJson = False,
) -> None:
    """Draft the next epoch with other keys for a node, which goes on with the old ones in cases of this epoch.

    Example: reperform roster rotate audit-new.enrolment --roster roster.dsse --roots roots.json
    """
    asked = read_document(request, Envelope)
    _change(lambda drafted: drafted.rotate(asked, lost=lost), draft, roster, roots, as_json)


def revoke(
    node: Annotated[str, typer.Argument(help="The node's name in the current epoch, or the id of a key.")],
    roster: RosterFiles,
    roots: RootsFile,
    effective: Annotated[
        int | None,
        typer.Option(
            min=0, help="Its key has no say on receipts from this log entry on (0: on none).", show_default=False
        ),
    ] = None,
    draft: DraftFile = DRAFT,
    as_json: AsJson = False,
) -> None:
    """Draft the next epoch without a node. Without --effective it leaves in good standing, and finishes its cases.

    Example: reperform roster revoke "Audit House" --effective 0 --roster roster.dsse --roots roots.json
    """
    key = _key(node, read_rosters(roster, roots)[-1].document)
    _change(lambda drafted: drafted.revoke(key, effective), draft, roster, roots, as_json)


def renew(
    roster: RosterFiles,
    roots: RootsFile,
    days: Annotated[
        int | None, typer.Option(min=1, help="How long it is in force; default: as long as before.")
    ] = None,
    quorum: Annotated[int | None, typer.Option(min=1, help="Replaying organisations that must agree.")] = None,
    root: Annotated[list[Path] | None, typer.Option(help="All root keys from then on (.pub); repeat.")] = None,
    root_threshold: Annotated[
        int | None, typer.Option(min=1, help="How many root keys must sign from then on.")
    ] = None,
    log_key: Annotated[Path | None, typer.Option(help="The log's keys from then on (.pub).")] = None,
    log_origin: Annotated[str | None, typer.Option(help="The log's name, where the roster has none yet.")] = None,
    witnesses: Annotated[
        int | None, typer.Option(min=0, help="Organisations that cosign the log's checkpoints.")
    ] = None,
    draft: DraftFile = DRAFT,
    as_json: AsJson = False,
) -> None:
    """Draft the next epoch with a later end, another quorum, other root keys, or another rule for the log.

    Example: reperform roster renew --days 365 --roster roster.dsse --roots roots.json
    """

    def change(drafted: Draft) -> Draft:
        epoch = drafted.roster
        threshold = epoch.roots.threshold if root_threshold is None else root_threshold
        holders = replace(epoch.roots, threshold=threshold) if not root else read_holders(root, threshold, epoch.suite)
        until = epoch.valid_until if days is None else epoch.valid_from + days * DAY
        rules = {
            "valid_until": until,
            "quorum": quorum or epoch.quorum,
            "roots": holders,
            "log": epoch.log if log_key is None else _log(epoch, log_origin, log_key),
            "witnesses": epoch.witnesses if witnesses is None else witnesses,
        }
        return replace(drafted, roster=replace(epoch, **rules))  # type: ignore[arg-type]  # each has its own type

    _change(change, draft, roster, roots, as_json)


def _log(epoch: Roster, origin: str | None, key: Path) -> Log:
    name = origin if epoch.log is None else epoch.log.origin
    if name is None:
        raise RosterRefusedError(f"epoch {epoch.epoch} names no log", advice="name it with --log-origin")
    return read_log(name, key, epoch.suite)


def sign(
    draft: Annotated[Path, typer.Argument(help="The draft, as the roster's keeper sent it.")],
    key: KeyFile,
    roster: RosterFiles,
    roots: RootsFile,
    out: Out,
    as_json: AsJson = False,
) -> None:
    """Sign a draft with a root key, on its holder's own machine. Read what it says will change.

    Example: reperform roster sign roster.draft --key root-a.key --roster roster.dsse --roots roots.json --out a.signed
    """
    _check_new(out)
    before, drafted = read_rosters(roster, roots)[-1].document, read_document(draft, Draft)
    said, told = _account(drafted, before)
    signed = Envelope.sign(drafted.roster, before.roots.signers(read_keys(key)))
    write_file(out, to_bytes(signed))
    tell(as_json, {**said, "signed": str(out)}, *told, f"signed: {out}; send it to the roster's keeper")


def publish(
    signed: Annotated[list[Path], typer.Argument(help="The draft as each holder signed it.")],
    roster: RosterFiles,
    roots: RootsFile,
    out: Out,
    as_json: AsJson = False,
) -> None:
    """Join the root holders' signatures, if they are enough, to the next epoch of the roster.

    Example: reperform roster publish a.signed b.signed --roster roster.dsse --roots roots.json --out roster-2.dsse
    """
    _check_new(out)
    chain = [before.envelope for before in read_rosters(roster, roots)]
    epoch = join([read_document(path, Envelope) for path in signed])
    new: Signed[Roster] = open_rosters([*chain, epoch], read_roots(roots))[-1]
    write_file(out, to_bytes(epoch))
    files = " ".join(f"--roster {path}" for path in (*roster, out))
    told = f"written: {out}; from now on everybody is given {files}"
    tell(as_json, {**body(new.document), "written": str(out)}, *lines(new.document), told)


def _change(change: Callable[[Draft], Draft], path: Path, roster: Sequence[Path], roots: Path, as_json: bool) -> None:
    """Apply a change to a draft, tell what it changes now, and write it."""
    before = read_rosters(roster, roots)[-1].document
    drafted = change(read_document(path, Draft) if path.exists() else Draft.after(before, now()))
    said, told = _account(drafted, before)
    write_file(path, to_bytes(drafted))
    needed = f"{before.roots.threshold} of {len(before.roots.keys)} root holders sign it with `reperform roster sign`"
    tell(as_json, {**said, "draft": str(path)}, *told, f"draft: {path}; {needed}")


def _account(drafted: Draft, before: Roster) -> tuple[dict[str, Any], list[str]]:
    found, epoch = changes(drafted, before), drafted.roster
    said = {
        "epoch": epoch.epoch,
        "valid_from": epoch.valid_from,
        "valid_until": epoch.valid_until,
        "changes": [{"kind": str(change.kind), "what": change.what} for change in found],
    }
    term = f"in force {moment(epoch.valid_from)} to {moment(epoch.valid_until)}"
    told = [f"  {change.kind:9} {change.what}" for change in found]
    return said, [f"epoch {epoch.epoch} of roster {epoch.name!r}, {term}", *told]


def _key(name: str, roster: Roster) -> Digest:
    for _, node in roster.members():
        if node.name == name:
            return node.node_id
    try:
        return Digest.from_hex(name)
    except MalformedError as error:
        raise RosterRefusedError(
            f"epoch {roster.epoch} has no node {name!r}", advice="see `reperform roster show`, or give a key's id"
        ) from error


def _check_new(path: Path) -> None:
    if path.exists():
        raise FileError(f"{path} exists", advice="name a new file; what was signed is not overwritten")
