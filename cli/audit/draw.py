"""`reperform audit freeze`, `reveal`, `draw`: a population that nobody changes, a sample that nobody chooses."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ...consensus.audit.folder import AuditFolder
from ...consensus.audit.lead import Lead
from ...consensus.audit.population import draw as draw_from
from ...evidence.audit.draw import AuditFile, Frozen, new_reveal, open_draw, open_freeze
from ...evidence.audit.labels import labels_of
from ...evidence.documents import to_bytes
from ...evidence.dsse import Envelope
from ...evidence.encoding import MalformedError
from ...evidence.files import read_document, write_file
from ...evidence.keyfile import read_private
from ..log_place import LogAuthority, LogPlace, open_reader, read_epochs, told
from ..output import AsJson, moment, tell
from ..trust import KeyFile, RootsFile, RosterFiles, now, read_keys
from .options import Folder, table


def freeze(
    folder: Folder,
    log: LogPlace,
    key: KeyFile,
    roster: RosterFiles,
    roots: RootsFile,
    labels: Annotated[
        Path | None, typer.Option(help="The operator's labels, if the plan's strata need them.", show_default=False)
    ] = None,
    log_ca: LogAuthority = None,
    as_json: AsJson = False,
) -> None:
    """Freeze the population: the log under a witnessed checkpoint that has the announcement. Then reveal your nonce.

    Example: reperform audit freeze november/ --log https://log.example --key auditor.key --roster roster.dsse
    --roots roots.json

    Exit status 3: the log does not show the announcement yet; the same command goes on.
    """
    here = AuditFolder(folder)
    lead = Lead(here, read_keys(key), read_epochs(roster, roots), now)
    with here.alone():
        if labels is not None:
            here.write("labels.dsse", read_document(labels, Envelope))
        frozen = lead.freeze(open_reader(log, log_ca))
        lead.reveal()
    tell(as_json, _frozen(frozen), *_frozen_lines(frozen), "  other auditors now run `reperform audit reveal`")


def reveal(
    announcement: Annotated[Path, typer.Argument(help="The lead's announcement.dsse.", show_default=False)],
    file: Annotated[Path, typer.Argument(help="The lead's freeze.dsse.", show_default=False)],
    nonce: Annotated[Path, typer.Option(help="Where you kept your nonce.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Your nonce, signed, for the lead.", show_default=False)],
    key: KeyFile,
    roster: RosterFiles,
    roots: RootsFile,
    as_json: AsJson = False,
) -> None:
    """Reveal the nonce that you committed to, now that the population is frozen.

    Example: reperform audit reveal announcement.dsse freeze.dsse --nonce november.nonce --out mine.dsse
    --key auditor.key --roster roster.dsse --roots roots.json
    """
    keys = read_keys(key)
    frozen = open_freeze(
        read_document(file, Envelope), read_document(announcement, Envelope), read_epochs(roster, roots)
    )
    document = new_reveal(frozen, keys.signing.public.key_id, read_private(nonce))
    write_file(out, to_bytes(Envelope.sign(document, frozen.announced.roster.signers(keys))))
    tell(as_json, {**_frozen(frozen), "reveal": str(out)}, *_frozen_lines(frozen), f"  {out} is for the lead")


def draw(
    place: Annotated[Path, typer.Argument(help="The lead's folder; with --check: a draw.audit.", show_default=False)],
    log: LogPlace,
    roster: RosterFiles,
    roots: RootsFile,
    reveals: Annotated[
        list[Path] | None, typer.Argument(help="The other auditors' nonces.", show_default=False)
    ] = None,
    key: Annotated[Path | None, typer.Option(help="The lead's key file.", show_default=False)] = None,
    beacon: Annotated[str | None, typer.Option(help="The beacon's value, in hexadecimal digits.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Draw somebody else's sample again, from the log.")] = False,
    labels: Annotated[
        Path | None, typer.Option(help="With --check: the operator's labels, if the strata need them.")
    ] = None,
    log_ca: LogAuthority = None,
    as_json: AsJson = False,
) -> None:
    """Draw the sample, once; or check what somebody says was drawn.

    Example: reperform audit draw november/ theirs.dsse --key auditor.key --log https://log.example
    --roster roster.dsse --roots roots.json
    or: reperform audit draw --check draw.audit --log https://log.example --roster roster.dsse --roots roots.json

    Everybody who has draw.audit and the log draws the same. Exit status 3: a nonce is missing that may still come.
    """
    rosters = read_epochs(roster, roots)
    if check:
        drawn = open_draw(read_document(place, AuditFile), rosters)
        disclosed = None if labels is None else read_document(labels, Envelope)
    elif key is None:
        raise MalformedError("the lead draws with its key", advice="give --key, or --check a draw.audit")
    else:
        here = AuditFolder(place)
        lead = Lead(here, read_keys(key), rosters, now)
        with here.alone():
            for path in reveals or []:
                lead.take(read_document(path, Envelope))
            drawn, disclosed = lead.draw(None if beacon is None else hexadecimal(beacon)), here.labels()
    found = draw_from(open_reader(log, log_ca), drawn, rosters, labels_of(drawn, disclosed), told)
    rows = [(stratum.name, stratum.population, len(stratum.sample)) for stratum in found.strata]
    tell(
        as_json,
        {
            "draw": str(drawn.draw_id),
            "seed": str(drawn.seed),
            "missing": [node.name for node in drawn.missing],
            "sample": sorted(entry for stratum in found.strata for entry in stratum.sample),
            "strata": [{"stratum": name, "population": number, "sample": size} for name, number, size in rows],
            **_frozen(drawn.frozen),
        },
        f"draw {drawn.draw_id}",
        f"  seed {drawn.seed}",
        *_frozen_lines(drawn.frozen),
        *table(rows),
        *(f"  FAULT  {node.name!r} committed to a nonce and did not reveal it" for node in drawn.missing),
    )


def hexadecimal(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise MalformedError("a beacon's value is written in hexadecimal digits") from error


def _frozen(frozen: Frozen) -> dict[str, object]:
    checkpoint, within = frozen.witnessed.checkpoint, frozen.range
    return {
        "origin": checkpoint.origin,
        "size": checkpoint.size,
        "root": str(checkpoint.root),
        "witnessed_by": list(frozen.witnessed.organisations),
        "witnessed": frozen.witnessed.time,
        "first": within.start,
        "end": within.stop,
    }


def _frozen_lines(frozen: Frozen) -> list[str]:
    checkpoint, within, by = frozen.witnessed.checkpoint, frozen.range, ", ".join(frozen.witnessed.organisations)
    when = "" if frozen.witnessed.time is None else f", by {moment(frozen.witnessed.time)}"
    return [
        f"  entries {within.start} to {within.stop - 1} of {checkpoint.origin}, frozen at {checkpoint.size} entries",
        f"  root {checkpoint.root}; witnessed by {by or 'nobody; the roster asks for nobody'}{when}",
    ]
