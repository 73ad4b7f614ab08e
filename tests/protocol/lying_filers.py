"""Filers who hand over something else than they should, or nothing, or twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from reperform.consensus.docket import Slot
from reperform.consensus.filer import Filer
from reperform.consensus.proceeding import Proceeding
from reperform.evidence.case import Openings, PanelOpening, Release, Sealed
from reperform.evidence.commitment import new_key
from reperform.evidence.documents import to_bytes
from reperform.evidence.dsse import Envelope
from reperform.evidence.sealing import Purpose, seal
from reperform.evidence.values import Record
from reperform.tests.world import World


def reseal(world: World, proceeding: Proceeding, name: str, message: bytes, purpose: Purpose) -> Sealed:
    """A message to one panel member, in its place."""
    ring = world.rings[name]
    context = proceeding.case_id.value
    if purpose is Purpose.OUTPUT_KEY:
        context = proceeding.matter().ballots.list_id.value
    ciphertext = seal(message, ring.sealing.public, purpose=purpose, context=context)
    return Sealed(ring.signing.public.key_id, ciphertext)


class Liar(Filer):
    """Gives the panel members named in `lied_to` something else than the others."""

    world: World
    lied_to: tuple[str, ...]

    def _again(self, proceeding: Proceeding, slot: Slot, document: Openings | Release) -> None:
        self._docket.post(proceeding.filing_id, {slot: Envelope.sign(document, (self._keys.signing,))})

    def opening(self) -> PanelOpening:
        """What they get."""
        opening = self._filed.decision.opening
        return PanelOpening(opening.input, opening.input_key, self._filed.panel_key)

    def key(self) -> bytes:
        """The key that they get."""
        return self._filed.decision.opening.output_key

    def _openings(self, proceeding: Proceeding) -> Openings:
        false = [
            reseal(self.world, proceeding, name, to_bytes(self.opening()), Purpose.PANEL_OPENING)
            for name in self.lied_to
        ]
        return replace(super()._openings(proceeding), sealed=_mixed(super()._openings(proceeding).sealed, false))

    def _release(self, proceeding: Proceeding) -> Release:
        false = [reseal(self.world, proceeding, name, self.key(), Purpose.OUTPUT_KEY) for name in self.lied_to]
        return replace(super()._release(proceeding), sealed=_mixed(super()._release(proceeding).sealed, false))


def _mixed(true: tuple[Sealed, ...], false: list[Sealed]) -> tuple[Sealed, ...]:
    instead = {sealed.recipient: sealed for sealed in false}
    return tuple(instead.get(sealed.recipient, sealed) for sealed in true)


class WrongInput(Liar):
    def opening(self) -> PanelOpening:
        return replace(super().opening(), input=to_bytes(Record.of({"income": "0"})))


class WrongInputKey(Liar):
    def opening(self) -> PanelOpening:
        return replace(super().opening(), input_key=new_key())


class ShortInputKey(Liar):
    def opening(self) -> PanelOpening:
        return replace(super().opening(), input_key=b"short")


class WrongPanelKey(Liar):
    def opening(self) -> PanelOpening:
        return replace(super().opening(), panel_key=new_key())


class WrongOutputKey(Liar):
    def key(self) -> bytes:
        return new_key()


class ShortOutputKey(Liar):
    def key(self) -> bytes:
        return b""


class JunkOpenings(Liar):
    def _openings(self, proceeding: Proceeding) -> Openings:
        true = super()._openings(proceeding)
        return replace(true, sealed=tuple(replace(sealed, ciphertext=b"junk") for sealed in true.sealed))


class EmptyOpenings(Liar):
    def _openings(self, proceeding: Proceeding) -> Openings:
        return replace(super()._openings(proceeding), sealed=())


class JunkRelease(Liar):
    def _release(self, proceeding: Proceeding) -> Release:
        true = super()._release(proceeding)
        return replace(true, sealed=tuple(replace(sealed, ciphertext=b"junk") for sealed in true.sealed))


class EmptyRelease(Liar):
    def _release(self, proceeding: Proceeding) -> Release:
        return replace(super()._release(proceeding), sealed=())


class ReleaseToAnotherList(Liar):
    def _release(self, proceeding: Proceeding) -> Release:
        return replace(super()._release(proceeding), ballots=proceeding.case_id)


class NoOpenings(Liar):
    def step(self, proceeding: Proceeding) -> None:
        pass


class NoRelease(Liar):
    def step(self, proceeding: Proceeding) -> None:
        if proceeding.ballot_list is None:
            super().step(proceeding)


class TwoOpenings(Liar):
    def step(self, proceeding: Proceeding) -> None:
        super().step(proceeding)
        if proceeding.case is not None and len(self._docket.read(proceeding.filing_id)[Slot.OPENINGS]) < 2:
            self._again(proceeding, Slot.OPENINGS, self._openings(proceeding))


class TwoReleases(Liar):
    def step(self, proceeding: Proceeding) -> None:
        super().step(proceeding)
        if proceeding.ballot_list is not None and len(self._docket.read(proceeding.filing_id)[Slot.RELEASE]) < 2:
            self._again(proceeding, Slot.RELEASE, self._release(proceeding))


def liar(world: World, kind: type[Liar], lied_to: Sequence[str]) -> type[Liar]:
    """The class of a filer who knows the panel that it lies to."""
    return type(kind.__name__, (kind,), {"world": world, "lied_to": tuple(lied_to)})
