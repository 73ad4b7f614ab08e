"""Replayers work blind: before the list of ballots is closed nothing lets them learn the claimed output."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest
from reperform.consensus.docket import Slot
from reperform.consensus.filer import FiledDecision, Filer
from reperform.evidence.case import PanelOpening, Release
from reperform.evidence.digest import Digest
from reperform.evidence.documents import from_bytes, to_bytes
from reperform.evidence.dsse import Envelope
from reperform.evidence.lists import BallotList
from reperform.evidence.sealing import Purpose, SealBrokenError
from reperform.evidence.values import DType, Output, Tensor
from reperform.replayer.node import Node
from reperform.tests.protocol.play import edited
from reperform.tests.world import DOCKET, PANEL, World, model

INPUT_MARKER = "731942.68"
OUTPUT_MARKER = b"MARKER-OF-THE-OUTPUT-0123456789."


def marked(_: bytes) -> Output:
    """A false answer that is easily found again."""
    return Output("a marked decision", (Tensor("score", DType.F32, (8,), OUTPUT_MARKER),))


def everything(world: World) -> bytes:
    """All bytes of the docket's folder, and all names in it."""
    paths = sorted((world.folder / "docket").rglob("*"))
    return b"\n".join(str(path).encode() + b"\n" + (path.read_bytes() if path.is_file() else b"") for path in paths)


def until_closed(world: World, filed: FiledDecision, filer: Filer, nodes: list[Node]) -> Iterator[None]:
    """Step by step, for as long as the list of ballots is open."""
    for turn in itertools.count():
        who = turn % (len(nodes) + 2)
        if who == 0:
            world.keeper.step(world.now)
        elif who == 1:
            filer.step(world.proceeding(filed.filing_id))
        else:
            nodes[who - 2].step(world.now)
        if world.proceeding(filed.filing_id).ballot_list is not None:
            return
        yield


def sealed_for(world: World, filed: FiledDecision, name: str) -> Iterator[bytes]:
    """Everything in the docket that a party can open with its key, in any place that the protocol knows."""
    proceeding = world.proceeding(filed.filing_id)
    if proceeding.case is None:
        return
    contexts = [proceeding.case_id.value, proceeding.filing_id.value, filed.decision.receipt.payload[:16]]
    contexts += [e.parse(BallotList).list_id.value for e in world.docket.read(filed.filing_id)[Slot.BALLOT_LIST]]
    messages = [
        *(() if proceeding.openings is None else proceeding.openings.document.sealed),
        *(() if proceeding.release is None else proceeding.release.document.sealed),
    ]
    for message, purpose, context in itertools.product(messages, Purpose, contexts):
        try:
            yield world.rings[name].sealing.open(message.ciphertext, purpose=purpose, context=context)
        except SealBrokenError:
            continue


def test_before_the_ballots_are_closed_the_docket_holds_neither_output_nor_key(world: World) -> None:
    filed, filer = world.file(world.decision(marked, INPUT_MARKER))
    opening = filed.decision.opening
    secrets = (opening.output, opening.output_key, OUTPUT_MARKER, b"a marked decision", INPUT_MARKER.encode())
    steps = 0
    for _ in until_closed(world, filed, filer, world.nodes()):
        steps += 1
        held = everything(world)
        assert not [secret for secret in secrets if secret in held or secret.hex().encode() in held]
        for name in (*PANEL, DOCKET):
            for message in sealed_for(world, filed, name):
                assert not [secret for secret in secrets[:4] if secret in message]
    assert steps >= 5


def test_what_a_panel_member_opens_is_input_and_keys_and_nothing_else(world: World) -> None:
    filed, filer = world.file(world.decision())
    for _ in until_closed(world, filed, filer, world.nodes()):
        pass
    opening = filed.decision.opening
    for name in PANEL:
        (message,) = sealed_for(world, filed, name)
        opened = from_bytes(PanelOpening, message)
        assert opened == PanelOpening(opening.input, opening.input_key, filed.panel_key)
        assert message == to_bytes(opened)


def test_a_panel_member_can_open_only_what_is_its_own(world: World) -> None:
    filed, filer = world.file(world.decision())
    for _ in range(3):
        world.round(filed.filing_id, filer, world.nodes())
    for name in PANEL:
        # The panel opening, and the output's key once the list is closed.
        assert len(list(sealed_for(world, filed, name))) == 2
    assert list(sealed_for(world, filed, DOCKET)) == []


