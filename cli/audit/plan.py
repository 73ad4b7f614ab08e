"""`reperform audit plan`, `commit` and `announce`: what is said before anything is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from secrets import token_bytes
from typing import Annotated, Final

import typer

from ...consensus.audit.folder import AuditFolder
from ...consensus.audit.lead import Lead
from ...consensus.audit.lead import commit as commit_to
from ...consensus.audit.population import size_of
from ...evidence.audit.plan import NONCE_BYTES, Examination, Plan, open_plan, plan_id
from ...evidence.audit.strata import Strata
from ...evidence.digest import Digest
from ...evidence.documents import to_bytes
from ...evidence.dsse import Envelope
from ...evidence.files import read_document, write_file
from ...evidence.keyfile import write_private
from ...evidence.roster import Roster, RosterRefusedError, named_roster
from ..log_place import named_log, read_epochs
from ..output import AsJson, moment, tell
from ..trust import KeyFile, RootsFile, RosterFiles, now, read_keys
from .options import Confidence, Expected, FirstEntry, Folder, Rate, StrataText, named_node, parse_strata

MINUTE: Final = 60_000  # milliseconds


@dataclass(frozen=True, slots=True)
class Aim:
    """What an audit shall show, and of which entries."""

    rate: str
    confidence: str
    expected: int
    strata: Strata | None
    first: int
    end: int | None


@dataclass(frozen=True, slots=True)
class Terms:
    """What it is called, who examines, what goes into the seed, and the time for it, in minutes."""

    name: str
    examination: Examination
    beacon: str | None
    reveal_within: int
    answer_within: int


def make_plan(roster: Roster, lead: Digest, others: Sequence[Digest], aim: Aim, terms: Terms, created: int) -> Plan:
    """A plan that begins now. Raises MalformedError."""
    reveal_by = created + terms.reveal_within * MINUTE
    return Plan(
        name=terms.name,
        roster=roster.roster_id,
        lead=lead,
        auditors=tuple(sorted({lead, *others})),
        origin=named_log(roster).origin,
        first=aim.first,
        end=aim.end,
        rate=aim.rate,
        confidence=aim.confidence,
        expected=aim.expected,
        strata=aim.strata,
        examination=terms.examination,
        beacon=terms.beacon,
        created=created,
        reveal_by=reveal_by,
        answer_by=reveal_by + terms.answer_within * MINUTE,
    )


def plan(
    folder: Annotated[Path, typer.Argument(help="A new folder for this audit.", show_default=False)],
    key: KeyFile,
    roster: RosterFiles,
    roots: RootsFile,
    rate: Rate,
    confidence: Confidence = "0.95",
    expected: Expected = 0,
    strata: StrataText = None,
    first: FirstEntry = 0,
    end: Annotated[
        int | None, typer.Option("--to", help="The entry behind the last; all that is frozen unless told otherwise.")
    ] = None,
    name: Annotated[str, typer.Option(help="What the audit is called.")] = "audit",
    auditor: Annotated[
        list[str] | None, typer.Option(help="Another node that gives a nonce, by its name; repeat it.")
    ] = None,
    examination: Annotated[Examination, typer.Option(help="Who runs again what is drawn.")] = Examination.POOL,
    beacon: Annotated[
        str | None, typer.Option(help="A public value that goes into the seed, by name: one that nobody knows yet.")
    ] = None,
    reveal_within: Annotated[int, typer.Option(min=1, help="Minutes for the nonces.")] = 60,
    answer_within: Annotated[int, typer.Option(min=1, help="Minutes for the operator's answers, after that.")] = 20_160,
    as_json: AsJson = False,
) -> None:
    """Plan an audit: what it is about, and what it shall show. `reperform audit size` says how many that needs.

    Example: reperform audit plan november/ --rate 0.01 --confidence 0.95 --key auditor.key --roster roster.dsse
    --roots roots.json
    """
    rosters, keys = read_epochs(roster, roots), read_keys(key)
    newest = rosters[-1]
    others = [named_node(newest, each).node_id for each in auditor or []]
    made = make_plan(
        newest,
        keys.signing.public.key_id,
        others,
        Aim(rate, confidence, expected, parse_strata(strata), first, end),
        Terms(name, examination, beacon, reveal_within, answer_within),
        now(),
    )
    Lead(AuditFolder(folder), keys, rosters, now).plan(made)
    tell(
        as_json,
        {
            "folder": str(folder),
            "plan": str(plan_id(AuditFolder(folder).plan())),
            "auditors": len(made.auditors),
            "sample_at_most": size_of(made, None),
            "reveal_by": made.reveal_by,
            "answer_by": made.answer_by,
        },
        f"{folder / 'plan.dsse'}: fewer than {rate} deviate, with confidence {confidence}",
        f"  {size_of(made, None):,} decisions are drawn at most" + ("" if made.strata is None else " of each stratum"),
        f"  nonces until {moment(made.reveal_by)}, the operator's answers until {moment(made.answer_by)}",
        *([] if len(made.auditors) == 1 else ["  give it to the other auditors, who run `reperform audit commit`"]),
    )


def commit(
    file: Annotated[Path, typer.Argument(help="The lead's plan.dsse.", show_default=False)],
    nonce: Annotated[Path, typer.Option(help="Where your nonce is kept, for you alone.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Your commitment, for the lead.", show_default=False)],
    key: KeyFile,
    roster: RosterFiles,
    roots: RootsFile,
    as_json: AsJson = False,
) -> None:
    """Commit to a nonce under somebody else's plan. Read the plan first: it is printed.

    Example: reperform audit commit plan.dsse --nonce november.nonce --out mine.dsse --key auditor.key
    --roster roster.dsse --roots roots.json
    """
    envelope, rosters = read_document(file, Envelope), read_epochs(roster, roots)
    judging = named_roster(rosters, envelope.parse(Plan).roster)
    made, keys, secret = open_plan(envelope, judging).document, read_keys(key), token_bytes(NONCE_BYTES)
    if keys.signing.public.key_id not in made.auditors:
        raise RosterRefusedError("this key is not of an auditor of the plan", advice="ask the lead for another plan")
    write_private(nonce, secret)
    write_file(out, to_bytes(commit_to(envelope, secret, keys, judging)))
    tell(
        as_json,
        {"plan": str(plan_id(envelope)), "commitment": str(out)},
        f"{made.name}: entries from {made.first}, fewer than {made.rate} deviate, with confidence {made.confidence}",
        f"  {out} is for the lead; keep {nonce} for yourself until the population is frozen",
    )


def announce(
    folder: Folder,
    key: KeyFile,
    roster: RosterFiles,
    roots: RootsFile,
    commitments: Annotated[
        list[Path] | None, typer.Argument(help="The other auditors' commitments.", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Join plan and commitments to one document, which the operator enters in its log.

    Example: reperform audit announce november/ theirs.dsse --key auditor.key --roster roster.dsse --roots roots.json

    Give announcement.dsse to the operator, who runs `reperform log append`.
    """
    here = AuditFolder(folder)
    lead = Lead(here, read_keys(key), read_epochs(roster, roots), now)
    with here.alone():
        for path in commitments or []:
            lead.join(read_document(path, Envelope))
        lead.announce()
    path = folder / "announcement.dsse"
    tell(as_json, {"announcement": str(path)}, f"{path}: the operator enters it in its log")
