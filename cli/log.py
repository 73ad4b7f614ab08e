"""`reperform log`: keep the log of an operator's decisions, prove what stands in it, and verify it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from ..consensus.log.publisher import Publisher
from ..consensus.log.sequencer import create, sequencing
from ..evidence.roster import Roster
from ..evidence.tlog.note import Note
from ..evidence.witnessed import open_checkpoint
from . import log_verify
from .listening import Listen, Proxy, RequestsPerMinute, TlsCertificate, TlsKey, listening
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
)
from .log_writer import writing_to
from .output import AsJson, tell
from .rounds import JsonLines, start_log
from .trust import KeyFile, RootsFile, RosterFiles, now, read_keys

app = typer.Typer(help="Keep the log of decisions, prove what stands in it, verify it.", no_args_is_help=True)
app.command("prove")(log_verify.prove)
app.command("verify")(log_verify.verify)
app.command("fsck")(log_verify.fsck)


@app.command("init")
def init(log: LogPlace, key: KeyFile, roster: RosterFiles, roots: RootsFile, as_json: AsJson = False) -> None:
    """Make the log that a roster names: without entries, in a folder or a bucket.

    Example: reperform log init --log log/ --key log.key --roster roster.dsse --roots roots.json
    """
    newest = read_epochs(roster, roots)[-1]
    origin = named_log(newest).origin
    signing, *_ = newest.log_signers(read_keys(key))
    create(open_storage(log), origin, signing)
    tell(as_json, {"origin": origin, "log": log, "size": 0}, f"made log {origin} in {log}")


@app.command("append")
def append(
    files: Annotated[list[Path], typer.Argument(help=ENTRY_HELP)],
    log: LogPlace,
    key: KeyFile,
    roster: RosterFiles,
    roots: RootsFile,
    as_json: AsJson = False,
) -> None:
    """Append signed documents to the log. What stands in it already is not appended again, so this can be repeated.

    Example: reperform log append decisions/*.decision --log log/ --key log.key --roster roster.dsse --roots roots.json

    They are durable when this returns, and shown to others with the next `reperform log checkpoint`.
    """
    rosters = read_epochs(roster, roots)
    envelopes = [read_envelope(path) for path in files]
    entries = {leaf_of(envelope): envelope for envelope in envelopes}
    with writing_to(open_storage(log), read_keys(key), rosters) as writer:
        places = dict(zip(entries, writer.find([*entries.values()]), strict=True))
        new = [leaf for leaf, place in places.items() if place is None]
        places |= zip(new, writer.append([entries[leaf] for leaf in new]), strict=True)
        checkpoint = writer.seen()
    found = [(path, places[leaf_of(envelope)]) for path, envelope in zip(files, envelopes, strict=True)]
    tell(
        as_json,
        {
            "entries": [{"file": str(path), "index": index} for path, index in found],
            "appended": len(new),
            "size": checkpoint.size,
        },
        *(f"entry {index}: {path}" for path, index in found),
        f"{len(new)} appended; the log has {checkpoint.size} entries",
    )


@app.command("checkpoint")
def checkpoint(
    log: LogPlace,
    roster: RosterFiles,
    roots: RootsFile,
    key: Annotated[
        Path | None, typer.Option(help="The log's key file, to sign and publish. Without it: show what is published.")
    ] = None,
    witness: Annotated[
        list[str] | None, typer.Option(help="The address of a witness to ask for its cosignature; repeat it.")
    ] = None,
    witness_ca: Annotated[Path | None, typer.Option(help="CA certificates (PEM) for https witnesses.")] = None,
    log_ca: LogAuthority = None,
    as_json: AsJson = False,
) -> None:
    """Publish a checkpoint of everything that was appended, cosigned by witnesses; or show the one that is published.

    Example: reperform log checkpoint --log log/ --key log.key --roster roster.dsse --roots roots.json
    --witness https://audit.example --witness https://union.example

    If too few witnesses answer, the checkpoint before goes on being published (exit status 2); run it again later.
    """
    rosters = read_epochs(roster, roots)
    note = (
        read_shown(open_reader(log, log_ca)) if key is None else _publish(log, rosters, key, witness or [], witness_ca)
    )
    witnessed = open_checkpoint(note, rosters)
    tell(as_json, report(witnessed), *account(witnessed))


@app.command("serve")
def serve(
    log: LogPlace,
    listen: Listen = "127.0.0.1:8444",
    tls_cert: TlsCertificate = None,
    tls_key: TlsKey = None,
    proxy: Proxy = None,
    requests_per_minute: RequestsPerMinute = 12_000,
    as_json: JsonLines = False,
) -> None:
    """Serve a log for everybody to read, until stopped: /checkpoint and /tile/… of C2SP tlog-tiles. It needs no key.

    Example: reperform log serve --log log/ --listen 0.0.0.0:443 --tls-cert cert.pem --tls-key key.pem
    """
    from ..consensus.log.service import create_app
    from ..consensus.service.listen import listen as listen_at
    from ..consensus.service.quota import Buckets

    start_log(as_json)
    where = listening(listen, tls_cert, tls_key, proxy, requests_per_minute)
    listen_at(create_app(open_storage(log), Buckets(requests_per_minute)), where)


def _publish(log: str, rosters: Sequence[Roster], key: Path, witnesses: list[str], authority: Path | None) -> Note:
    """Sequence what a writer left unfinished, and publish. Without witnesses only where the roster asks for none."""
    storage, newest = open_storage(log), rosters[-1]
    signers = newest.log_signers(read_keys(key))
    witnessing = None
    if witnesses or newest.witnesses:
        from ..consensus.log.witnesses import Witnesses

        witnessing = Witnesses(witnesses, lambda: rosters, authority)
    with sequencing(storage, named_log(newest).origin, signers[0], log_keys_of(rosters)) as sequencer:
        return Publisher(storage, signers, now, witnessing).publish(sequencer.checkpoint)