def test_the_key_is_released_only_to_those_with_a_ballot_on_the_list(world: World) -> None:
    filed, filer = world.file(world.decision())
    nodes = world.nodes()[:2]
    for _ in until_closed(world, filed, filer, nodes):
        world.now += 300
    filer.step(world.proceeding(filed.filing_id))
    release = world.proceeding(filed.filing_id).release
    assert release is not None
    assert {s.recipient for s in release.document.sealed} == {
        world.rings[name].signing.public.key_id for name in PANEL[:2]
    }
    late = list(sealed_for(world, filed, PANEL[2]))
    assert not [message for message in late if filed.decision.opening.output_key in message]


def test_a_release_for_one_list_does_not_open_under_another(world: World) -> None:
    filed, filer = world.file(world.decision())
    for _ in range(3):
        proceeding = world.round(filed.filing_id, filer, world.nodes())
    assert proceeding.release is not None
    (mine,) = [
        s for s in proceeding.release.document.sealed if s.recipient == world.rings[PANEL[0]].signing.public.key_id
    ]
    key = world.rings[PANEL[0]].sealing
    listed = proceeding.matter().ballots
    assert (
        key.open(mine.ciphertext, purpose=Purpose.OUTPUT_KEY, context=listed.list_id.value)
        == filed.decision.opening.output_key
    )
    other = BallotList(listed.case, listed.ballots, listed.closed + 1)
    with pytest.raises(SealBrokenError):
        key.open(mine.ciphertext, purpose=Purpose.OUTPUT_KEY, context=other.list_id.value)


def test_ballots_of_equal_findings_do_not_look_alike(world: World) -> None:
    filed, filer = world.file(world.decision())
    for _ in until_closed(world, filed, filer, world.nodes()):
        pass
    ballots = world.proceeding(filed.filing_id).ballots
    assert len({signed.document.commitment for signed in ballots}) == len(ballots) == 3


def test_the_same_decision_disputed_twice_gives_other_tags(world: World) -> None:
    """Or a replayer could take its result in the second case from what the others said in the first."""
    decision, results = world.decision(), []
    for _ in range(2):
        filed, filer = world.file(decision)
        nodes = world.nodes()
        for _ in range(5):
            proceeding = world.round(filed.filing_id, filer, nodes)
        results.append({(s.document.result.answer, s.document.result.trace) for s in proceeding.votes})
    first, second = results
    assert len(first) == len(second) == 1
    for (answer, trace), (other_answer, other_trace) in zip(first, second, strict=True):
        assert answer != other_answer
        assert trace != other_trace


@pytest.mark.parametrize("answer", [model, marked, edited])
def test_after_the_case_nothing_of_input_or_output_stands_in_the_docket_in_the_clear(
    world: World, answer: Callable[[bytes], Output]
) -> None:
    filed, filer = world.file(world.decision(answer, INPUT_MARKER))
    nodes = world.nodes()
    for _ in range(6):
        proceeding = world.round(filed.filing_id, filer, nodes)
    assert len(proceeding.attestations) == 3
    opening, own = filed.decision.opening, model(filed.decision.opening.input)
    assert own.decision is not None
    held = everything(world)
    for secret in (
        INPUT_MARKER.encode(),
        opening.input,
        opening.input_key,
        opening.output,
        opening.output_key,
        filed.panel_key,
        OUTPUT_MARKER,
        to_bytes(own),
        b"a marked decision",
        own.decision.encode(),
        b"income",
    ):
        assert secret not in held
        assert secret.hex().encode() not in held


def test_the_markers_would_be_found_if_they_were_there(world: World) -> None:
    filed, _ = world.file(world.decision(marked, INPUT_MARKER))
    before = everything(world)
    release = Release(Digest(bytes(32)), Digest(bytes(32)), ())
    leak = Envelope.sign(release, [world.filer_keys.signing])
    leaked = Envelope(leak.payload_type, leak.payload + filed.decision.opening.output, leak.signatures)
    world.docket.post(filed.filing_id, {Slot.RELEASE: leaked})
    assert OUTPUT_MARKER not in before
    assert OUTPUT_MARKER in everything(world)
