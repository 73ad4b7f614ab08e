"""`reperform audit answer` and `answered`: the operator's part in an audit, and what it has released."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ...consensus.audit.answers import Find, Holdings
from ...consensus.audit.desk import Desk, Enter
from ...consensus.audit.filings import Filings, Venue
from ...consensus.audit.record import FILE, Record
from ...evidence.audit.answers import NotHeld
from ...evidence.audit.draw import AuditFile, Drawn
from ...evidence.documents import to_bytes
from ...evidence.dsse import Envelope
from ...evidence.files import FileError, read_document, write_file
from ...evidence.receipt import DecisionFile
from ...evidence.roster import Roster
from ..listening import Proxy, RequestsPerMinute, TlsCertificate, TlsKey, listening
from ..log_place import LogPlace, open_reader, read_epochs, told
from ..log_writer import writing
from ..output import AsJson, moment, tell
from ..place import DocketAuthority, open_docket
from ..rounds import alone, start_log
from ..trust import RootsFile, RosterFiles, now, read_keys
from ..vault_key import VaultKeyCommand, VaultKeyFile, read_vault_key
from ..watch import StillOpenError

if TYPE_CHECKING:
    from ...consensus.service.listen import Listening
    from ...executor.vault.store import OpenVault

ROUND: Final = 0.2  # seconds between two looks at a docket

DeskFolder = Annotated[Path, typer.Option("--desk", help="A private folder for what was released.", show_default=False)]


def answer(
    key: Annotated[
        list[Path], typer.Option("--key", help="The executor's key file; repeat for those of earlier epochs.")
    ],
    vault: Annotated[Path, typer.Option(help="The vault with the openings.", show_default=False)],
    log: LogPlace,
    desk: DeskFolder,
    roster: RosterFiles,
    roots: RootsFile,
    file: Annotated[Path | None, typer.Argument(metavar="[AUDIT_FILE]", help="The lead's draw.audit.")] = None,
    vault_key: VaultKeyFile = None,
    vault_key_command: VaultKeyCommand = None,
    listen: Annotated[str | None, typer.Option(help="Answer over HTTP at HOST:PORT, until stopped.")] = None,
    out: Annotated[Path | None, typer.Option(help="Answer into this folder, for the lead.")] = None,
    docket: Annotated[str | None, typer.Option(help="File a case for each item with this docket.")] = None,
    docket_ca: DocketAuthority = None,
    filed_with: Annotated[str | None, typer.Option(help="The docket's node on the roster, if it has several.")] = None,
    labels: Annotated[list[Path] | None, typer.Option(help="Labels that you disclosed; repeat it.")] = None,
    at_most: Annotated[
        int | None, typer.Option(min=0, help="How many decisions all audits of 30 days may draw.")
    ] = None,
    log_key: Annotated[
        Path | None, typer.Option(help="The log's key file: with --listen, enter what auditors announce.")
    ] = None,
    tls_cert: TlsCertificate = None,
    tls_key: TlsKey = None,
    proxy: Proxy = None,
    requests_per_minute: RequestsPerMinute = 1200,
    timeout: Annotated[float, typer.Option(min=1, help="With --docket: seconds to stay; run again to go on.")] = 3600,
    as_json: AsJson = False,
) -> None:
    """Answer audits: openings leave, sealed to the lead, for what a proper draw names, and for nothing else.

    Example: reperform audit answer --listen 0.0.0.0:8446 --key bank.key --vault bank.vault --vault-key vault.key
    --log log/ --desk desk/ --roster roster.dsse --roots roots.json
    or: reperform audit answer draw.audit --out answers/ ...
    or: reperform audit answer draw.audit --docket https://docket.example ...

    The draw is verified, and the sample drawn again from your own log. With --docket (where the plan has the panel
    examine) you are the filer of all the cases; exit status 3: some are still open, the same command goes on.
    """
    if [listen, out, docket].count(None) != 2 or (file is None) != (listen is not None):
        raise FileError(
            "an audit is answered in one of three ways",
            advice="give --listen, or an audit file with --out FOLDER or --docket PLACE",
        )
    rosters, rings = read_epochs(roster, roots), [read_keys(path) for path in key]
    disclosed = [read_document(path, Envelope) for path in labels or []]

    def holdings() -> Holdings:
        opened = open_vault(vault, vault_key, vault_key_command)
        return Holdings(rings, open_reader(log, None), finder(opened), disclosed)

    def at_the_desk(held: Holdings) -> Desk:
        return Desk(Record(desk), rosters, held, at_most=at_most, clock=now)

    if listen is not None:
        start_log(as_json)
        where = listening(listen, tls_cert, tls_key, proxy, requests_per_minute)
        at_the_desk(holdings())  # what is wrong with it is told now, and not in a thread
        enter = None if log_key is None else entering(log, log_key, rosters)
        _serve(lambda: at_the_desk(holdings()), enter, where)
    elif file is not None:
        held = holdings()
        here = at_the_desk(held)
        drawn = here.take(read_document(file, AuditFile), told)
        if out is not None:
            _into(out, here, drawn, as_json)
        elif docket is not None:
            venue = Venue(open_docket(docket, docket_ca).docket, filed_with)
            with alone(desk / ".filings"):
                filings = Filings(desk / "cases", here.record, drawn, held, venue, rosters=rosters, clock=now)
                _before_the_panel(filings, timeout, as_json)


def answered(desk: DeskFolder, as_json: AsJson = False) -> None:
    """Show what was released in audits: which entry of the log, what, to whom, when.

    Example: reperform audit answered --desk desk/
    """
    if not (desk / FILE).exists():
        raise FileError(f"{desk} is no folder of a desk", advice="name the one given to `reperform audit answer`")
    released = Record(desk).everything()
    tell(
        as_json,
        {
            "released": [
                {"draw": str(r.draw), "lead": str(r.lead), "entry": r.entry, "what": r.what, "time": r.time}
                for r in released
            ]
        },
        *(
            f"{moment(r.time)}  entry {r.entry}: {r.what}, to lead {r.lead.short()}, in draw {r.draw.short()}"
            for r in released
        ),
        f"{len(released)} in all",
    )


def open_vault(path: Path, key: Path | None, command: str | None) -> OpenVault:
    """The operator's vault. Raises VaultError."""
    from ...executor.vault.store import OpenVault

    return OpenVault(path, read_vault_key(key, command))


