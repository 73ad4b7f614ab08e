"""`reperform node witness`: cosign the checkpoints of the roster's log, and watch it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..evidence.files import FileError, make_folder, write_file
from .listening import Listen, Proxy, RequestsPerMinute, TlsCertificate, TlsKey, listening
from .node_status import ConfigFile
from .output import AsJson, tell
from .place import open_docket, shown_rosters
from .rounds import JsonLines, alone, start_log
from .trust import now, read_keys, read_roots


def witness(
    config: ConfigFile = Path("node.toml"),
    listen: Listen = "127.0.0.1:8445",
    tls_cert: TlsCertificate = None,
    tls_key: TlsKey = None,
    proxy: Proxy = None,
    requests_per_minute: RequestsPerMinute = 1200,
    key: Annotated[
        Path | None, typer.Option(help="The key file, if not the one in the configuration: a service's credential.")
    ] = None,
    interval: Annotated[
        float, typer.Option(min=0.05, max=86400, help="Seconds between two looks at the log and its other witnesses.")
    ] = 60,
    as_json: JsonLines = False,
) -> None:
    """Cosign the checkpoints of the roster's log over HTTP (C2SP tlog-witness), beside `node run`, until stopped.

    Example: reperform node witness --config node.toml --listen 0.0.0.0:8445 --tls-cert cert.pem --tls-key key.pem

    What was cosigned is kept in the node's database: killed and started again, it never cosigns another history.
    With `log` and `witnesses` in the configuration it compares what the log shows to different people.
    """
    from ..consensus.log.remote import Remote
    from ..replayer.config import Config
    from ..replayer.witness.serve import serve
    from ..replayer.witness.vigil import Vigil
    from .log_place import open_reader

    settings = Config.read(config)
    start_log(as_json)
    where = listening(listen, tls_cert, tls_key, proxy, requests_per_minute)
    make_folder(settings.state, mode=0o700)
    with alone(settings.state / ".witness"):
        place = open_docket(settings.docket, settings.ca)
        vigil = Vigil(
            settings.state,
            read_roots(settings.roots),
            lambda: shown_rosters(place, settings.rosters),
            None if settings.log is None else open_reader(settings.log, settings.ca),
            [Remote(each, settings.ca, what="a witness's address") for each in settings.witnesses],
        )
        rings = [read_keys(path) for path in (key or settings.key, *settings.other_keys)]
        serve(settings.state, rings, vigil, where, interval=interval, now=now)


def fork(
    out: Annotated[Path, typer.Argument(help="Where to write the proof.")],
    config: ConfigFile = Path("node.toml"),
    as_json: AsJson = False,
) -> None:
    """Write the proof that the log has forked, if this witness has one: a file that `reperform verify` checks.

    Example: reperform node fork log.fork --config node.toml
    """
    from ..replayer.config import Config
    from ..replayer.database import Database
    from ..replayer.witness.memory import Memory

    memory = Memory(Database(Config.read(config).state, only_read=True))
    proofs = [(origin, proof) for origin in memory.origins() if (proof := memory.fork(origin)) is not None]
    if not proofs:
        raise FileError("this witness knows of no fork")
    origin, proof = proofs[0]  # a roster has one log
    write_file(out, proof)
    tell(as_json, {"origin": origin, "file": str(out)}, f"log {origin} has forked; the proof: {out}")
