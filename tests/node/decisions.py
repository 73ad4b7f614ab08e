"""Decisions of the world's bank about which a test can say more than the world itself does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from reperform.evidence.digest import Digest
from reperform.evidence.dsse import Envelope
from reperform.evidence.manifest import ExecutionClass
from reperform.evidence.receipt import DecisionFile, Receipt, parse_input
from reperform.executor.model import PinnedModel
from reperform.tests.world import BANK, World, model


def naming(world: World, name: Digest, execution_class: ExecutionClass = ExecutionClass.PORTABLE_1) -> DecisionFile:
    """A decision whose receipt names this model, which nobody ran."""
    return _signed(world, world.decision(model), name, execution_class)


def decided(world: World, folder: Path, income: str = "4211.50") -> DecisionFile:
    """A decision of a pinned model."""
    pinned = PinnedModel.load(folder)
    file = world.decision(lambda committed: pinned.run([parse_input(committed)])[0], income)
    return _signed(world, file, pinned.model_id, ExecutionClass.PORTABLE_1)


def _signed(world: World, file: DecisionFile, name: Digest, execution_class: ExecutionClass) -> DecisionFile:
    receipt = replace(file.receipt.parse(Receipt), model=name, execution_class=execution_class)
    return DecisionFile(Envelope.sign(receipt, world.rings[BANK].signers), file.opening)
