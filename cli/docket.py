"""`reperform docket`: keep a docket, in a folder or for the network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from ..consensus.folder import FolderDocket
from ..consensus.keeper import Keeper, Patience
from ..evidence.files import make_folder
from .listening import Listen, Proxy, RequestsPerMinute, TlsCertificate, TlsKey, listening
from .rounds import Interval, JsonLines, alone, keep_going, start_log
from .status import status
from .trust import KeyFile, RootsFile, RosterFiles, now, read_keys, read_rosters, warn_of_expiry

app = typer.Typer(help="Keep a docket: open cases, close ballots.", no_args_is_help=True)
app.command("status")(status)

Step = Annotated[int, typer.Option(min=1, help="Seconds that each step of a case may take.")]

DAY: Final = 24 * 3600


@app.command("run")
def run(
    docket: Annotated[Path, typer.Option("--docket", help="The docket's folder.", show_default=False)],
    key: KeyFile,
    roster: RosterFiles,
    roots: RootsFile,
    step: Step = DAY,
    interval: Interval = 0.2,
    as_json: JsonLines = False,
) -> None:
    """Keep a docket in a folder until stopped, for one machine or for exchange by media.

    Example: reperform docket run --docket docket/ --key docket.key --roster roster.dsse --roots roots.json
    """
    start_log(as_json)
    rosters = [signed.document for signed in read_rosters(roster, roots)]
    warn_of_expiry(rosters[-1])
    make_folder(docket)
    keeper = Keeper(FolderDocket(docket), read_keys(key), rosters, _patience(step))
    with alone(docket / ".keeper"):
        keep_going(keeper.step, interval)


@app.command("serve")
def serve(
    key: KeyFile,
    roster: RosterFiles,
    roots: RootsFile,
    database: Annotated[
        str, typer.Option(help="Where documents are kept: sqlite:///FILE or postgresql://USER@HOST/NAME.")
    ] = "sqlite:///docket.sqlite",
    listen: Listen = "127.0.0.1:8443",
    tls_cert: TlsCertificate = None,
    tls_key: TlsKey = None,
    proxy: Proxy = None,
    step: Step = DAY,
    requests_per_minute: RequestsPerMinute = 1200,
    filings_per_filer: Annotated[int, typer.Option(min=1, help="How often one key may file.")] = 1024,
    filings_per_receipt: Annotated[int, typer.Option(min=1, help="How often one receipt may be filed.")] = 16,
    as_json: JsonLines = False,
) -> None:
    """Keep a docket in a database and serve it over HTTP until stopped.

    Example: reperform docket serve --key docket.key --roster roster.dsse --roots roots.json
    --listen 0.0.0.0:443 --tls-cert cert.pem --tls-key key.pem
    """
    from ..consensus.service.serve import serve as serve_docket
    from ..consensus.store.store import Quota

    start_log(as_json)
    chain = read_rosters(roster, roots)
    warn_of_expiry(chain[-1].document)
    serve_docket(
        database,
        listening(listen, tls_cert, tls_key, proxy, requests_per_minute),
        read_keys(key),
        chain,
        patience=_patience(step),
        quota=Quota(filings_per_filer, filings_per_receipt),
        now=now,
    )


def _patience(step: int) -> Patience:
    return Patience(*[step * 1000] * 5)
