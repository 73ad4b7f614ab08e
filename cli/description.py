"""A roster as people write and read it: a description in TOML, and lines."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from ..evidence.encoding import MalformedError
from ..evidence.files import read_file
from ..evidence.roots import RootKeys
from ..evidence.roster import Log, Organisation, OrganisationRole, Roster, Suite
from .keys import read_public
from .output import moment
from .trust import now

DAY: Final = 24 * 3600 * 1000  # milliseconds
FIELDS: Final = {"name", "quorum", "days", "suite", "root_threshold", "roots", "organisation", "log"}


def describe(path: Path) -> Roster:
    """The first epoch, from a description in TOML. Raises FileError, MalformedError."""
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
    start, suite = now(), _enum(Suite, body, "suite")
    log, witnesses = _log(body["log"], folder, suite) if "log" in body else (None, 0)
    return Roster(
        name=_typed(body, "name", str),
        epoch=1,
        previous=None,
        valid_from=start,
        valid_until=start + _typed(body, "days", int) * DAY,
        roots=read_holders(
            [folder / root for root in _texts(body, "roots")], _typed(body, "root_threshold", int), suite
        ),
        organisations=tuple(_organisation(item, folder) for item in _typed(body, "organisation", list)),
        quorum=_typed(body, "quorum", int),
        suite=suite,
        log=log,
        witnesses=witnesses,
    )


def _log(body: Mapping[str, Any], folder: Path, suite: Suite) -> tuple[Log, int]:
    if not isinstance(body, dict) or body.keys() != {"origin", "key", "witnesses"}:
        raise MalformedError("a log has origin, key and witnesses, and nothing else")
    log = read_log(_typed(body, "origin", str), folder / _typed(body, "key", str), suite)
    return log, _typed(body, "witnesses", int)


def read_log(origin: str, path: Path, suite: Suite) -> Log:
    """A log from its origin and the .pub file of its keys. Raises MalformedError."""
    keys = read_public(path)
    return Log(origin, keys.signing, None if suite is Suite.ED25519 else keys.post_quantum)


def read_holders(paths: Sequence[Path], threshold: int, suite: Suite) -> RootKeys:
    """Root keys from .pub files: of each holder those with which the nodes of this suite sign."""
    holders = [read_public(path) for path in paths]
    first = tuple(holder.signing for holder in holders)
    if suite is Suite.ED25519:
        return RootKeys(first, threshold)
    second = tuple(holder.post_quantum for holder in holders if holder.post_quantum is not None)
    if len(second) < len(first):
        raise MalformedError(
            f"under the suite {suite} root keys sign with ML-DSA-44 too, which one of them cannot",
            advice="make it with `reperform keys new --post-quantum`",
        )
    return RootKeys(first, threshold, second)


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


def body(roster: Roster) -> dict[str, Any]:
    """A roster, for machines."""
    return {
        "id": str(roster.roster_id),
        "name": roster.name,
        "epoch": roster.epoch,
        "valid_from": roster.valid_from,
        "valid_until": roster.valid_until,
        "quorum": roster.quorum,
        "suite": str(roster.suite),
        "root_threshold": roster.roots.threshold,
        "roots": [[str(key.key_id) for key in holder] for holder in roster.roots.holders()],
        "log": None if roster.log is None else {"origin": roster.log.origin, "key": str(roster.log.signing)},
        "witnesses": roster.witnesses,
        "revoked": [{"id": str(r.node), "effective": r.effective} for r in roster.revoked],
        "organisations": [
            {"name": o.name, "role": str(o.role), "nodes": [{"name": n.name, "id": str(n.node_id)} for n in o.nodes]}
            for o in roster.organisations
        ],
    }


def lines(roster: Roster) -> list[str]:
    """A roster, for people."""
    head = [
        f"roster {roster.name!r}, epoch {roster.epoch}, id {roster.roster_id.short()}",
        f"in force {moment(roster.valid_from)} to {moment(roster.valid_until)}",
        f"{roster.quorum} replaying organisations must agree; nodes sign with {roster.suite}",
    ]
    if roster.log is not None:
        head.append(f"receipts stand in log {roster.log.origin}, which {roster.witnesses} organisations witness")
    nodes = [f"  {o.role:9} {o.name}: {n.name} ({n.node_id.short()})" for o, n in roster.members()]
    holders = ", ".join(key.key_id.short() for key in roster.roots.keys)
    signed = [f"  the epoch after this is signed by {roster.roots.threshold} of the root keys {holders}"]
    revoked = [f"  REVOKED   key {r.node.short()}, from entry {r.effective} of the log on" for r in roster.revoked]
    return head + nodes + revoked + signed
