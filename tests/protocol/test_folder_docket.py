"""Whoever can write into a shared folder can fill it with junk. That must stop nobody."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Callable
from pathlib import Path

import pytest
from reperform.consensus.docket import DocketError, Slot
from reperform.consensus.folder import MAX_DOCUMENTS, SUFFIX, FolderDocket
from reperform.evidence.documents import to_bytes
from reperform.evidence.dsse import Envelope
from reperform.evidence.keyfile import KeyRing
from reperform.evidence.roster import Node as Member
from reperform.evidence.tally import Verdict
from reperform.tests.protocol.play import documents, edited, settle, verdict_of, verified
from reperform.tests.world import World


def _random(path: Path) -> None:
    path.write_bytes(secrets.token_bytes(300))


def _empty(path: Path) -> None:
    path.touch()


def _closed(path: Path) -> None:
    path.write_bytes(b"not for you")
    path.chmod(0)


def _dangling(path: Path) -> None:
    path.symlink_to(path.with_name("nowhere"))


def _endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2**40)  # no bytes on disk; more than any memory


def _foreign(path: Path) -> None:
    stranger = KeyRing.generate()
    path.write_bytes(to_bytes(Envelope.sign(Member.of("stranger", stranger), stranger.signers)))


JUNK: dict[str, Callable[[Path], None]] = {
    "random bytes": _random,
    "an empty file": _empty,
    "a file that is closed to us": _closed,
    "a folder": Path.mkdir,
    "a pipe that never ends": os.mkfifo,
    "a link to nothing": _dangling,
    "a link to an endless device": _endless,
    "a stranger's envelope": _foreign,
}


def litter(world: World, filing: object, junk: Callable[[Path], None]) -> None:
    """Put one piece of junk into every slot, and beside them."""
    for slot in Slot:
        place = world.folder / "docket" / str(filing) / slot
        place.mkdir(parents=True, exist_ok=True)
        junk(place / f"0{SUFFIX}")
        junk(place / f"{secrets.token_hex(32)}{SUFFIX}")


@pytest.mark.parametrize("junk", JUNK.values(), ids=JUNK.keys())
def test_junk_in_every_slot_stops_nobody(world: World, junk: Callable[[Path], None]) -> None:
    filed, filer = world.file(world.decision())
    litter(world, filed.filing_id, junk)
    proceeding = settle(world, filed.filing_id, filer, world.nodes())
    assert verified(world, proceeding, filed).verdict is Verdict.UPHELD


def test_a_huge_file_is_not_read_into_memory(world: World) -> None:
    filed, _ = world.file(world.decision())
    place = world.folder / "docket" / str(filed.filing_id) / Slot.CASE
    place.mkdir()
    _huge(place / f"0{SUFFIX}")
    assert world.docket.read(filed.filing_id)[Slot.CASE] == ()


def test_things_that_are_no_filings_are_passed_over(world: World) -> None:
    docket = world.folder / "docket"
    (docket / "README").write_text("hello")
    (docket / secrets.token_hex(32)).write_bytes(b"a file where a filing would be")
    (docket / secrets.token_hex(32)).mkdir()
    (docket / secrets.token_hex(32).upper()).mkdir()
    filed, filer = world.file(world.decision(edited))
    proceeding = settle(world, filed.filing_id, filer, world.nodes())
    assert verdict_of(proceeding) is Verdict.REFUTED
    assert len(world.keeper.step(world.now)) == 2  # two names of filings without one


def test_documents_of_other_slots_and_other_filings_count_for_nothing(world: World) -> None:
    nodes = world.nodes()
    first, first_filer = world.file(world.decision(edited, income="1"))
    settle(world, first.filing_id, first_filer, nodes)
    posted = [envelope for slot in Slot for envelope in world.docket.read(first.filing_id)[slot]]
    assert len(posted) > 15
    second, second_filer = world.file(world.decision(income="2"))
    for slot in Slot:
        for envelope in posted:
            world.docket.post(second.filing_id, {slot: envelope})
    proceeding = settle(world, second.filing_id, second_filer, nodes)
    assert verified(world, proceeding, second).verdict is Verdict.UPHELD
    assert len(proceeding.refused) > 100


def test_a_copy_under_another_name_is_the_same_document(world: World) -> None:
    filed, filer = world.file(world.decision())
    nodes = world.nodes()
    for _ in range(6):
        for path in sorted(documents(world)):
            if not path.name.startswith("copy"):
                path.with_name(f"copy-of-{path.name}").write_bytes(path.read_bytes())
        proceeding = world.round(filed.filing_id, filer, nodes)
    assert verified(world, proceeding, filed).verdict is Verdict.UPHELD
    assert len(proceeding.ballots) == 3


@pytest.mark.parametrize("content", [b"", b"junk"])
def test_who_squats_on_a_documents_name_does_not_keep_it_out(world: World, content: bytes) -> None:
    """The bank knows the receipt that will be filed, so it knows the name of its file."""
    decision = world.decision()
    filed, filer = world.file(decision)
    data = to_bytes(decision.receipt)
    path = world.folder / "docket" / str(filed.filing_id) / Slot.RECEIPT / f"{hashlib.sha256(data).hexdigest()}.dsse"
    assert path.read_bytes() == data
    path.write_bytes(content)
    filer.file()
    assert path.read_bytes() == data


@pytest.mark.parametrize("content", [b"", b"junk"])
def test_a_node_posts_again_what_was_damaged(world: World, content: bytes) -> None:
    filed, filer = world.file(world.decision())
    nodes = world.nodes()
    slots = world.folder / "docket" / str(filed.filing_id)
    for slot in (Slot.BALLOT, Slot.VOTE, Slot.ATTESTATION, Slot.SUMMARY):
        for _ in range(4):
            world.round(filed.filing_id, filer, nodes[:2] if slot is Slot.BALLOT else nodes)
            if any(slots.glob(f"{slot}/*.dsse")):
                break
        for path in sorted(slots.glob(f"{slot}/*.dsse"))[:1]:
            path.write_bytes(content)
    proceeding = settle(world, filed.filing_id, filer, nodes)
    assert verified(world, proceeding, filed).verdict is Verdict.UPHELD
    assert all(len(world.docket.read(filed.filing_id)[slot]) == 3 for slot in (Slot.BALLOT, Slot.ATTESTATION))


def test_a_half_written_file_is_never_read(world: World) -> None:
    """What a crash leaves behind lies beside, under a name that is no document's."""
    filed, filer = world.file(world.decision())
    for slot in Slot:
        place = world.folder / "docket" / str(filed.filing_id) / slot
        place.mkdir(exist_ok=True)
        (place / f".{'0' * 64}.0123456789abcdef").write_bytes(b"half")
    proceeding = settle(world, filed.filing_id, filer, world.nodes())
    assert proceeding.refused == ()
    assert verdict_of(proceeding) is Verdict.UPHELD


