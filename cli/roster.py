"""`reperform roster`: write, sign and show a roster."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from ..evidence.documents import to_bytes
from ..evidence.dsse import Envelope
from ..evidence.encoding import MalformedError
from ..evidence.files import FileError, read_file, write_file
from ..evidence.roots import RootKeys
from ..evidence.roster import Organisation, OrganisationRole, Roster, RosterRefusedError, Suite
from .keys import read_public
from .output import AsJson, moment, tell
from .trust import RootsFile, now, read_keys, read_rosters

app = typer.Typer(help="Write and show rosters.", no_args_is_help=True)

DAY = 24 * 3600 * 1000
FIELDS = {"name", "quorum", "days", "suite", "root_threshold", "roots", "organisation"}


@app.command("new")
def new(
    description: Annotated[Path, typer.Argument(help="A TOML file that says who is on the roster.")],
    sign: Annotated[list[Path], typer.Option("--sign", help="A root key file; repeat for each.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Where to write the signed roster.")] = Path("roster.dsse"),
    roots_out: Annotated[Path, typer.Option("--roots-out", help="Where to write the root keys.")] = Path("roots.json"),
    as_json: AsJson = False,
) -> None:
    """Write and sign the first epoch of a roster.

    Example: reperform roster new roster.toml --sign root-a.key --sign root-b.key

    The description names public key files beside it, as `docs/rosters.md` shows.
    """
    if out.resolve() == roots_out.resolve():
        raise FileError(f"{out} cannot hold both the roster and the root keys", advice="name two files")
    for path in (out, roots_out):
        if path.exists():
            raise FileError(f"{path} exists", advice="name a new file; rosters are not overwritten")
    roster = _describe(description)
    keys = [read_keys(path).signing for path in sign]
    strangers = [key for key in keys if key.public not in roster.roots.keys]
    if strangers:
        raise RosterRefusedError(f"key {strangers[0].public.key_id.short()} is not one of the roster's root keys")
    if len({key.public for key in keys}) < roster.roots.threshold:
        raise RosterRefusedError(f"{len(keys)} root keys sign; the roster asks for {roster.roots.threshold}")
    # The roster goes last: while it is missing, nothing was made.
    write_file(roots_out, roster.roots.to_json().encode())
    try:
        write_file(out, to_bytes(Envelope.sign(roster, keys)))
    except FileError:
        roots_out.unlink()
        raise
    tell(as_json, _body(roster), *_lines(roster), f"written: {out}, {roots_out}")


@app.command("show")
def show(
    path: Annotated[list[Path], typer.Argument(help="The signed roster; later epochs after it.")],
    roots: RootsFile,
    as_json: AsJson = False,
) -> None:
    """Verify a roster and show who is on it.

    Example: reperform roster show roster.dsse --roots roots.json
    """
    roster = read_rosters(path, roots)[-1].document
    in_force = roster.valid_from <= now() <= roster.valid_until
    state = "it is in force" if in_force else "IT IS NOT IN FORCE: get the current epoch from its keeper"
    tell(as_json, {**_body(roster), "in_force": in_force}, *_lines(roster), state)


def _describe(path: Path) -> Roster:
    try:
        body = tomllib.loads(read_file(path).decode())
        return _roster(body, path.parent)
    except (KeyError, UnicodeDecodeError, RecursionError, tomllib.TOMLDecodeError) as error:
        raise MalformedError(f"{path} does not describe a roster: {error}", advice="see docs/rosters.md") from error
    except MalformedError as error:
        raise MalformedError(f"{path}: {error.cause}", advice=error.advice) from error


def _roster(body: Mapping[str, Any], folder: Path) -> Roster:
    if unknown := body.keys() - FIELDS:
        raise MalformedError(f"unknown fields {sorted(unknown)}", advice="see docs/rosters.md")
    start = now()
    return Roster(
        name=_typed(body, "name", str),
        epoch=1,
        previous=None,
        valid_from=start,
        valid_until=start + _typed(body, "days", int) * DAY,
        roots=RootKeys(
            tuple(read_public(folder / root).signing for root in _texts(body, "roots")),
            _typed(body, "root_threshold", int),
        ),
        organisations=tuple(_organisation(item, folder) for item in _typed(body, "organisation", list)),
        quorum=_typed(body, "quorum", int),
        suite=_enum(Suite, body, "suite"),
    )


def _organisation(body: Mapping[str, Any], folder: Path) -> Organisation:
    if not isinstance(body, dict) or body.keys() != {"name", "role", "nodes"}:
        raise MalformedError("an organisation has name, role and nodes, and nothing else")
    nodes = tuple(read_public(folder / node) for node in _texts(body, "nodes"))
    return Organisation(_typed(body, "name", str), _enum(OrganisationRole, body, "role"), nodes)


def _typed(body: Mapping[str, Any], field: str, kind: type) -> Any:
    if type(body[field]) is not kind:
        raise MalformedError(f"{field} is not of type {kind.__name__}")
    return body[field]


def _texts(body: Mapping[str, Any], field: str) -> list[str]:
    items = _typed(body, field, list)
    if not all(type(item) is str for item in items):
        raise MalformedError(f"{field} is a list of file names")
    return list(items)


def _enum(kind: Any, body: Mapping[str, Any], field: str) -> Any:
    try:
        return kind(body[field])
    except ValueError as error:
        raise MalformedError(f"{field} is not one of {', '.join(kind)}") from error


def _body(roster: Roster) -> dict[str, Any]:
    return {
        "id": str(roster.roster_id),
        "name": roster.name,
        "epoch": roster.epoch,
        "valid_from": roster.valid_from,
        "valid_until": roster.valid_until,
        "quorum": roster.quorum,
        "suite": str(roster.suite),
        "organisations": [
            {"name": o.name, "role": str(o.role), "nodes": [{"name": n.name, "id": str(n.node_id)} for n in o.nodes]}
            for o in roster.organisations
        ],
    }


def _lines(roster: Roster) -> list[str]:
    head = [
        f"roster {roster.name!r}, epoch {roster.epoch}, id {roster.roster_id.short()}",
        f"in force {moment(roster.valid_from)} to {moment(roster.valid_until)}",
        f"{roster.quorum} replaying organisations must agree; nodes sign with {roster.suite}",
    ]
    nodes = [f"  {o.role:9} {o.name}: {n.name} ({n.node_id.short()})" for o, n in roster.members()]
    return head + nodes
