"""Answers: who may give them, about what, and that a bad one is a finding about one decision."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from reperform.consensus.audit.answers import answer_next, answering_keys, own_items
from reperform.evidence.audit.answers import (
    MAX_ANSWERS,
    Answer,
    Answers,
    Broken,
    NotHeld,
    open_answer,
    open_answers,
    receipt_in,
)
from reperform.evidence.audit.plan import Examination
from reperform.evidence.digest import Digest
from reperform.evidence.documents import from_bytes, to_bytes
from reperform.evidence.dsse import Envelope
from reperform.evidence.encoding import MalformedError
from reperform.evidence.errors import ReperformError
from reperform.evidence.keyfile import KeyRing
from reperform.evidence.keys import SignatureRefusedError
from reperform.evidence.receipt import DecisionFile
from reperform.evidence.roster import RosterRefusedError
from reperform.evidence.sealing import SealingKey
from reperform.tests.audit.bank import LEAD, SECOND, Bank
from reperform.tests.audit.scene import Scene
from reperform.tests.world import BANK


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """All of 40 decisions are drawn."""
    return Scene.of(tmp_path_factory.mktemp("world"), rate="0.02", confidence="0.99")


def finding(bank: Bank) -> Callable[[bytes], DecisionFile | NotHeld]:
    """What a bank holds that has all its files."""
    held = {receipt_in(to_bytes(file.receipt)).decision: file for file in bank.files.values()}
    return lambda decision: held.get(decision, NotHeld.NOT_KEPT)


def items(scene: Scene) -> list[tuple[int, bytes]]:
    return sorted(scene.population.receipts.items())


def sign(scene: Scene, answers: Answers, by: str = BANK) -> Envelope:
    return Envelope.sign(answers, scene.bank.world.rings[by].signers[:1])


def opened(scene: Scene, answer: Answer, by: str = LEAD) -> object:
    sealing = scene.bank.world.rings[by].sealing
    return open_answer(answer, scene.drawn, scene.population.receipts[answer.entry], sealing)


def test_what_is_held_reaches_the_lead_and_nobody_else(scene: Scene) -> None:
    keys = scene.bank.world.rings[BANK]
    envelope, document = answer_next(scene.drawn, items(scene), finding(scene.bank), keys)
    envelope = from_bytes(Envelope, to_bytes(envelope))
    answers = open_answers(envelope, scene.drawn, scene.population.receipts, scene.bank.rosters)
    assert answers == document.answers
    assert [answer.entry for answer in answers] == sorted(scene.population.receipts)
    assert len(answers) == 40
    for answer in answers:
        assert opened(scene, answer) == scene.bank.files[answer.entry]
        assert isinstance(opened(scene, answer, SECOND), Broken)


def test_an_opening_is_sealed_to_its_item_of_its_draw(scene: Scene) -> None:
    (first, _), (second, _), *_ = items(scene)
    closed = Broken("what was handed over does not open, or is no decision file", None)
    answer = Answer.opening(scene.drawn, first, scene.bank.files[first])
    assert opened(scene, answer) == scene.bank.files[first]
    assert opened(scene, replace(answer, entry=second)) == closed
    another = replace(scene.drawn, draw_id=Digest(bytes(32)))
    elsewhere = open_answer(answer, another, scene.population.receipts[first], scene.bank.world.rings[LEAD].sealing)
    assert elsewhere == closed


def test_what_does_not_open_its_receipt_is_reported_and_not_raised(scene: Scene) -> None:
    (first, _), (second, _), *_ = items(scene)
    good = scene.bank.files[first]
    other = Answer.opening(scene.drawn, first, scene.bank.files[second])
    edited = DecisionFile(good.receipt, replace(good.opening, output=b"another"))
    assert opened(scene, other) == Broken("the opening is of another receipt", scene.bank.files[second])
    cause = "the output is not the one that the receipt commits to"
    assert opened(scene, Answer.opening(scene.drawn, first, edited)) == Broken(cause, edited)
    for junk in (b"", b"junk", bytes(2000)):
        assert opened(scene, Answer(first, junk)) == Broken(
            "what was handed over does not open, or is no decision file", None
        )
    assert opened(scene, Answer(first, NotHeld.ERASED)) is NotHeld.ERASED


def test_only_the_operator_answers_and_only_about_this_draw(scene: Scene) -> None:
    def refused(answers: Answers, by: str, error: type[ReperformError], cause: str) -> None:
        with pytest.raises(error, match=cause):
            open_answers(sign(scene, answers, by), scene.drawn, scene.population.receipts, scene.bank.rosters)

    (entry, _), *_ = items(scene)
    bank = scene.bank.name(BANK)
    good = Answers(scene.drawn.draw_id, bank, (Answer(entry, NotHeld.ERASED),))
    open_answers(sign(scene, good), scene.drawn, scene.population.receipts, scene.bank.rosters)
    refused(replace(good, node=scene.bank.name(LEAD)), LEAD, RosterRefusedError, "not operator")
    refused(good, LEAD, SignatureRefusedError, "no say here")
    refused(replace(good, draw=Digest(bytes(32))), BANK, MalformedError, "another draw")
    stranger = replace(good, answers=(Answer(0, NotHeld.ERASED),))
    refused(stranger, BANK, MalformedError, "entry 0 was not drawn")


def test_an_envelope_has_64_answers_in_order_at_most() -> None:
    nothing = Digest(bytes(32))
    many = tuple(Answer(entry, NotHeld.ERASED) for entry in range(MAX_ANSWERS + 1))
    assert Answers(nothing, nothing, many[1:]).answers == many[1:]
    for wrong in (many, (many[1], many[0]), (many[0], many[0]), (Answer(-1, NotHeld.ERASED),)):
        with pytest.raises(MalformedError):
            Answers(nothing, nothing, wrong)


def test_no_envelope_is_much_larger_than_its_limit(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    one = len(to_bytes(scene.bank.files[items(scene)[0][0]]))
    monkeypatch.setattr("reperform.consensus.audit.answers.MAX_SEALED", 3 * one)
    keys = scene.bank.world.rings[BANK]
    _, document = answer_next(scene.drawn, items(scene), finding(scene.bank), keys)
    assert len(document.answers) == 3
    monkeypatch.setattr("reperform.consensus.audit.answers.MAX_SEALED", 1)
    _, document = answer_next(scene.drawn, items(scene), finding(scene.bank), keys)
    assert len(document.answers) == 1  # or the audit would not go on


def test_an_opening_of_another_receipt_in_the_vault_is_none(scene: Scene) -> None:
    other = next(iter(scene.bank.files.values()))
    keys = scene.bank.world.rings[BANK]
    _, document = answer_next(scene.drawn, items(scene)[1:2], lambda _: other, keys)
    assert [answer.said for answer in document.answers] == [NotHeld.NOT_KEPT]


def test_where_the_panel_examines_the_lead_is_given_no_opening(tmp_path: Path) -> None:
    scene = Scene.of(tmp_path, 5, examination=Examination.PANEL)
    lost = items(scene)[2][0]
    del scene.bank.files[lost]
    _, document = answer_next(scene.drawn, items(scene), finding(scene.bank), scene.bank.world.rings[BANK])
    assert document.answers == (Answer(lost, NotHeld.NOT_KEPT),)


def test_keys_that_are_no_operators_answer_nothing(scene: Scene) -> None:
    rings = scene.bank.world.rings
    assert answering_keys(scene.drawn.roster, [KeyRing.generate(), rings[LEAD], rings[BANK]]) is rings[BANK]
    with pytest.raises(RosterRefusedError, match="none of these keys"):
        answering_keys(scene.drawn.roster, [KeyRing.generate(), rings[LEAD]])
    assert SealingKey.generate().public != scene.drawn.lead.sealing


def test_an_operator_does_not_answer_for_another_one(scene: Scene) -> None:
    """Several share a log; what one of them says of another's decisions counts for nothing."""
    announced = scene.drawn.frozen.announced
    organisations = tuple(
        replace(each, name="River Bank") if each.name == BANK else each for each in announced.roster.organisations
    )
    renamed = replace(announced, roster=replace(announced.roster, organisations=organisations))
    drawn = replace(scene.drawn, frozen=replace(scene.drawn.frozen, announced=renamed))
    (entry, _), *_ = items(scene)
    answers = Answers(drawn.draw_id, scene.bank.name(BANK), (Answer(entry, NotHeld.ERASED),))
    with pytest.raises(RosterRefusedError, match=r"'River Bank' answers for entry .*, which is not its own"):
        open_answers(sign(scene, answers), drawn, scene.population.receipts, scene.bank.rosters)
    assert own_items(drawn, scene.population.receipts, scene.bank.world.rings[BANK], scene.bank.rosters) == ()
