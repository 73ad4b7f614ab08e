"""`reperform node`: run a replayer node."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..evidence.errors import ReperformError
from ..evidence.files import make_folder
from .node_init import init
from .node_status import ConfigFile, status
from .node_witness import fork, witness
from .place import open_docket, shown_rosters
from .rounds import Interval, JsonLines, alone, keep_going, start_log
from .trust import now, read_keys, read_roots

if TYPE_CHECKING:
    from ..replayer.register import Register

log = logging.getLogger(__name__)

app = typer.Typer(help="Set up and run a replayer node.", no_args_is_help=True)
app.command("init")(init)
app.command("status")(status)
app.command("witness")(witness)
app.command("fork")(fork)


@app.command("run")
def run(
    config: ConfigFile = Path("node.toml"),
    key: Annotated[
        Path | None, typer.Option(help="The key file, if not the one in the configuration: a service's credential.")
    ] = None,
    interval: Interval = 0.2,
    as_json: JsonLines = False,
) -> None:
    """Replay, vote and sign until stopped. Killed and started again, it goes on where it was.

    Example: reperform node run --config node.toml
    """
    # torch is imported when a node runs, not when somebody verifies.
    from ..replayer.config import Config
    from ..replayer.database import Database
    from ..replayer.epochs import Epochs
    from ..replayer.library import Library
    from ..replayer.notebook import Notebook
    from ..replayer.register import Register
    from ..replayer.source import Source
    from ..replayer.station import Station

    settings = Config.read(config)
    start_log(as_json)
    make_folder(settings.state, mode=0o700)
    with alone(settings.state / ".node"):
        place = open_docket(settings.docket, settings.ca)
        database = Database(settings.state)
        register = Register(database)
        source = None
        if settings.models_from is not None:
            source = Source(settings.models_from, settings.state / "models", settings.ca)
        station = Station(
            place.docket,
            [read_keys(path) for path in (key or settings.key, *settings.other_keys)],
            Library(settings.models, source),
            epochs=Epochs(database, read_roots(settings.roots)),
            notebook=Notebook(settings.state),
            register=register,
            shown=lambda: shown_rosters(place, settings.rosters),
        )
        station.start(now())
        _selftest(register)  # before the first vote, at every start
        keep_going(station.step, interval, place.wait)


def _selftest(register: Register) -> None:
    from ..executor.selftest import selftest
    from ..replayer.register import SelfTested

    try:
        report = selftest()
    except ReperformError as error:
        register.tested(SelfTested(now(), 0, "", str(error)))
        raise
    register.tested(SelfTested(now(), report.vectors, report.kernels, ""))
    log.info("self-test passed: %d vectors", report.vectors)
