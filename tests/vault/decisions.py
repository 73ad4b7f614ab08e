"""Decision files for vaults, with decision ids of their own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from secrets import token_bytes

from reperform.evidence.dsse import Envelope
from reperform.evidence.receipt import DECISION_ID_BYTES, DecisionFile, Receipt
from reperform.evidence.values import Output
from reperform.tests.world import BANK, World, model


def decided(
    world: World,
    number: int,
    answer: Callable[[bytes], Output] = model,
    decision: bytes | None = None,
    income: str = "4211.50",
) -> DecisionFile:
    """A decision of the bank."""
    file = world.decision(answer, income)
    chosen = decision or token_bytes(DECISION_ID_BYTES)
    receipt = replace(file.receipt.parse(Receipt), decision=chosen, sequence=number)
    return DecisionFile(Envelope.sign(receipt, world.rings[BANK].signers), file.opening)
