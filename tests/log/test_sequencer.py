"""Entries get places, and keep them: batches, crashes of the storage, two writers, full disks."""

from __future__ import annotations

import resource
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reperform.consensus.log.batches import Batches
from reperform.consensus.log.committed import STAGED, read_committed, sign_committed
from reperform.consensus.log.edge import Edge
from reperform.consensus.log.folder import FolderStorage
from reperform.consensus.log.fsck import Fsck
from reperform.consensus.log.prover import Prover
from reperform.consensus.log.publisher import Prove, Publisher, read_published
from reperform.consensus.log.sequencer import EntryRefusedError, Sequencer, create, sequencing
from reperform.consensus.log.storage import Storage, StorageError, SwappedError
from reperform.consensus.log.witnesses import Gathered
from reperform.evidence.digest import Digest
from reperform.evidence.errors import ReperformError
from reperform.evidence.keyfile import KeyRing
from reperform.evidence.tlog.checkpoint import Checkpoint, parse_checkpoint
from reperform.evidence.tlog.note import Note
from reperform.evidence.tlog.tiles import MAX_ENTRY, TILE, Tile
from reperform.evidence.tlog.tree import check_consistency, check_inclusion, leaf_hash, node_hash, root
from reperform.evidence.witnessed import NotWitnessedError
from reperform.tests.log.conftest import ORIGIN


def numbered(first: int, many: int) -> list[bytes]:
    """Entries unlike each other."""
    return [b"entry %d" % number for number in range(first, first + many)]


def read_slowly(entries: Sequence[bytes], level: int, index: int) -> bytes:
    """The hash of a complete subtree, by its definition."""
    if level == 0:
        return leaf_hash(entries[index])
    left, right = (read_slowly(entries, level - 1, 2 * index + side) for side in (0, 1))
    return node_hash(left, right)


def healthy(storage: Storage, checkpoint: Checkpoint) -> list[bytes]:
    """The entries of a log that has no damage."""
    fsck = Fsck(storage, checkpoint)
    entries = list(fsck.entries())
    assert fsck.damages == []
    return entries


@pytest.fixture
def made(storage: Storage, keys: KeyRing) -> Storage:
    """A log without entries."""
    create(storage, ORIGIN, keys.signing)
    return storage


@given(st.lists(st.integers(0, 600), max_size=6))
def test_an_edge_grown_in_any_steps_is_that_of_the_whole(steps: list[int]) -> None:
    edge, files = Edge(), dict[str, bytes]()
    for step in steps:
        edge, full = edge.grown(numbered(edge.size, step))
        assert not files.keys() & full.keys()
        files |= full
    whole, everything = Edge().grown(numbered(0, sum(steps)))
    assert files == everything
    assert edge.partial() == whole.partial()
    entries = numbered(0, edge.size)
    assert edge.root == root(edge.size, lambda level, index: read_slowly(entries, level, index))


def test_tiles_of_the_third_level_are_those_of_the_specification() -> None:
    edge, files = Edge().grown([b""] * 70_000)  # the example of c2sp.org/tlog-tiles
    hashes = [path for path in files if not path.startswith("tile/entries")]
    assert len([path for path in hashes if path.startswith("tile/0/")]) == 273
    assert [path for path in hashes if path.startswith("tile/1/")] == ["tile/1/000"]
    assert sorted(edge.partial()) == ["tile/0/273.p/112", "tile/1/001.p/17", "tile/2/000.p/1", "tile/entries/273.p/112"]


