"""What evidence costs: receipts per second, overhead per decision, verification.

    python bench/slice.py [--json]

Everything is measured in one run on one machine; medians. What the arithmetic costs is measured by arithmetic.py.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from reperform.bench.machine import machine
from reperform.bench.timing import in_turn, seconds
from reperform.evidence.documents import to_bytes
from reperform.evidence.edwards25519 import check_prime_order
from reperform.evidence.values import Record, Text
from reperform.evidence.verify import verify
from reperform.examples.mortgage.data import applications
from reperform.examples.mortgage.train import record, train_and_pin
from reperform.examples.sentence_encoder.pin import pin_encoder
from reperform.executor.journal import Journal
from reperform.executor.model import PinnedModel
from reperform.executor.service import Executor
from reperform.executor.vault.key import VaultKey
from reperform.executor.vault.store import OpenVault, Vault
from reperform.tests.world import BANK, START, World


def receipts(folder: Path) -> dict[str, float]:
    """Mortgage decisions in one batch: with evidence, and the model alone."""
    world = World(folder / "world")
    train_and_pin(folder / "mortgage")
    model = PinnedModel.load(folder / "mortgage")
    inputs: list[Record] = [record(row) for row in applications()]
    keys = world.rings[BANK]
    vault_key = VaultKey.generate()
    Vault.create(folder / "vault", vault_key, 1)
    with (
        Journal(folder / "journal", keys.signing.public.key_id) as journal,
        OpenVault(folder / "vault", vault_key) as vault,
    ):
        executor = Executor(model, keys, world.roster, journal=journal, vault=vault, log=None, clock=lambda: START)
        with_evidence, alone = in_turn([lambda: executor.decide(inputs), lambda: model.run(inputs)], 5)
    overhead = (with_evidence - alone) / len(inputs)
    return {
        "receipts_per_second": len(inputs) / with_evidence,
        "evidence_us_per_decision": overhead * 1e6,
        "inference_us_per_decision": alone / len(inputs) * 1e6,
        "evidence_share_of_inference": overhead * len(inputs) / alone,
    }


def verification(folder: Path) -> dict[str, float]:
    """A finished case's pack: with no key checked before, as in a stranger's process, and once more."""
    world = World(folder / "case")
    proceeding, filed, _ = world.run(world.decision(), world.nodes())
    data = to_bytes(world.pack(proceeding, filed))

    def cold() -> None:
        check_prime_order.cache_clear()
        verify(data, world.roots)

    return {
        "verify_cold_ms": seconds(cold, 51) * 1e3,
        "verify_warm_ms": seconds(lambda: verify(data, world.roots), 51) * 1e3,
        "pack_bytes": len(data),
    }


def encoder(folder: Path) -> dict[str, float]:
    """One text through the sentence encoder, tokenisation included."""
    pin_encoder(folder / "encoder")
    model = PinnedModel.load(folder / "encoder")
    return {"encoder_one_text_ms": seconds(lambda: model.run([Text("Income too low.")])) * 1e3}


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        body: dict[str, Any] = {"machine": machine(), **receipts(folder), **verification(folder), **encoder(folder)}
    if options.json:
        print(json.dumps(body))
        return
    for key, value in body.items():
        print(f"{key:32} {value:.4g}" if isinstance(value, float) else f"{key:32} {value}")


if __name__ == "__main__":
    main()
