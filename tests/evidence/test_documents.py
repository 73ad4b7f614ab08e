"""Reading documents: every field there, none unknown, every type exact, and the error names the place."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reperform.evidence.ballot import Reason, Result, Vote
from reperform.evidence.digest import Digest
from reperform.evidence.documents import from_bytes, to_bytes
from reperform.evidence.encoding import MalformedError, decode, encode
from reperform.evidence.errors import ReperformError
from reperform.evidence.pack import Pack
from reperform.evidence.receipt import (
    Abandonment,
    AbandonReason,
    DecisionFile,
    Opening,
    Receipt,
    parse_input,
)
from reperform.evidence.roster import Roster
from reperform.evidence.tlog.checkpoint import Checkpoint
from reperform.evidence.values import Entry, Output, Record, Tensor, Text
from reperform.tests.evidence.scene import INPUT, MANIFEST, OUTPUT, Scene, upheld


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, slots=True)
class Leaf:
    KIND: ClassVar[str] = "leaf/v1"
    number: int


@dataclass(frozen=True, slots=True)
class Other:
    KIND: ClassVar[str] = "other/v1"
    text: str


@dataclass(frozen=True, slots=True)
class Tree:
    """Every kind of field that the codec knows."""

    KIND: ClassVar[str] = "tree/v1"
    data: bytes
    text: str
    number: int
    flag: bool
    name: Digest
    colour: Colour
    leaf: Leaf
    leaves: tuple[Leaf, ...]
    either: Leaf | Other
    maybe_digest: Digest | None
    maybe_colour: Colour | None
    maybe_leaf: Leaf | None
    maybe_list: tuple[int, ...] | None


TEXT = st.text(st.characters(codec="utf-8"))
DIGESTS = st.binary(min_size=32, max_size=32).map(Digest)
INTEGERS = st.integers(-(2**63), 2**64 - 1)
LEAVES = st.builds(Leaf, INTEGERS)
TREES = st.builds(
    Tree,
    data=st.binary(),
    text=TEXT,
    number=INTEGERS,
    flag=st.booleans(),
    name=DIGESTS,
    colour=st.sampled_from(Colour),
    leaf=LEAVES,
    leaves=st.lists(LEAVES, max_size=3).map(tuple),
    either=LEAVES | st.builds(Other, TEXT),
    maybe_digest=st.none() | DIGESTS,
    maybe_colour=st.none() | st.sampled_from(Colour),
    maybe_leaf=st.none() | LEAVES,
    maybe_list=st.none() | st.lists(INTEGERS, max_size=3).map(tuple),
)
TREE = Tree(
    b"d", "t", 1, True, Digest(bytes(32)), Colour.RED, Leaf(1), (Leaf(2),), Other("o"), None, Colour.BLUE, None, (3,)
)


@given(TREES)
def test_a_document_reads_back_equal_and_with_the_same_bytes(tree: Tree) -> None:
    again = from_bytes(Tree, to_bytes(tree))
    assert again == tree
    assert to_bytes(again) == to_bytes(tree)


def _changed(**changes: Any) -> bytes:
    body: Any = decode(to_bytes(TREE))
    return encode({k: v for k, v in {**body, **changes}.items() if v is not ...})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"number": ...}, "tree lacks ['number'] and has unknown []"),
        ({"extra": 1}, "tree lacks [] and has unknown ['extra']"),
        ({"number": ..., "numbers": 1}, "tree lacks ['number'] and has unknown ['numbers']"),
        ({"kind": "tree/v2"}, "tree is of kind 'tree/v2', expected tree/v1"),
        ({"kind": None}, "tree is of kind absent, expected tree/v1"),
        ({"kind": b"tree/v1"}, "tree is of kind bytes, expected tree/v1"),
        ({"kind": ...}, "tree is of kind absent, expected tree/v1"),
        ({"number": True}, "tree.number is bool, expected int"),
        ({"number": "1"}, "tree.number is str, expected int"),
        ({"number": None}, "tree.number is absent, expected int"),
        ({"flag": 1}, "tree.flag is int, expected bool"),
        ({"data": "d"}, "tree.data is str, expected bytes"),
        ({"text": b"t"}, "tree.text is bytes, expected str"),
        ({"name": bytes(31)}, "tree.name: a digest is 32 bytes"),
        ({"name": "0" * 32}, "tree.name is str, expected bytes"),
        ({"colour": "green"}, "tree.colour is not one of red, blue"),
        ({"colour": b"red"}, "tree.colour is bytes, expected str"),
        ({"leaf": 1}, "tree.leaf is int, expected dict"),
        ({"leaf": {"kind": "leaf/v1", "number": None}}, "tree.leaf.number is absent, expected int"),
        ({"leaf": {"kind": "other/v1", "text": ""}}, "tree.leaf is of kind 'other/v1', expected leaf/v1"),
        ({"leaves": {}}, "tree.leaves is dict, expected list"),
        ({"leaves": [{"kind": "leaf/v1", "number": ""}]}, "tree.leaves[0].number is str, expected int"),
        ({"either": {"kind": "tree/v1"}}, "tree.either is of kind 'tree/v1', expected leaf/v1 or other/v1"),
        ({"either": {"kind": ["leaf/v1"]}}, "tree.either is of kind list, expected leaf/v1 or other/v1"),
        ({"either": None}, "tree.either is absent, which it cannot be"),
        ({"maybe_digest": "x"}, "tree.maybe_digest is str, which it cannot be"),
        ({"maybe_digest": b"x"}, "tree.maybe_digest: a digest is 32 bytes"),
        ({"maybe_colour": "green"}, "tree.maybe_colour is not one of red, blue"),
        ({"maybe_colour": 1}, "tree.maybe_colour is int, which it cannot be"),
        ({"maybe_leaf": []}, "tree.maybe_leaf is list, which it cannot be"),
        ({"maybe_list": [True]}, "tree.maybe_list[0] is bool, expected int"),
    ],
)
def test_a_field_that_is_not_as_declared_is_refused_and_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(MalformedError) as caught:
        from_bytes(Tree, _changed(**changes))
    assert caught.value.cause == message


@pytest.mark.parametrize("data", [b"\xc0", b"\x90", b"\x01", b"\xa1a", b"\x80"])
def test_a_value_that_is_no_document_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedError, match="tree is"):
        from_bytes(Tree, data)


def test_an_error_stays_short_however_much_is_wrong() -> None:
    body = {f"unknown {i}" + "x" * 1000: None for i in range(1000)}
    with pytest.raises(MalformedError) as caught:
        from_bytes(Leaf, encode({"kind": "leaf/v1", **body}))
    assert len(str(caught.value)) < 500
    assert "997" not in str(caught.value)
    assert "996 more" in str(caught.value)
    with pytest.raises(MalformedError) as caught:
        from_bytes(Leaf, encode({"kind": "k" * 100_000}))
    assert len(str(caught.value)) < 200


def test_what_cannot_stand_in_a_document_is_refused_when_it_is_written() -> None:
    for wrong in (1.5, [1], {"a": 1}, object()):
        with pytest.raises(MalformedError, match="cannot stand in a document"):
            to_bytes(Other(wrong))  # type: ignore[arg-type]


STORY = upheld()
ABANDONED = Abandonment(bytes(16), Digest(bytes(32)), 1, AbandonReason.CRASHED, Digest(bytes(32)), 1, None)
OPENING = Opening(INPUT, bytes(32), OUTPUT, bytes(32))
EXAMPLES: list[tuple[Any, bytes]] = [
    (Pack, to_bytes(STORY.pack(disclosure=STORY.disclosure()))),
    (Roster, to_bytes(STORY.scene.roster)),
    (Receipt, to_bytes(STORY.scene.receipt(checkpoint=Checkpoint("log", 9, Digest(bytes(32)))))),
    (Abandonment, to_bytes(ABANDONED)),
    (Vote, STORY.votes[0].payload),
    (DecisionFile, to_bytes(DecisionFile(STORY.receipt, OPENING))),
    (Output, OUTPUT),
    (type(MANIFEST), to_bytes(MANIFEST)),
]


@pytest.mark.parametrize(("cls", "data"), EXAMPLES, ids=lambda x: x.__name__ if isinstance(x, type) else "")
@given(st.data())
def test_a_damaged_document_raises_nothing_but_the_projects_own_errors(
    cls: type[Any], data: bytes, draw: st.DataObject
) -> None:
    damaged = bytearray(data)
    for _ in range(draw.draw(st.integers(1, 3))):
        at = draw.draw(st.integers(0, len(damaged)))
        damaged[at : at + draw.draw(st.integers(0, 3))] = draw.draw(st.binary(max_size=3))
    try:
        document = from_bytes(cls, bytes(damaged))
    except ReperformError:
        return
    assert to_bytes(document) == damaged


@given(st.recursive(st.none() | INTEGERS | TEXT | st.binary(), lambda i: st.lists(i) | st.dictionaries(TEXT, i)))
def test_any_value_that_only_claims_a_kind_is_refused(value: Any) -> None:
    for cls in (Record, Output, Tensor, Vote, Receipt, Roster, Pack):
        body = {**value, "kind": cls.KIND} if isinstance(value, dict) else value
        with pytest.raises(ReperformError):
            from_bytes(cls, encode(body))


def test_a_committed_input_is_a_record_or_a_text_and_nothing_else() -> None:
    assert parse_input(to_bytes(Text("words"))) == Text("words")
    assert parse_input(to_bytes(Record((Entry("a", "1"),)))) == Record((Entry("a", "1"),))
    with pytest.raises(MalformedError, match="expected record/v1 or text/v1"):
        parse_input(OUTPUT)


@pytest.mark.parametrize("reason", list(Reason))
def test_a_vote_with_a_reason_can_be_read_by_others(reason: Reason) -> None:
    scene = Scene()
    story = scene.story({name: scene.result(name, None) for name in scene.voters})
    envelope = story.vote(scene.voters[0], reason=reason)
    vote = envelope.parse(Vote)
    assert vote.reason is reason
    assert isinstance(vote.result, Result)