def finder(vault: OpenVault) -> Find:
    """What a vault has of a decision."""

    def find(decision: bytes) -> DecisionFile | NotHeld:
        found = vault.find(decision)
        if found is not None:
            return found
        return NotHeld.NOT_KEPT if vault.kept(decision) is None else NotHeld.ERASED

    return find


def entering(log: str, key: Path, rosters: Sequence[Roster]) -> Enter:
    """Enters announcements into the log; for as long as that takes, nobody else writes to it."""

    def enter(envelope: Envelope) -> int:
        with writing(log, key, rosters) as writer:
            if writer is None:
                raise AssertionError("a place was given")
            (place,) = writer.find([envelope])
            return writer.append([envelope]).start if place is None else place

    return enter


def _serve(make: Callable[[], Desk], enter: Enter | None, where: Listening) -> None:
    from ...consensus.audit.service import Service, create_app
    from ...consensus.service.listen import listen
    from ...consensus.service.quota import Buckets

    listen(create_app(Service(make, enter, Buckets(where.requests_per_minute))), where)


def _into(folder: Path, desk: Desk, drawn: Drawn, as_json: bool) -> None:
    files = answers = 0
    for said, envelope in desk.everything(drawn):
        name = f"{said.answers[0].entry:012d}-{said.answers[-1].entry:012d}.dsse"
        write_file(folder / name, to_bytes(envelope), mode=0o600)
        files, answers = files + 1, answers + len(said.answers)
    tell(
        as_json,
        {"draw": str(drawn.draw_id), "answers": answers, "files": files, "directory": str(folder)},
        f"{answers} answers in {files} files in {folder}, for {drawn.lead.name!r} alone",
    )


def _before_the_panel(filings: Filings, timeout: float, as_json: bool) -> None:
    until = time.monotonic() + timeout
    while still_open := filings.step():
        if time.monotonic() > until:
            raise StillOpenError(f"{still_open} cases are still open", advice="run the same command again to go on")
        time.sleep(ROUND)
    results = Counter(filings.results.values())
    tell(
        as_json,
        {"cases": sum(results.values()), "results": dict(sorted(results.items()))},
        f"{sum(results.values())} cases: " + ", ".join(f"{count} {how}" for how, count in sorted(results.items())),
    )
