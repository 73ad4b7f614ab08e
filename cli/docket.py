"""`reperform docket`: keep a docket, in a folder or for the network."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Final

import typer

from ..consensus.folder import FolderDocket
from ..consensus.keeper import Keeper, Patience
from ..evidence.encoding import MalformedError
from ..evidence.files import make_folder
from .rounds import Interval, JsonLines, alone, keep_going, start_log
from .status import status
from .trust import KeyFile, RootsFile, RosterFiles, now, read_keys, read_rosters, warn_of_expiry

app = typer.Typer(help="Keep a docket: open cases, close ballots.", no_args_is_help=True)
app.command("status")(status)

Step = Annotated[int, typer.Option(min=1, help="Seconds that each step of a case may take.")]

DAY: Final = 24 * 3600
_LISTEN: Final = re.compile(r"(\[[0-9a-fA-F:]+\]|[^:\[\]]+):([0-9]{1,5})")


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
    listen: Annotated[str, typer.Option(help="HOST:PORT to listen at; port 0 takes a free one.")] = "127.0.0.1:8443",
    tls_cert: Annotated[Path | None, typer.Option(help="Certificate chain (PEM). Without one: behind a proxy.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="The certificate's private key (PEM).")] = None,
    proxy: Annotated[
        str | None, typer.Option(help="Address of the proxy whose X-Forwarded-For is believed; of no other.")
    ] = None,
    step: Step = DAY,
    requests_per_minute: Annotated[int, typer.Option(min=1, help="How often one address may ask.")] = 1200,
    filings_per_filer: Annotated[int, typer.Option(min=1, help="How often one key may file.")] = 1024,
    filings_per_receipt: Annotated[int, typer.Option(min=1, help="How often one receipt may be filed.")] = 16,
    as_json: JsonLines = False,
) -> None:
    """Keep a docket in a database and serve it over HTTP until stopped.

    Example: reperform docket serve --key docket.key --roster roster.dsse --roots roots.json
    --listen 0.0.0.0:443 --tls-cert cert.pem --tls-key key.pem
    """
    from ..consensus.service.serve import Listening
    from ..consensus.service.serve import serve as serve_docket
    from ..consensus.store.store import Quota

    start_log(as_json)
    chain = read_rosters(roster, roots)
    warn_of_expiry(chain[-1].document)
    parts = _LISTEN.fullmatch(listen)
    if parts is None or int(parts[2]) > 65535:
        raise MalformedError("--listen names no address and port", advice="write it as 127.0.0.1:8443")
    if (tls_cert is None) != (tls_key is None):
        raise MalformedError("a certificate and its key come together", advice="give both --tls-cert and --tls-key")
    serve_docket(
        database,
        Listening(parts[1].strip("[]"), int(parts[2]), tls_cert, tls_key, proxy, requests_per_minute),
        read_keys(key),
        chain,
        patience=_patience(step),
        quota=Quota(filings_per_filer, filings_per_receipt),
        now=now,
    )


def _patience(step: int) -> Patience:
    return Patience(*[step * 1000] * 5)
