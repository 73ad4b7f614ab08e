"""`reperform dispute`: put a decision before the panel, and see what becomes of it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from ..consensus.conclusion import Conclusion, pack
from ..consensus.docket import Docket, DocketUnreachableError
from ..consensus.filer import FiledDecision, Filer
from ..consensus.proceeding import Proceeding
from ..evidence.case import MAX_INCLUSION
from ..evidence.digest import Digest
from ..evidence.documents import to_bytes
from ..evidence.dsse import Signed
from ..evidence.encoding import MalformedError
from ..evidence.errors import ReperformError
from ..evidence.files import FileError, make_folder, read_document, read_file, write_file
from ..evidence.inclusion import open_inclusion
from ..evidence.keyfile import KeyRing
from ..evidence.manifest import Manifest
from ..evidence.pack import Disclosure, Revealed
from ..evidence.receipt import DecisionFile, Receipt, open_receipt
from ..evidence.roster import Roster, named_roster
from ..evidence.tally import Verdict
from ..evidence.verify import verify
from .case import RECORD, View, filing_of
from .output import AsJson, tell
from .place import DocketAuthority, DocketPlace, open_docket
from .rounds import JsonLines
from .trust import RootsFile, RosterFiles, now, read_keys, read_roots, read_rosters
from .verify import account, exit_status, report
from .watch import follow

log = logging.getLogger(__name__)

app = typer.Typer(help="Dispute a decision, and see what becomes of it.", no_args_is_help=True)

Case = Annotated[str, typer.Argument(help="The folder of a dispute (--state), or the id of a filing.")]
Timeout = Annotated[float, typer.Option(min=1, help="Seconds to stay; run again to go on.")]


@app.command("file")
def file(
    decision: Annotated[Path, typer.Argument(help="The decision file that the operator gave you.")],
    docket: DocketPlace,
    roster: RosterFiles,
    roots: RootsFile,
    manifest: Annotated[Path, typer.Option(help="The pinned model's manifest.msgpack.", show_default=False)],
    state: Annotated[Path, typer.Option(help="A private folder for this dispute.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Where to write the evidence pack.", show_default=False)],
    inclusion: Annotated[
        Path | None, typer.Option(help="The proof that the receipt stands in the log (`reperform log prove`).")
    ] = None,
    filed_with: Annotated[str | None, typer.Option(help="The docket's node on the roster, if it has several.")] = None,
    docket_ca: DocketAuthority = None,
    disclose: Annotated[bool, typer.Option(help="Show the input and the answers in the pack.")] = True,
    timeout: Timeout = 3600,
    as_json: AsJson = False,
) -> None:
    """Dispute a decision. The panel gets the input sealed, never the output, until it has committed.

    Example: reperform dispute file my.decision --docket https://docket.example --roster roster.dsse --roots roots.json
    --manifest models/mortgage/manifest.msgpack --state my-dispute/ --out my.pack

    Stay until it ends: your side must release the output's key once all ballots are in. Exit status 3 says
    that the case is still open when the timeout is over; the same command goes on.
    """
    if out.exists():
        raise FileError(f"{out} exists", advice="name a new file; evidence is not overwritten")
    chain = read_rosters(roster, roots)
    rosters = [signed.document for signed in chain]
    model = read_document(manifest, Manifest)
    mine = read_document(decision, DecisionFile)
    judging = named_roster(rosters, mine.receipt.parse(Receipt).roster)
    opened = open_receipt(mine.receipt, judging)
    receipt = opened.document
    mine.opening.check(receipt)
    if model.model_id != receipt.model:
        raise MalformedError(f"{manifest} is not of the model that the receipt names ({receipt.model.short()})")
    proof = None if inclusion is None else _inclusion(inclusion, opened, rosters)
    if proof is None and judging.log is not None:
        log.warning("without --inclusion the panel can refute the decision, and not uphold it (`reperform log prove`)")
    filed, keys = _filed(mine, state, _docket(judging, filed_with), proof)
    place = open_docket(docket, docket_ca).docket
    filer = Filer(place, keys, filed)
    filer.file()
    view, conclusion = follow(place, filed.filing_id, rosters, timeout, as_json=False, act=filer.step)
    proceeding = view.proceeding
    evidence = to_bytes(
        pack(
            proceeding,
            conclusion,
            rosters=[signed.envelope for signed in chain],
            manifest=model,
            disclosure=_disclosure(filer, filed, proceeding, conclusion) if disclose else None,
        )
    )
    verified = verify(evidence, read_roots(roots))
    write_file(out, evidence, mode=0o600)
    whom = "it shows the input: give it to nobody who may not see that" if disclose else "it shows no input"
    tell(as_json, {**report(verified), "pack": str(out)}, *account(verified), f"  pack       {out}; {whom}")
    raise typer.Exit(exit_status(verified.verdict))


def _docket(roster: Roster, name: str | None) -> Digest:
    """The docket with which to file, by its node's name; it need not be named if the roster has only one."""
    found = [node for node in roster.dockets() if name in (None, node.name)]
    if len(found) != 1:
        names = ", ".join(repr(node.name) for node in roster.dockets())
        raise MalformedError(
            f"epoch {roster.epoch} of roster {roster.name!r} has the dockets {names}",
            advice="name the one that keeps this docket with --filed-with",
        )
    return found[0].node_id


