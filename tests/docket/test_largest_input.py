"""What `decide` takes, the docket admits as an opening for every node of the panel."""

from __future__ import annotations

import pytest
from reperform.consensus.admission import MAX_BYTES, largest_input
from reperform.consensus.docket import Slot
from reperform.evidence.case import Openings, PanelOpening, Sealed
from reperform.evidence.digest import Digest, Domain, digest
from reperform.evidence.documents import to_bytes
from reperform.evidence.dsse import Envelope
from reperform.evidence.keyfile import KeyRing
from reperform.evidence.sealing import Purpose, SealingKey, seal
from reperform.evidence.values import Audio, Channels, Image, Input

KEYS = KeyRing.generate()
SECONDS_30 = Audio(16_000, bytes(2 * 30 * 16_000))
PICTURE = Image(224, 224, Channels.COLOUR, bytes(3 * 224 * 224))


def opened(data: bytes, panel: int) -> int:
    """Bytes of the signed openings of this input for a panel."""
    message = to_bytes(PanelOpening(data, bytes(32), bytes(32)))
    name = digest(Domain.CASE, b"a case")
    one = seal(message, SealingKey.generate().public, purpose=Purpose.PANEL_OPENING, context=name.value)
    document = Openings(name, (Sealed(Digest(bytes(32)), one),) * panel)
    return len(to_bytes(Envelope.sign(document, KEYS.signers)))


@pytest.mark.parametrize("panel", [1, 3, 7, 1024])
def test_the_largest_input_is_admitted_and_not_much_less_would_be(panel: int) -> None:
    limit = MAX_BYTES[Slot.OPENINGS]
    assert opened(bytes(largest_input(panel)), panel) <= limit
    assert opened(bytes(largest_input(panel) + 4096), panel) > limit


@pytest.mark.parametrize(("one", "panel"), [(PICTURE, 100), (SECONDS_30, 16)], ids=["picture", "sound"])
def test_pictures_and_sounds_can_be_put_before_a_panel(one: Input, panel: int) -> None:
    assert len(to_bytes(one)) <= largest_input(panel)
