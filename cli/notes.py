"""Notes on columns, as people write them: JSON, an object for each column."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..evidence.encoding import MalformedError
from ..evidence.files import read_file

if TYPE_CHECKING:
    from ..executor.pinning.tabular.notes import Note


def read_notes(path: Path) -> Mapping[str, Note]:
    """Notes by column. Raises FileError, MalformedError.

    `{"income": {"description": "monthly income", "unit": "USD"}, "purpose": {"categories": ["car", "house"]}}`
    """
    known = {"description", "unit", "categories"}
    try:
        found = json.loads(read_file(path), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise MalformedError(f"{path} is not JSON, or names something twice") from error
    if not isinstance(found, dict):
        raise MalformedError(f"{path} is not an object with a note for each column")
    for column, note in found.items():
        if not isinstance(note, dict) or not note.keys() <= known or not all(map(_fits, note.items())):
            raise MalformedError(
                f"{path}: the note on {column!r:.60} is not an object of {', '.join(sorted(known))}",
                advice="description and unit are texts, categories a list of texts",
            )
    return {column: _note(note) for column, note in found.items()}


def _note(note: Mapping[str, Any]) -> Note:
    from ..executor.pinning.tabular.notes import Note

    return Note(note.get("description", ""), note.get("unit"), tuple(note.get("categories", ())))


def _fits(entry: tuple[str, Any]) -> bool:
    key, value = entry
    if key == "categories":
        return isinstance(value, list) and all(type(item) is str for item in value)
    return type(value) is str


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError
    return found
