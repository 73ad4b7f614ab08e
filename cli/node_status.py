"""`reperform node status`: what a node's own database says, whether it runs or not."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..evidence.roster import Roster
from .output import AsJson, moment, tell
from .trust import now, read_roots

if TYPE_CHECKING:
    from ..replayer.witness.memory import Memory

ConfigFile = Annotated[Path, typer.Option("--config", help="The node's configuration, made by `reperform node init`.")]


def status(config: ConfigFile = Path("node.toml"), as_json: AsJson = False) -> None:
    """How a node fares: its self-test, roster, models, the cases by phase, what it owes, and what it witnessed.

    Example: reperform node status --config node.toml
    """
    from ..replayer.config import Config
    from ..replayer.database import Database
    from ..replayer.epochs import Epochs
    from ..replayer.register import Contact, Models, Register, SelfTested
    from ..replayer.witness.memory import Memory

    settings, time = Config.read(config), now()
    database = Database(settings.state, only_read=True)
    register = Register(database)
    epochs = Epochs(database, read_roots(settings.roots)).known()
    roster = epochs[-1].document if epochs else None
    test, contact, models = register.fact(SelfTested), register.fact(Contact), register.fact(Models)
    held = [] if models is None else [str(model) for model in models.ids]
    phases, duties = register.phases(time), register.duties(time)
    running, witnessing = _running(settings.state / ".node"), _running(settings.state / ".witness")
    logs = _logs(Memory(database))
    body: dict[str, Any] = {
        "running": running,
        "docket": settings.docket,
        "contact": None if contact is None else contact.time,
        "self_test": None
        if test is None
        else {"passed": not test.failure, "time": test.time, "vectors": test.vectors, "kernels": test.kernels,
              "failure": test.failure},
        "roster": None if roster is None else _roster(roster, time),
        "models": held,
        "cases": {str(name): phases[name] for name in phases},
        "owed": [{"filing": str(name), "work": str(duty.work), "due": duty.due} for name, duty in duties],
        "witness": {"running": witnessing, "logs": logs},
    }  # fmt: skip
    tell(
        as_json,
        body,
        f"node:      {'running' if running else 'NOT RUNNING'}",
        f"docket:    {settings.docket}, last answer {'never' if contact is None else moment(contact.time)}",
        f"self-test: {_test(test)}",
        f"roster:    {_line(roster, time)}",
        *(f"model:     {model}" for model in held or ["none"]),
        f"cases:     {', '.join(f'{count} {name}' for name, count in sorted(phases.items())) or 'none'}",
        *(f"owes:      the {duty.work} in {name.short()} by {moment(duty.due)}" for name, duty in duties),
        *([f"witness:   {'running' if witnessing else 'NOT RUNNING'}"] if logs or witnessing else []),
        *(f"witness:   {_log(log)}" for log in logs),
    )


def _running(lock: Path) -> bool:
    try:
        with lock.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _logs(memory: Memory) -> list[dict[str, Any]]:
    """What was cosigned, and what is known against a log."""
    found = []
    for origin in memory.origins():
        cosigned = memory.cosigned(origin)
        found.append({
            "origin": origin,
            "size": None if cosigned is None else cosigned.checkpoint.size,
            "time": None if cosigned is None else cosigned.seconds * 1000,
            "forked": memory.fork(origin) is not None,
            "suspects": len(memory.suspects(origin)),
        })  # fmt: skip
    return found


def _log(log: dict[str, Any]) -> str:
    line = f"log {log['origin']}, "
    line += "nothing cosigned" if log["size"] is None else f"{log['size']} entries cosigned {moment(log['time'])}"
    if log["forked"]:
        line += "; IT HAS FORKED, see `reperform node fork`"
    elif log["suspects"]:
        line += f"; {log['suspects']} checkpoints not placed in it yet"
    return line


def _test(test: Any) -> str:
    if test is None:
        return "not run yet"
    if test.failure:
        return f"FAILED {moment(test.time)}: {test.failure}"
    return f"passed {moment(test.time)}, {test.vectors} vectors, {test.kernels}"


def _roster(roster: Roster, time: int) -> dict[str, Any]:
    return {
        "name": roster.name,
        "epoch": roster.epoch,
        "valid_until": roster.valid_until,
        "in_force": roster.valid_from <= time <= roster.valid_until,
    }


def _line(roster: Roster | None, time: int) -> str:
    if roster is None:
        return "NONE KNOWN"
    state = "until" if time <= roster.valid_until else "EXPIRED"
    return f"{roster.name!r}, epoch {roster.epoch}, {state} {moment(roster.valid_until)}"