def test_entries_stand_where_append_says_and_prove_it(made: Storage, keys: KeyRing) -> None:
    with sequencing(made, ORIGIN, keys.signing) as sequencer:
        states = [sequencer.checkpoint]
        for many in (1, 254, 1, 1, 0, 300, 700):
            before = sequencer.checkpoint.size
            assert sequencer.append(numbered(before, many)) == range(before, before + many)
            states.append(sequencer.checkpoint)
    entries = healthy(made, states[-1])
    assert entries == numbered(0, 1257)
    prover = Prover(made)
    for state in states:
        hashes = prover.consistency(state.size, 1257)
        check_consistency(state.size, state.root.value, 1257, states[-1].root.value, hashes)
        for index in {0, state.size // 2, state.size - 1} if state.size else set():
            proof = prover.inclusion(index, state.size)
            check_inclusion(leaf_hash(entries[index]), index, state.size, proof, state.root.value)
    assert list(prover.entries(250, 300)) == entries[250:300]


def test_a_writer_goes_on_where_the_one_before_it_ended(made: Storage, keys: KeyRing) -> None:
    for first in range(0, 900, 100):
        with sequencing(made, ORIGIN, keys.signing) as sequencer:
            assert sequencer.append(numbered(first, 100)) == range(first, first + 100)
    assert healthy(made, sequencer.checkpoint) == numbered(0, 900)


def test_partial_tiles_are_gone_when_the_full_one_is_there_and_staging_when_it_is_applied(
    made: Storage, keys: KeyRing
) -> None:
    with sequencing(made, ORIGIN, keys.signing) as sequencer:
        for many in (100, 100, 100):
            sequencer.append(numbered(sequencer.checkpoint.size, many))
    assert [*made.list("tile/0/000.p"), *made.list("tile/entries/000.p")] == []
    assert list(made.list("tile/0/001.p")) == ["tile/0/001.p/44"]
    assert list(made.list("staging")) == []
    # A reader of an earlier checkpoint gets what it asks for all the same.
    data = Prover(made).file(Tile(0, 0, 100))
    assert data == b"".join(map(leaf_hash, numbered(0, 100)))


def test_a_batch_that_is_too_large_for_one_is_several(made: Storage, keys: KeyRing) -> None:
    entries = [bytes([number % 256]) * MAX_ENTRY for number in range(500)]
    with sequencing(made, ORIGIN, keys.signing) as sequencer:
        assert sequencer.append(entries) == range(500)
    assert healthy(made, sequencer.checkpoint) == entries


def test_an_entry_that_is_too_long_is_refused_and_none_with_it_is_taken(made: Storage, keys: KeyRing) -> None:
    with sequencing(made, ORIGIN, keys.signing) as sequencer:
        with pytest.raises(EntryRefusedError, match="entry 1 of these has 65536 bytes; the limit is 65535"):
            sequencer.append([b"short", bytes(MAX_ENTRY + 1)])
        assert sequencer.append([bytes(MAX_ENTRY)]) == range(1)


def test_an_appender_learns_which_of_its_entries_are_there(made: Storage, keys: KeyRing) -> None:
    with sequencing(made, ORIGIN, keys.signing) as sequencer:
        sequencer.append([*numbered(0, 600), b"twice", b"twice"])
    prover, wanted = Prover(made), [*map(leaf_hash, (b"entry 3", b"entry 300", b"entry 599", b"twice", b"nowhere"))]
    assert list(prover.find(wanted, 0, 602).values()) == [3, 300, 599, 600]
    assert list(prover.find(wanted, 301, 602).values()) == [599, 600]
    assert list(prover.find(wanted, 601, 602).values()) == [601]
    assert prover.find(wanted, 602, 602) == {}


def test_there_is_one_log_in_one_place(made: Storage, keys: KeyRing) -> None:
    with pytest.raises(StorageError, match="there is a log already"):
        create(made, ORIGIN, keys.signing)


def test_a_log_is_taken_up_under_its_own_name_and_key_alone(made: Storage, keys: KeyRing) -> None:
    with pytest.raises(StorageError, match=r"not other\.example"):
        Sequencer(made, "other.example", keys.signing)
    with pytest.raises(StorageError, match="with a key that the roster names"):
        Sequencer(made, ORIGIN, KeyRing.generate().signing)


def test_a_new_key_goes_on_with_what_the_one_before_it_committed(made: Storage, keys: KeyRing) -> None:
    with sequencing(made, ORIGIN, keys.signing) as sequencer:
        sequencer.append(numbered(0, 300))
    new = KeyRing.generate().signing
    for former in ([keys.signing.public], []):  # it is its own now
        with sequencing(made, ORIGIN, new, former) as sequencer:
            sequencer.append(numbered(sequencer.checkpoint.size, 300))
    assert healthy(made, sequencer.checkpoint) == numbered(0, 900)


def test_who_can_write_to_the_storage_cannot_have_the_log_sign_a_tree_of_theirs(made: Storage, keys: KeyRing) -> None:
    data, _ = read_committed(made, ORIGIN, [keys.signing.public])
    forged = Checkpoint(f"{ORIGIN}/{STAGED}", 7, Digest(bytes(32))).text()
    made.swap(STAGED, data, Note(forged, Note.parse(data).signatures).to_bytes())
    with pytest.raises(ReperformError, match="does not verify"):
        Sequencer(made, ORIGIN, keys.signing)


def test_files_that_are_not_those_of_the_committed_tree_stop_the_writer(made: Storage, keys: KeyRing) -> None:
    with sequencing(made, ORIGIN, keys.signing) as sequencer:
        sequencer.append(numbered(0, 10))
    made.write({"tile/entries/000.p/10": b"\x00\x01x" * 10})
    with pytest.raises(StorageError, match="reperform log fsck"):
        Sequencer(made, ORIGIN, keys.signing)


def test_a_writer_past_the_lock_loses_the_swap_and_harms_nothing(made: Storage, keys: KeyRing) -> None:
    zombie, writer = Sequencer(made, ORIGIN, keys.signing), Sequencer(made, ORIGIN, keys.signing)
    writer.append(numbered(0, 300))
    for _ in range(2):
        with pytest.raises(SwappedError):
            zombie.append([b"of the zombie"])
    writer.append(numbered(300, 300))
    assert healthy(made, writer.checkpoint) == numbered(0, 600)
    with sequencing(made, ORIGIN, keys.signing):  # tidies up
        assert list(made.list("staging")) == []


class Failing:
    """A storage that fails, when it is told to, in one of its methods: before or after it has done what it should."""

    def __init__(self, storage: Storage, name: str, when: str, path: str = "") -> None:
        self.storage, self.name, self.when, self.path, self.fails = storage, name, when, path, False

    def __getattr__(self, name: str) -> object:
        genuine = getattr(self.storage, name)
        if name != self.name:
            return genuine

        def failing(first: str | Mapping[str, bytes], *rest: bytes) -> object:
            fails = self.fails and any(
                each.startswith(self.path) for each in ([first] if isinstance(first, str) else first)
            )
            answer = genuine(first, *rest) if not fails or self.when == "after" else None
            if fails:
                raise StorageError("no answer")
            return answer

        return failing


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("name", "path"), [("write", "staging/"), ("swap", STAGED)])
def test_a_failure_before_the_entries_are_committed_is_told_and_the_writer_goes_on(
    made: Storage, keys: KeyRing, name: str, path: str, when: str
) -> None:
    failing = Failing(made, name, when, path)
    writer = Sequencer(failing, ORIGIN, keys.signing)  # type: ignore[arg-type]
    writer.append(numbered(0, 200))
    failing.fails = True
    with pytest.raises(StorageError, match="no answer"):
        writer.append(numbered(200, 100))
    failing.fails = False
    there = Prover(made).find(map(leaf_hash, numbered(200, 100)), 200, writer.checkpoint.size)  # type: ignore[arg-type]
    assert len(there) == (100 if (name, when) == ("swap", "after") else 0)
    writer.append([entry for entry in numbered(200, 100) if leaf_hash(entry) not in there])
    assert healthy(made, writer.checkpoint) == numbered(0, 300)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("name", "path"), [("write", "tile/"), ("delete", "staging/"), ("list", "tile/")])