def test_posting_twice_is_posting_once(world: World) -> None:
    filed, filer = world.file(world.decision())
    before = {path: path.stat().st_mtime_ns for path in documents(world)}
    filer.file()
    assert {path: path.stat().st_mtime_ns for path in documents(world)} == before
    assert len(world.docket.read(filed.filing_id)[Slot.FILING]) == 1


def test_a_slot_that_is_flooded_is_an_error_and_not_a_long_wait(world: World) -> None:
    filed, _ = world.file(world.decision())
    other, filer = world.file(world.decision(income="2"))
    place = world.folder / "docket" / str(filed.filing_id) / Slot.VOTE
    place.mkdir()
    for i in range(MAX_DOCUMENTS + 1):
        (place / f"{i}{SUFFIX}").touch()
    with pytest.raises(DocketError, match=f"the limit is {MAX_DOCUMENTS}"):
        world.docket.read(filed.filing_id)[Slot.VOTE]
    ((name, _),) = world.keeper.step(world.now)
    assert name == filed.filing_id
    assert verdict_of(settle(world, other.filing_id, filer, world.nodes())) is Verdict.UPHELD


@pytest.mark.parametrize("slot", [Slot.RECEIPT, Slot.FILING])
def test_a_docket_that_cannot_be_written_says_so(world: World, slot: Slot) -> None:
    in_the_way = world.folder / "a file"
    in_the_way.write_bytes(b"")
    filed, _ = world.file(world.decision())
    with pytest.raises(DocketError, match=f"cannot take a {slot}"):
        FolderDocket(in_the_way).post(filed.filing_id, {slot: filed.filing})
    assert in_the_way.read_bytes() == b""


def test_a_folder_under_a_documents_name_is_an_error_of_the_docket(world: World) -> None:
    filed, _ = world.file(world.decision())
    name = hashlib.sha256(to_bytes(filed.filing)).hexdigest() + SUFFIX
    (world.folder / "docket" / str(filed.filing_id) / Slot.VOTE / name).mkdir(parents=True)
    with pytest.raises(DocketError, match="cannot take a vote"):
        world.docket.post(filed.filing_id, {Slot.VOTE: filed.filing})
    assert [path.name for path in (world.folder / "docket" / str(filed.filing_id) / Slot.VOTE).iterdir()] == [name]
