"""How a node is configured: one file, `node.toml`, read strictly. Paths in it are relative to its folder."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from ..evidence.encoding import MalformedError
from ..evidence.files import read_file

FILE: Final = "node.toml"
_ADVICE: Final = "see docs/run-a-node.md, or make a new file with `reperform node init`"


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that a node must be told. What is None or empty may be left out of the file."""

    docket: str  # https://HOST, or a folder
    key: Path
    roots: Path
    state: Path
    rosters: tuple[Path, ...] = ()
    models: tuple[Path, ...] = ()
    models_from: str | None = None
    ca: Path | None = None
    other_keys: tuple[Path, ...] = ()
    log: str | None = None  # https://HOST, s3://BUCKET/PREFIX, or a folder
    witnesses: tuple[str, ...] = ()

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a file. Raises MalformedError, which names the file and the setting, and FileError."""
        try:
            return cls.parse(read_file(path, limit=64 * 1024).decode(), path.parent)
        except (UnicodeDecodeError, RecursionError, tomllib.TOMLDecodeError) as error:
            raise MalformedError(f"{path} is not TOML: {error}", advice=_ADVICE) from error
        except MalformedError as error:
            raise MalformedError(f"{path}: {error.cause}", advice=error.advice or _ADVICE) from error

    @classmethod
    def parse(cls, text: str, folder: Path) -> Self:
        """The settings in a file's text. Raises MalformedError and TOMLDecodeError."""
        body = tomllib.loads(text)
        if unknown := sorted(body.keys() - _COMMENTS.keys()):
            raise MalformedError(f"unknown setting {unknown[0]!r:.80}; there are {', '.join(_COMMENTS)}")
        if missing := [name for name in ("docket", "key", "roots", "state") if name not in body]:
            raise MalformedError(f"the setting {missing[0]!r} is missing")
        return cls(
            docket=_place(folder, _text(body, "docket")),
            key=folder / _text(body, "key"),
            roots=folder / _text(body, "roots"),
            state=folder / _text(body, "state"),
            rosters=tuple(folder / name for name in _texts(body, "rosters")),
            models=tuple(folder / name for name in _texts(body, "models")),
            models_from=_text(body, "models_from") if "models_from" in body else None,
            ca=folder / _text(body, "ca") if "ca" in body else None,
            other_keys=tuple(folder / name for name in _texts(body, "other_keys")),
            log=_place(folder, _text(body, "log")) if "log" in body else None,
            witnesses=tuple(_texts(body, "witnesses")),
        )

    def text(self) -> str:
        """The file, with its comments. What is not set stands in it as an example."""
        return "\n".join([_HEAD, *(_setting(name, getattr(self, name)) for name in _COMMENTS)])


def is_address(docket: str) -> bool:
    """Whether a docket is reached over HTTP; otherwise it is a folder."""
    return docket.startswith(("https://", "http://"))


def _place(folder: Path, name: str) -> str:
    return name if "://" in name else str(folder / name)


_HEAD: Final = """\
# A replayer node of reperform. Paths are relative to the folder of this file.
# Check it with `reperform node status`, run it with `reperform node run`. docs/run-a-node.md explains each step.
"""

# In the order of the file: what a setting is, and an example where it is not set.
_COMMENTS: Final = {
    "docket": ("The docket: https://HOST, or a folder that is shared or carried.", "https://docket.example"),
    "roots": (
        "The root keys that you trust. Get this file by a way that nobody between can change, and compare it\n"
        "# with somebody else's: everything that the docket says about who is on the roster is checked with it.",
        "roots.json",
    ),
    "key": ("This node's private keys. Nobody else may read the file.", "node.key"),
    "state": (
        "A folder that only this node uses: its database, which must survive, and the models that it fetched.",
        "state",
    ),
    "models": (
        "Folders of pinned models that you were handed. Every tensor is checked when the node starts.",
        ["model"],
    ),
    "models_from": (
        "Where models that a case names and that are not here are fetched: ADDRESS/<model id>/<file>.",
        "https://models.example",
    ),
    "rosters": (
        "Signed rosters that you were handed, from epoch 1 on; needed where the docket is a folder.",
        ["r.dsse"],
    ),
    "other_keys": (
        "Keys that gave way to this node's, or will: each answers in the cases of the epochs that it is on.",
        ["old.key"],
    ),
    "ca": ("CA certificates (PEM) for whatever this node reaches, if not those of the system.", "ca.pem"),
    "log": (
        "Where the roster's log is served. A witness looks there whether the log has signed two histories.",
        "https://log.example",
    ),
    "witnesses": (
        "Other witnesses of the log, whose checkpoints are compared with one's own.",
        ["https://witness.example"],
    ),
}


def _setting(name: str, value: object) -> str:
    comment, example = _COMMENTS[name]
    if value is None or value == ():
        return f"# {comment}\n# {name} = {_toml(example)}\n"
    return f"# {comment}\n{name} = {_toml(value)}\n"


def _toml(value: object) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    # A basic string of TOML is one of JSON, except that it may not escape halves of characters, or have a raw DEL.
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")


def _text(body: Mapping[str, Any], name: str) -> str:
    if type(body[name]) is not str or not body[name]:
        raise MalformedError(f"the setting {name!r} is not a text")
    return str(body[name])


def _texts(body: Mapping[str, Any], name: str) -> list[str]:
    items = body.get(name, [])
    if type(items) is not list or not all(type(item) is str and item for item in items):
        raise MalformedError(f"the setting {name!r} is not a list of texts")
    return list(items)
