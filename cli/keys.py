"""`reperform keys`: key files, and the public halves that a roster's keeper needs."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from ..evidence.documents import to_bytes
from ..evidence.encoding import MalformedError
from ..evidence.enrolment import Enrolment
from ..evidence.files import FileError, read_file, write_file
from ..evidence.keyfile import KeyRing
from ..evidence.keys import PublicKey
from ..evidence.roster import Node, OrganisationRole
from .output import AsJson, tell
from .trust import read_keys

app = typer.Typer(help="Make key files, and ask to be on a roster.", no_args_is_help=True)


@app.command("new")
def new(
    path: Annotated[Path, typer.Argument(help="Where to write the private keys; PATH.pub gets the public ones.")],
    name: Annotated[str, typer.Option(help="How the node is called in rosters; default: the file's name.")] = "",
    post_quantum: Annotated[bool, typer.Option("--post-quantum", help="Add an ML-DSA-44 key.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make the keys of one node, filer or root.

    Example: reperform keys new audit-house.key

    The file is readable by you alone. Set REPERFORM_KEY_PASSWORD to encrypt it.
    """
    if not path.name or path.is_dir():
        raise FileError(f"{path} is a folder", advice="name a file")
    public = public_path(path)
    if public.exists():
        raise FileError(f"{public} exists", advice="keys are never overwritten; choose another name")
    password = os.environ.get("REPERFORM_KEY_PASSWORD")
    keys = KeyRing.generate(post_quantum=post_quantum)
    keys.write(path, None if password is None else password.encode())
    node = Node.of(name or path.stem, keys)
    try:
        write_file(public, write_public(node).encode())
    except FileError:
        path.unlink()  # half a pair would be in the way of the next try
        raise
    tell(
        as_json,
        {"key": str(path), "public": str(public), "name": node.name, "id": str(node.node_id)},
        f"private keys: {path} (keep it secret)",
        f"public keys:  {public} (send it to the roster's keeper)",
        f"id:           {node.node_id}",
    )


@app.command("enrol")
def enrol(
    path: Annotated[Path, typer.Argument(help="The node's key file.")],
    organisation: Annotated[str, typer.Option(help="Whose node it is.", show_default=False)],
    role: Annotated[OrganisationRole, typer.Option(help="What the organisation's nodes sign.")],
    out: Annotated[Path, typer.Option(help="Where to write the request.", show_default=False)],
    name: Annotated[str, typer.Option(help="How the node is called in rosters; default: the file's name.")] = "",
    replacing: Annotated[Path | None, typer.Option(help="The node's old key file, if these keys replace it.")] = None,
    as_json: AsJson = False,
) -> None:
    """Ask to be put on a roster: a request that proves that you hold the keys. Send it to the roster's keeper.

    Example: reperform keys enrol audit.key --organisation "Audit House" --role replayer --out audit.enrolment
    """
    if out.exists():
        raise FileError(f"{out} exists", advice="name a new file")
    old = None if replacing is None else read_keys(replacing)
    request = Enrolment.of(read_keys(path), organisation=organisation, role=role, node=name or path.stem, replacing=old)
    write_file(out, to_bytes(request))
    node = request.parse(Enrolment).node
    tell(
        as_json,
        {
            "request": str(out),
            "organisation": organisation,
            "role": str(role),
            "name": node.name,
            "id": str(node.node_id),
        },
        f"request: {out} (send it to the roster's keeper)",
        f"id:      {node.node_id}",
    )


def public_path(path: Path) -> Path:
    """Where the public half of a key file stands."""
    return path.with_name(path.name + ".pub")


def write_public(node: Node) -> str:
    """A node's public keys as the text of a .pub file."""
    body = {"name": node.name, "signing": str(node.signing), "sealing": f"x25519:{node.sealing.hex()}"}
    if node.post_quantum is not None:
        body["post_quantum"] = str(node.post_quantum)
    return json.dumps(body, indent=2) + "\n"


def read_public(path: Path) -> Node:
    """Read a .pub file strictly. Raises MalformedError naming the file."""
    try:
        return _node(json.loads(read_file(path, limit=64 * 1024)))
    except MalformedError as error:
        raise MalformedError(f"{path} is not a public key file: {error.cause}") from error
    except (ValueError, RecursionError) as error:
        raise MalformedError(f"{path} is not a public key file", advice="make one with `reperform keys new`") from error


def _node(body: object) -> Node:
    if not isinstance(body, dict) or not all(type(value) is str for value in body.values()):
        raise MalformedError("it is not an object of texts")
    needed = {"name", "signing", "sealing"}
    if not needed <= body.keys() <= needed | {"post_quantum"}:
        raise MalformedError(f"it has {sorted(body)}, and needs {sorted(needed)}")
    kind, _, sealing = body["sealing"].partition(":")
    if kind != "x25519" or bytes.fromhex(sealing).hex() != sealing:
        raise MalformedError("a sealing key is written as x25519:<hexadecimal digits>")
    post_quantum = PublicKey.parse(body["post_quantum"]) if "post_quantum" in body else None
    return Node(body["name"], PublicKey.parse(body["signing"]), post_quantum, bytes.fromhex(sealing))
