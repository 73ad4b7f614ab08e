"""Tiles and bundles: their paths are those of the specification, and each has one."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reperform.evidence.encoding import MalformedError
from reperform.evidence.tlog.tiles import (
    MAX_BUNDLE,
    MAX_ENTRY,
    TILE,
    Bundle,
    Tile,
    decode_bundle,
    encode_bundle,
    parse_path,
)
from reperform.evidence.tlog.tree import MAX_SIZE

indices, widths = st.integers(0, MAX_SIZE // TILE), st.integers(1, TILE)


@given(st.builds(Tile, st.integers(0, 63), indices, widths) | st.builds(Bundle, indices, widths))
def test_a_path_is_read_as_it_was_written(file: Tile | Bundle) -> None:
    assert parse_path(file.path) == file


@given(st.text("tile/0123456789xp.entris", max_size=40) | st.from_regex(r"tile/[0-9]{1,2}/(x?[0-9]{3}/)*[0-9]{3}"))
def test_what_is_read_as_a_path_is_written_the_same(path: str) -> None:
    with contextlib.suppress(MalformedError):
        assert parse_path(path).path == path


def test_the_paths_of_the_specification() -> None:
    assert Tile(0, 1234067).path == "tile/0/x001/x234/067"
    assert Tile(1, 1, 17).path == "tile/1/001.p/17"
    assert Bundle(273, 112).path == "tile/entries/273.p/112"
    assert parse_path("tile/63/000") == Tile(63, 0)


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=TILE))
def test_a_bundle_is_read_as_it_was_written(entries: list[bytes]) -> None:
    assert list(decode_bundle(encode_bundle(entries))) == entries


def test_an_entry_has_at_most_65535_bytes() -> None:
    largest = encode_bundle([bytes(MAX_ENTRY)] * TILE)
    assert (len(largest), len(decode_bundle(largest))) == (MAX_BUNDLE, TILE)
    with pytest.raises(MalformedError, match="65535"):
        encode_bundle([bytes(MAX_ENTRY + 1)])