def test_a_failure_after_the_entries_are_committed_takes_nothing_back(
    made: Storage, keys: KeyRing, name: str, path: str, when: str
) -> None:
    failing = Failing(made, name, when, path)
    writer = Sequencer(failing, ORIGIN, keys.signing)  # type: ignore[arg-type]
    writer.append(numbered(0, 200))
    failing.fails = True
    assert writer.append(numbered(200, 100)) == range(200, 300)
    with pytest.raises(StorageError, match="no answer"):
        writer.append(numbered(300, 1))
    with pytest.raises(StorageError, match="no answer"):
        _ = writer.checkpoint  # nothing is published whose files are not there
    failing.fails = False
    assert writer.append(numbered(300, 100)) == range(300, 400)
    assert healthy(made, writer.checkpoint) == numbered(0, 400)


def test_a_stalled_writer_that_applies_late_harms_nothing(made: Storage, keys: KeyRing) -> None:
    stalled = Failing(made, "write", "before", "tile/")
    zombie = Sequencer(stalled, ORIGIN, keys.signing)  # type: ignore[arg-type]
    stalled.fails = True
    zombie.append(numbered(0, 100))  # committed, and not applied
    writer = Sequencer(made, ORIGIN, keys.signing)
    writer.append(numbered(100, 500))
    stalled.fails = False
    assert zombie.checkpoint.size == 100
    assert healthy(made, writer.checkpoint) == numbered(0, 600)


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file of this process can become larger: what a full disk is to a writer."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_without_room_is_told_and_loses_nothing(tmp_path: Path, keys: KeyRing) -> None:
    storage = FolderStorage(tmp_path / "log")
    create(storage, ORIGIN, keys.signing)
    with sequencing(storage, ORIGIN, keys.signing) as sequencer:
        sequencer.append(numbered(0, 300))
        with largest_file(10_000), pytest.raises(StorageError, match="has room"):
            sequencer.append([bytes(1000)] * 100)
        assert storage.list(".unfinished") == []
        with largest_file(100_000):
            assert sequencer.append([bytes(100)]) == range(300, 301)
    assert healthy(storage, sequencer.checkpoint) == [*numbered(0, 300), bytes(100)]


