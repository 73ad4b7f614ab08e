"""`reperform node init`: keys, a configuration with comments, and a request to be on the roster."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from ..evidence.documents import to_bytes
from ..evidence.enrolment import Enrolment
from ..evidence.files import FileError, make_folder, write_file
from ..evidence.keyfile import KeyRing
from ..evidence.roster import Node, OrganisationRole
from .keys import public_path, write_public
from .output import AsJson, tell
from .trust import read_keys, read_roots


def init(
    directory: Annotated[Path, typer.Argument(help="A folder for everything that this node needs.")],
    docket: Annotated[str, typer.Option(help="The docket: a folder, or https://HOST.", show_default=False)],
    organisation: Annotated[str, typer.Option(help="Whose node it is, as rosters name it.", show_default=False)],
    name: Annotated[str, typer.Option(help="How the node is called in rosters; default: like the organisation.")] = "",
    roots: Annotated[
        Path | None, typer.Option(help="Root keys that you trust; copied. Without: put roots.json there yourself.")
    ] = None,
    roster: Annotated[
        list[Path] | None, typer.Option(help="A signed roster that you were handed; repeat for later epochs.")
    ] = None,
    model: Annotated[list[Path] | None, typer.Option(help="A pinned model that you were handed; repeat.")] = None,
    models_from: Annotated[str | None, typer.Option(help="https://HOST from which models are fetched.")] = None,
    ca: Annotated[Path | None, typer.Option(help="CA certificates (PEM), if not the system's.")] = None,
    state: Annotated[Path | None, typer.Option(help="A folder for the database; default: state, in DIRECTORY.")] = None,
    key: Annotated[Path | None, typer.Option(help="A key file that you have already; default: new keys.")] = None,
    post_quantum: Annotated[bool, typer.Option("--post-quantum", help="Add an ML-DSA-44 key to new keys.")] = False,
    as_json: AsJson = False,
) -> None:
    """Set up a replayer node in a folder, and say what to send to the roster's keeper.

    Example: reperform node init node --docket https://docket.example --organisation "Audit House" --roots roots.json

    The keys are readable by you alone. Set REPERFORM_KEY_PASSWORD to encrypt them.
    """
    from ..replayer.config import FILE, Config, is_address

    config = directory / FILE
    if config.exists():
        raise FileError(f"{config} exists", advice="a node is set up once; change the file, or name another folder")
    trusted = None if roots is None else read_roots(roots)
    make_folder(directory)
    node = name or organisation
    path, keys = (key, read_keys(key)) if key is not None else _new_keys(directory / "node.key", node, post_quantum)
    settings = Config(
        docket=docket if is_address(docket) else str(Path(docket).resolve()),
        key=Path(os.path.relpath(path, directory)) if key is None else path.resolve(),
        roots=Path("roots.json"),
        state=Path("state") if state is None else state.resolve(),
        rosters=tuple(each.resolve() for each in roster or ()),
        models=tuple(each.resolve() for each in model or ()),
        models_from=models_from,
        ca=None if ca is None else ca.resolve(),
    )
    request = directory / "enrolment.dsse"
    body = Enrolment.of(keys, organisation=organisation, role=OrganisationRole.REPLAYER, node=node)
    write_file(request, to_bytes(body))
    if trusted is not None:
        write_file(directory / "roots.json", trusted.to_json().encode())
    write_file(config, settings.text().encode())  # last: while it is missing, nothing was set up
    node_id = keys.signing.public.key_id
    steps = [
        f"Send {request} to the roster's keeper. It proves that this node holds its keys; it is not secret.",
        f"Tell them this id by another way: {node_id}",
        *([] if trusted else [f"Put the root keys that you trust into {directory / 'roots.json'}."]),
        f"When the roster names this node: reperform node run --config {config}",
    ]
    tell(
        as_json,
        {"config": str(config), "key": str(path), "request": str(request), "id": str(node_id)},
        f"private keys:  {path} (keep them secret)",
        f"configuration: {config}",
        "",
        *(f"{number}. {step}" for number, step in enumerate(steps, 1)),
    )


def _new_keys(path: Path, name: str, post_quantum: bool) -> tuple[Path, KeyRing]:
    password = os.environ.get("REPERFORM_KEY_PASSWORD")
    keys = KeyRing.generate(post_quantum=post_quantum)
    keys.write(path, None if password is None else password.encode())
    write_file(public_path(path), write_public(Node.of(name, keys)).encode())
    return path, keys
