"""`reperform roster`: write, sign and show a roster."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..evidence.documents import to_bytes
from ..evidence.dsse import Envelope
from ..evidence.files import FileError, write_file
from ..evidence.roster import RosterRefusedError
from .description import body, describe, lines
from .epoch import enrol, publish, renew, revoke, rotate, sign
from .output import AsJson, tell
from .trust import RootsFile, now, read_keys, read_rosters

app = typer.Typer(help="Write, change and show rosters.", no_args_is_help=True)
for command in (enrol, rotate, revoke, renew, sign, publish):
    app.command(command.__name__)(command)


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
    roster = describe(description)
    keys = {key.public.key_id: key for path in sign for key in roster.roots.signers(read_keys(path))}
    if roster.roots.count(keys) < roster.roots.threshold:
        raise RosterRefusedError(
            f"{roster.roots.count(keys)} root holders sign; the roster asks for {roster.roots.threshold}",
            advice="repeat --sign for each",
        )
    # The roster goes last: while it is missing, nothing was made.
    write_file(roots_out, roster.roots.to_json().encode())
    try:
        write_file(out, to_bytes(Envelope.sign(roster, keys.values())))
    except FileError:
        roots_out.unlink()
        raise
    tell(as_json, body(roster), *lines(roster), f"written: {out}, {roots_out}")


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
    tell(as_json, {**body(roster), "in_force": in_force}, *lines(roster), state)