def test_threads_share_batches_and_each_learns_its_own_places(made: Storage, keys: KeyRing) -> None:
    calls: list[int] = []
    with sequencing(made, ORIGIN, keys.signing) as sequencer:

        def counting(entries: Sequence[bytes]) -> range:
            calls.append(len(entries))
            return sequencer.append(entries)

        with Batches(counting) as batches, ThreadPoolExecutor(20) as pool:
            told = list(pool.map(lambda number: batches.submit(numbered(number * 10, 10)).result(), range(60)))
            with pytest.raises(EntryRefusedError):
                batches.submit([bytes(MAX_ENTRY + 1)])
    entries = healthy(made, sequencer.checkpoint)
    assert [entries[place.start : place.stop] for place in told] == [numbered(n * 10, 10) for n in range(60)]
    assert sum(calls) == 600
    assert len(calls) < 60


def test_who_waits_for_a_batch_is_told_that_it_failed() -> None:
    def failing(_: Sequence[bytes]) -> range:
        raise StorageError("no room")

    with Batches(failing, delay=0) as batches:
        waiting = batches.submit([b"x"])
        with pytest.raises(StorageError, match="no room"):
            waiting.result()


class Cosigners:
    """Witnesses that are enough, or not."""

    enough = False

    def cosign(self, note: Note, prove: Prove) -> Gathered:  # noqa: ARG002  # they look at nothing
        return Gathered((), self.enough, {"https://witness.example": "it is closed"})


def test_a_checkpoint_without_enough_witnesses_is_not_published_and_entries_are_taken_all_the_same(
    made: Storage, keys: KeyRing
) -> None:
    witnesses = Cosigners()
    publisher = Publisher(made, [keys.signing], lambda: 1000, witnesses)
    with sequencing(made, ORIGIN, keys.signing) as sequencer:
        sequencer.append(numbered(0, 3))
        with pytest.raises(NotWitnessedError, match=r"witness.example: it is closed"):
            publisher.publish(sequencer.checkpoint)
        assert read_published(made) is None
        witnesses.enough = True
        assert parse_checkpoint(publisher.publish(sequencer.checkpoint).text).size == 3
        witnesses.enough = False
        assert sequencer.append(numbered(3, 3)) == range(3, 6)
        with pytest.raises(NotWitnessedError):
            publisher.publish(sequencer.checkpoint)
    shown = read_published(made)
    assert shown is not None
    assert parse_checkpoint(shown.text).size == 3


def test_a_smaller_checkpoint_is_never_published_again(made: Storage, keys: KeyRing) -> None:
    publisher = Publisher(made, [keys.signing], lambda: 1000)
    with sequencing(made, ORIGIN, keys.signing) as sequencer:
        small = sequencer.checkpoint
        sequencer.append(numbered(0, TILE))
        publisher.publish(sequencer.checkpoint)
    assert parse_checkpoint(publisher.publish(small).text).size == TILE


def test_a_committed_tree_is_no_checkpoint(keys: KeyRing) -> None:
    note = Note.parse(sign_committed(Checkpoint(ORIGIN, 7, Digest(bytes(32))), keys.signing))
    assert parse_checkpoint(note.text).origin != ORIGIN
