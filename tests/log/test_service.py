"""A log over HTTP: the paths, types and headers of C2SP tlog-tiles, and a stranger who reads it over a real socket."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from functools import partial

import httpx
import pytest
from reperform.consensus.log.fsck import Fsck
from reperform.consensus.log.prover import Prover
from reperform.consensus.log.publisher import Publisher, read_published
from reperform.consensus.log.remote import Remote
from reperform.consensus.log.sequencer import create, sequencing
from reperform.consensus.log.service import create_app
from reperform.consensus.log.storage import Storage, StorageError
from reperform.consensus.service.quota import Buckets
from reperform.evidence.keyfile import KeyRing
from reperform.evidence.tlog.checkpoint import parse_checkpoint
from reperform.evidence.tlog.tiles import decode_bundle
from reperform.evidence.tlog.tree import check_inclusion, leaf_hash
from reperform.tests.log.conftest import ORIGIN
from reperform.tests.serving import serving

ENTRIES = [b"entry %d" % number for number in range(700)]


@pytest.fixture
def address(storage: Storage, keys: KeyRing) -> Iterator[str]:
    """A published log of three bundles."""
    create(storage, ORIGIN, keys.signing)
    with sequencing(storage, ORIGIN, keys.signing) as sequencer:
        publisher = Publisher(storage, [keys.signing], lambda: 1000)
        for first, last in ((0, 100), (100, 600), (600, 700)):
            sequencer.append(ENTRIES[first:last])
            publisher.publish(sequencer.checkpoint)
    with serving(create_app(storage, Buckets(10**6))) as served:
        yield served


def test_a_stranger_reads_the_whole_log_and_proves_entries_of_it(address: str) -> None:
    reader = Remote(address)
    note = read_published(reader)
    assert note is not None
    checkpoint = parse_checkpoint(note.text)
    fsck = Fsck(reader, checkpoint)
    assert list(fsck.entries()) == ENTRIES
    assert fsck.damages == []
    proof = Prover(reader).inclusion(321, 700)
    check_inclusion(leaf_hash(ENTRIES[321]), 321, 700, proof, checkpoint.root.value)


def test_tiles_never_change_and_the_checkpoint_does(address: str) -> None:
    checkpoint = httpx.get(f"{address}/checkpoint")
    assert checkpoint.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert checkpoint.headers["Cache-Control"] == "no-cache"
    for path in ("tile/0/000", "tile/0/002.p/188", "tile/1/000.p/2", "tile/entries/001", "tile/entries/002.p/188"):
        answer = httpx.get(f"{address}/{path}")
        assert answer.status_code == 200, path
        assert answer.headers["Content-Type"] == "application/octet-stream"
        assert "immutable" in answer.headers["Cache-Control"]
    assert len(httpx.get(f"{address}/tile/0/000").content) == 8192


def test_what_an_earlier_tree_had_is_served_out_of_the_full_tile(address: str) -> None:
    full = httpx.get(f"{address}/tile/0/000").content
    assert httpx.get(f"{address}/tile/0/000.p/100").content == full[: 100 * 32]
    assert decode_bundle(httpx.get(f"{address}/tile/entries/000.p/100").content) == tuple(ENTRIES[:100])


NOWHERE = (
    "", "tile", "tile/", "tile/0", "tile/0/", "tile/0/003", "tile/0/000/", "tile/00/000", "tile/0/0", "tile/0/0000",
    "tile/64/000", "tile/-1/000", "tile/0/x000/000", "tile/0/000.p/0", "tile/0/000.p/256", "tile/0/000.p/01",
    "tile/0/002.p/189", "tile/0/000.p/", "tile/0//000", "tile/0/%30%30%30", "tile/entries/", "tile/entries/000.p/+1",
    "staged", "staging", "staging/700", ".writer", "tile/../staged", "tile/%2e%2e/staged", "checkpoint/", "Checkpoint",
    "tile/data/000", "tile/0/000%00", "//tile/0/000",
)  # fmt: skip


def test_nothing_else_is_there(address: str) -> None:
    host, port = address.removeprefix("http://").split(":")
    for path in NOWHERE:
        with socket.create_connection((host, int(port))) as connection:  # a client would tidy the path up
            connection.sendall(f"GET /{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            answer = b"".join(iter(partial(connection.recv, 65536), b""))
        assert answer.startswith(b"HTTP/1.1 404 "), (path, answer[:200])
        assert b"immutable" not in answer


def test_it_is_read_only(address: str) -> None:
    assert httpx.head(f"{address}/checkpoint").status_code == 200
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert httpx.request(method, f"{address}/checkpoint", content=b"x").status_code == 405
        assert httpx.request(method, f"{address}/tile/0/000", content=b"x").status_code == 405


def test_a_storage_that_does_not_answer_is_not_a_log_without_tiles() -> None:
    class Broken:
        def read(self, path: str, limit: int) -> bytes | None:
            raise StorageError(f"{path} {limit}: /secret/place is gone")

    with serving(create_app(Broken(), Buckets(10**6))) as address:
        for path in ("checkpoint", "tile/0/000"):
            answer = httpx.get(f"{address}/{path}")
            assert answer.status_code == 503
            assert "secret" not in answer.text
            assert answer.headers["Cache-Control"] == "no-store"
