"""`reperform dispute`: put a decision before the panel, and stay until there is a verdict."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from ..consensus.conclusion import Conclusion, NoQuorumError, conclude, pack
from ..consensus.docket import Docket
from ..consensus.filer import FiledDecision, Filer
from ..consensus.proceeding import Phase, Proceeding, collect, phase
from ..evidence.digest import Digest
from ..evidence.documents import to_bytes
from ..evidence.encoding import MalformedError
from ..evidence.errors import ReperformError
from ..evidence.files import FileError, make_folder, read_document, write_file
from ..evidence.keyfile import KeyRing
from ..evidence.manifest import Manifest
from ..evidence.pack import Disclosure, Revealed
from ..evidence.receipt import DecisionFile, Receipt, open_receipt
from ..evidence.roster import Roster, named_roster
from ..evidence.tally import Verdict
from ..evidence.verify import verify
from .output import AsJson, progress, tell
from .place import DocketAuthority, DocketPlace, open_docket
from .trust import RootsFile, RosterFiles, now, read_keys, read_roots, read_rosters
from .verify import account, exit_status, report

# How long to wait for the rest of the panel once a quorum has signed.
GRACE_SECONDS = 3.0
POLL_SECONDS = 0.1


class StillOpenError(ReperformError):
    """The case goes on."""


def dispute(
    decision: Annotated[Path, typer.Argument(help="The decision file that the operator gave you.")],
    docket: DocketPlace,
    roster: RosterFiles,
    roots: RootsFile,
    manifest: Annotated[Path, typer.Option(help="The pinned model's manifest.msgpack.", show_default=False)],
    state: Annotated[Path, typer.Option(help="A private folder for this dispute.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Where to write the evidence pack.", show_default=False)],
    filed_with: Annotated[str | None, typer.Option(help="The docket's node on the roster, if it has several.")] = None,
    docket_ca: DocketAuthority = None,
    disclose: Annotated[bool, typer.Option(help="Show the input and the answers in the pack.")] = True,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds to stay; run again to go on.")] = 3600,
    as_json: AsJson = False,
) -> None:
    """Dispute a decision. The panel gets the input sealed, never the output, until it has committed.

    Example: reperform dispute my.decision --docket https://docket.example --roster roster.dsse --roots roots.json
    --manifest models/mortgage/manifest.msgpack --state my-dispute/ --out my.pack

    Stay until it ends: your side must release the output's key once all ballots are in. Exit status 3 says
    that the case is still open when the timeout is over; the same command goes on.
    """
    if out.exists():
        raise FileError(f"{out} exists", advice="name a new file; evidence is not overwritten")
    chain = read_rosters(roster, roots)
    rosters = [signed.document for signed in chain]
    rosters[-1].check_time(now())
    model = read_document(manifest, Manifest)
    mine = read_document(decision, DecisionFile)
    judging = named_roster(rosters, mine.receipt.parse(Receipt).roster)
    receipt = open_receipt(mine.receipt, judging).document
    mine.opening.check(receipt)
    if model.model_id != receipt.model:
        raise MalformedError(f"{manifest} is not of the model that the receipt names ({receipt.model.short()})")
    filed, keys = _filed(mine, state, _docket(judging, filed_with))
    place = open_docket(docket, docket_ca).docket
    filer = Filer(place, keys, filed)
    filer.file()
    proceeding, conclusion = _wait(place, filer, filed, rosters, timeout)
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


def _filed(decision: DecisionFile, state: Path, docket: Digest) -> tuple[FiledDecision, KeyRing]:
    """The dispute as it was begun in this folder, or a new one."""
    key, record = state / "filer.key", state / "filed-decision.msgpack"
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
    filed = FiledDecision.of(decision, keys, docket)
    write_file(record, to_bytes(filed), mode=0o600)
    return filed, keys


def _wait(
    docket: Docket, filer: Filer, filed: FiledDecision, rosters: list[Roster], timeout: float
) -> tuple[Proceeding, Conclusion]:
    """Do the filer's part until a quorum has signed. Raises StillOpenError, NoQuorumError."""
    deadline = time.monotonic() + timeout
    settled: float | None = None
    with progress.status("filed; waiting for the docket to open the case") as status:
        while time.monotonic() < deadline:
            proceeding = collect(docket, filed.filing_id, rosters)
            filer.step(proceeding)
            stage = phase(proceeding, now())
            status.update(_news(proceeding, stage))
            conclusion = _concluded(proceeding) if stage in (Phase.ATTESTING, Phase.CLOSED) else None
            if conclusion is not None:
                settled = settled or time.monotonic()
                everybody = len(conclusion.attestation.signatures) >= _expected(proceeding)
                if everybody or time.monotonic() > settled + GRACE_SECONDS:
                    return proceeding, conclusion
            elif stage is Phase.CLOSED:
                raise NoQuorumError("the case is closed and no quorum signed", advice="file the dispute again")
            time.sleep(POLL_SECONDS)
    raise StillOpenError("the case is still open", advice="run the same command again to go on")


def _concluded(proceeding: Proceeding) -> Conclusion | None:
    try:
        return conclude(proceeding)
    except NoQuorumError:
        return None


def _expected(proceeding: Proceeding) -> int:
    """How many keys sign if every node whose vote is listed signs."""
    voted = {signed.document.node for signed in proceeding.listed_votes()}
    roster = proceeding.roster
    return sum(len(roster.keys_of(node)) for node in proceeding.panel if node.node_id in voted)


def _news(proceeding: Proceeding, stage: Phase) -> str:
    panel = len(proceeding.panel)
    match stage:
        case Phase.FILED:
            return "filed; waiting for the docket to open the case"
        case Phase.OPENED | Phase.COMMITTING:
            return f"the panel re-runs the decision: {len(proceeding.ballots)} of {panel} ballots are in"
        case Phase.REVEALING:
            return f"the output's key is released: {len(proceeding.votes)} of {panel} votes are in"
        case _:
            return "the panel signs its verdict"


def _disclosure(filer: Filer, filed: FiledDecision, proceeding: Proceeding, conclusion: Conclusion) -> Disclosure:
    """Input, claimed output, and the answer that the quorum agreed on, each with its key."""
    opening = filed.decision.opening
    answer = opening.output if conclusion.tally.verdict is Verdict.UPHELD else filer.answer(proceeding)
    return Disclosure(
        Revealed(opening.input, opening.input_key),
        Revealed(opening.output, opening.output_key),
        None if answer is None else Revealed(answer, filed.panel_key),
    )