def _inclusion(path: Path, receipt: Signed[Receipt], rosters: Sequence[Roster]) -> str:
    """A proof that the docket and the panel will take. Raises ReperformError naming the file."""
    try:
        text = read_file(path, limit=MAX_INCLUSION).decode()
        open_inclusion(text, receipt, rosters)
    except UnicodeDecodeError as error:
        raise MalformedError(
            f"{path} is no proof of inclusion", advice="make one with `reperform log prove`"
        ) from error
    except MalformedError as error:
        raise MalformedError(f"{path}: {error.cause}", advice=error.advice) from error
    return text


def _filed(decision: DecisionFile, state: Path, docket: Digest, inclusion: str | None) -> tuple[FiledDecision, KeyRing]:
    """The dispute as it was begun in this folder, or a new one."""
    key, record = state / "filer.key", state / RECORD
    if record.exists():
        filed = read_document(record, FiledDecision)
        if filed.decision != decision:
            raise FileError(f"{state} belongs to another dispute", advice="name a new folder")
        return filed, read_keys(key)
    make_folder(state, mode=0o700)
    # A key without a record was never used: its filing did not leave this machine.
    key.unlink(missing_ok=True)
    keys = KeyRing.generate()
    keys.write(key)
    filed = FiledDecision.of(decision, keys, docket, inclusion=inclusion)
    write_file(record, to_bytes(filed), mode=0o600)
    return filed, keys


def _disclosure(filer: Filer, filed: FiledDecision, proceeding: Proceeding, conclusion: Conclusion) -> Disclosure:
    """Input, claimed output, and the answer that the quorum agreed on, each with its key."""
    opening = filed.decision.opening
    answer = opening.output if conclusion.tally.verdict is Verdict.UPHELD else filer.answer(proceeding)
    return Disclosure(
        Revealed(opening.input, opening.input_key),
        Revealed(opening.output, opening.output_key),
        None if answer is None else Revealed(answer, filed.panel_key),
    )


@app.command("watch")
def watch(
    case: Case,
    docket: DocketPlace,
    roster: RosterFiles,
    roots: RootsFile,
    docket_ca: DocketAuthority = None,
    timeout: Timeout = 3600,
    as_json: JsonLines = False,
) -> None:
    """Show a case live until a quorum has signed. Exit status 0: UPHELD; 1: another verdict; 3: still open.

    Example: reperform dispute watch my-dispute/ --docket https://docket.example --roster roster.dsse --roots roots.json

    Anybody can watch; who filed does their part with `dispute file`. With --json, one object a line for each change.
    """
    rosters = [signed.document for signed in read_rosters(roster, roots)]
    place = open_docket(docket, docket_ca).docket
    view, conclusion = follow(place, filing_of(case), rosters, timeout, as_json=as_json)
    if not as_json:
        tell(False, {}, *view.lines())
    raise typer.Exit(exit_status(conclusion.tally.verdict))


@app.command("show")
def show(
    case: Case,
    docket: DocketPlace,
    roster: RosterFiles,
    roots: RootsFile,
    docket_ca: DocketAuthority = None,
    export: Annotated[
        Path | None, typer.Option(help="A folder for evidence of misbehaviour, one file a fault.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show a case as its documents stand: findings, who is awaited, what was refused, and who is proved at fault.

    Example: reperform dispute show my-dispute/ --docket https://docket.example --roster roster.dsse --roots roots.json
    """
    chain = read_rosters(roster, roots)
    place = open_docket(docket, docket_ca).docket
    view = View.of(place, filing_of(case), [signed.document for signed in chain], now())
    files = [] if export is None else view.export(export, [signed.envelope for signed in chain])
    told = [f"  evidence   {path}; anybody checks it with `reperform verify`" for path in files]
    if view.proofs and export is None:
        told = ["  evidence   --export FOLDER writes what proves this, for `reperform verify`"]
    tell(as_json, {**view.body(), "evidence": [str(path) for path in files]}, *view.lines(), *told)


@app.command("list")
def list_(
    docket: DocketPlace,
    roster: RosterFiles,
    roots: RootsFile,
    folder: Annotated[Path, typer.Argument(help="Where the folders of your disputes are.")] = Path(),
    docket_ca: DocketAuthority = None,
    as_json: AsJson = False,
) -> None:
    """List your own filings, and where each stands.

    Example: reperform dispute list disputes/ --docket https://docket.example --roster roster.dsse --roots roots.json
    """
    rosters = [signed.document for signed in read_rosters(roster, roots)]
    place = open_docket(docket, docket_ca).docket
    found = [_standing(record.parent, place, rosters) for record in sorted(folder.glob(f"*/{RECORD}"))]
    told = [f"{item['state']}  {item['phase']:10} {item['verdict'] or item['cause'] or ''}" for item in found]
    tell(as_json, {"filings": found}, *(told or [f"no dispute was filed from {folder}"]))


def _standing(state: Path, docket: Docket, rosters: list[Roster]) -> dict[str, str | None]:
    filing = filing_of(str(state))
    said: dict[str, str | None] = {"state": str(state), "filing": str(filing)}
    try:
        body = View.of(docket, filing, rosters, now()).body()
    except DocketUnreachableError:
        raise
    except ReperformError as error:  # of another docket or epoch, perhaps; the others are listed all the same
        return {**said, "phase": "unknown", "verdict": None, "cause": str(error)}
    return {**said, "phase": body["phase"], "verdict": body["verdict"], "cause": None}
