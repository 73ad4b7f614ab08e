"""`reperform verify`: check an evidence pack offline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ..evidence.documents import from_bytes
from ..evidence.encoding import MalformedError, decode
from ..evidence.files import read_file, write_file
from ..evidence.inclusion import Place
from ..evidence.misbehaviour import Misbehaviour, prove
from ..evidence.pack import Pack
from ..evidence.tally import Verdict
from ..evidence.tlog.fork import Fork, prove_fork
from ..evidence.verify import Verified
from ..evidence.verify import verify as verify_pack
from .output import AsJson, describe_input, describe_output, moment, tell
from .trust import RootsFile, read_roots

VERDICTS = {
    Verdict.UPHELD: "the pinned model, run again, gives exactly the output that the operator committed to",
    Verdict.REFUTED: "the pinned model, run again, gives another output than the operator committed to",
    Verdict.CONTESTED: "replayers contradict each other; at least one of them is wrong",
    Verdict.INCONCLUSIVE: "no quorum of organisations reached a finding",
    Verdict.UNANSWERED: "the panel was never handed the opening",
}


def verify(
    pack: Annotated[
        Path, typer.Argument(help="The evidence pack, or a file of `dispute show --export` or `node fork`.")
    ],
    roots: RootsFile,
    export: Annotated[
        Path | None, typer.Option(help="A folder for the attestation and SLSA summary as DSSE JSON.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Verify an evidence pack, or evidence of misbehaviour: offline, trusting nobody but the root keys.

    Example: reperform verify demo/packs/upheld.pack --roots demo/roots.json

    Exit status 0: verified, and the decision is UPHELD, or the misbehaviour proved. 1: verified, with another verdict.
    2: not verified.
    """
    data = read_file(pack)
    match _kind(data):
        case Misbehaviour.KIND:
            return _prove(data, roots, as_json)
        case Fork.KIND:
            return _prove_fork(data, roots, as_json)
    verified = verify_pack(data, read_roots(roots))
    if export is not None:
        documents = from_bytes(Pack, data)
        write_file(export / "attestation.dsse.json", documents.attestation.to_json().encode())
        write_file(export / "summary.dsse.json", documents.summary.to_json().encode())
    tell(as_json, report(verified), *account(verified))
    raise typer.Exit(exit_status(verified.verdict))


def _kind(data: bytes) -> object:
    """What these bytes say that they are."""
    try:
        body = decode(data)
    except MalformedError:
        return None  # what it is instead is for the steps of verify to say
    return body.get("kind") if isinstance(body, dict) else None


def _prove(data: bytes, roots: Path, as_json: bool) -> None:
    proved = prove(data, read_roots(roots))
    names = [f"{organisation.name}: {node.name}" for organisation, node in proved.nodes]
    tell(
        as_json,
        {"verified": True, "fault": str(proved.fault), "nodes": names, "documents": len(proved.documents)},
        f"PROVED: {proved.fault}, by {' or '.join(names)}",
        f"  {len(proved.documents)} signed documents show it (docs/documents.md)",
    )


def _prove_fork(data: bytes, roots: Path, as_json: bool) -> None:
    forked = prove_fork(data, read_roots(roots))
    small, large = forked.small, forked.large
    tell(
        as_json,
        {"verified": True, "fault": "fork", "log": small.origin, "sizes": [small.size, large.size]},
        f"PROVED: fork, by log {small.origin}",
        f"  it signed trees of {small.size} and of {large.size} entries that are not one history",
    )


def exit_status(verdict: Verdict) -> int:
    """0 for UPHELD, 1 for any other verdict."""
    return 0 if verdict is Verdict.UPHELD else 1


def report(verified: Verified) -> dict[str, Any]:
    """What was proved, for machines."""
    disclosed = verified.disclosed
    return {
        "verified": True,
        "verdict": str(verified.verdict),
        "decision": verified.receipt.decision.hex(),
        "sequence": verified.receipt.sequence,
        "receipt": str(verified.receipt_id),
        "operator": verified.operator,
        "model": str(verified.receipt.model),
        "execution_class": str(verified.receipt.execution_class),
        "case": str(verified.case_id),
        "roster": {"id": str(verified.roster.roster_id), "epoch": verified.roster.epoch},
        "log": None if verified.place is None else _place(verified.place),
        "findings": [
            {
                "organisation": line.organisation,
                "node": line.node,
                "finding": str(line.vote.finding),
                "reason": None if line.vote.reason is None else str(line.vote.reason),
                "set_aside": None if line.set_aside is None else str(line.set_aside),
            }
            for line in verified.tally.lines
        ],
        "silent": list(verified.silent),
        "disproved": list(verified.disproved),
        "signed_by": list(verified.signed_by),
        "claimed": None if disclosed is None or disclosed.output is None else describe_output(disclosed.output),
        "answer": None if disclosed is None or disclosed.answer is None else describe_output(disclosed.answer),
    }


def _place(place: Place) -> dict[str, Any]:
    witnessed = place.witnessed
    return {
        "origin": witnessed.checkpoint.origin,
        "entry": place.index,
        "size": witnessed.checkpoint.size,
        "witnesses": list(witnessed.organisations),
        "witnessed": witnessed.time,
    }


def placed(place: Place) -> str:
    """Where a receipt stands, for people."""
    witnessed = place.witnessed
    by = ", ".join(witnessed.organisations) or "nobody"
    when = "" if witnessed.time is None else f" by {moment(witnessed.time)}"
    return f"entry {place.index} of {witnessed.checkpoint.origin}, witnessed{when} by {by}"


def account(verified: Verified) -> list[str]:
    """What was proved, for people."""
    receipt, case = verified.receipt, verified.case
    lines = [
        f"{verified.verdict}: {VERDICTS[verified.verdict]}",
        f"  decision   {receipt.decision.hex()} of {moment(receipt.time)}",
        f"  operator   {verified.operator}, number {receipt.sequence}",
        f"  model      {verified.manifest.name} ({receipt.model.short()}, {receipt.execution_class})",
        f"  case       {verified.case_id.short()}, a {case.filing.ground}, opened {moment(case.opened)}",
    ]
    if verified.place is not None:
        lines.append(f"  log        {placed(verified.place)}")
    elif verified.roster.log is not None:
        lines.append("  NOT LOGGED the filing does not prove that the receipt stands in the log; UPHELD needs it")
    for line in verified.tally.lines:
        reason = "" if line.vote.reason is None else f" ({line.vote.reason})"
        aside = "" if line.set_aside is None else f", set aside: {line.set_aside}"
        lines.append(f"  finding    {line.organisation}: {line.vote.finding}{reason}{aside}")
    for node in verified.silent:
        lines.append(f"  SILENT     {node}: committed to a result, and did not vote before the docket closed the votes")
    for node in verified.disproved:
        lines.append(f"  DISPROVED  {node}: what is disclosed shows that its finding is false")
    signed = ", ".join(verified.signed_by)
    lines.append(f"  signed by  {signed} (quorum {verified.roster.quorum}, roster epoch {verified.roster.epoch})")
    disclosed = verified.disclosed
    if disclosed is not None:
        if disclosed.input is not None:
            lines.append(f"  input      {describe_input(disclosed.input)}")
        if disclosed.output is not None:
            lines.append(f"  claimed    {describe_output(disclosed.output)}")
        if disclosed.answer is not None:
            lines.append(f"  the model  {describe_output(disclosed.answer)}")
    lines.append("  not shown  whether the model is fair, or the input true (docs/threat-model.md)")
    return lines
