"""The committed bytes: what was written once must read and be written the same for ever."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from reperform.evidence.encoding import decode
from reperform.tests.evidence.vectors.generate import FOLDER, VALUES, text, vectors


@pytest.mark.parametrize("name", ["encoding", "digests", "documents"])
def test_the_generator_still_writes_the_committed_vectors(name: str) -> None:
    assert (FOLDER / f"{name}.json").read_text() == text(name)


def test_every_kind_of_vector_is_committed_and_nothing_else() -> None:
    assert {path.stem for path in Path(FOLDER).glob("*.json")} == set(vectors())


def test_the_committed_encodings_read_as_the_values_that_they_were_made_of() -> None:
    committed = json.loads((FOLDER / "encoding.json").read_text())
    assert {name: decode(bytes.fromhex(data)) for name, data in committed.items()} == VALUES
