"""What this process answers, as JSON: run by test_portability.py under one setting of the machine.

python answers.py MORTGAGE_DIRECTORY ENCODER_DIRECTORY WHEELS
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from reperform.evidence.documents import to_bytes
from reperform.evidence.values import Input, Text
from reperform.examples.mortgage.data import applications
from reperform.examples.mortgage.train import record
from reperform.examples.sentence_encoder.pin import native
from reperform.executor.model import PinnedModel

# Of one length, so that native torch pads nothing and has no other reason to differ between batches.
_SUBJECTS = ("bank", "court", "clerk", "doctor", "farmer", "judge", "school", "student")
_ENDS = ("approved the loan", "refused the claim", "signed the form", "lost the letter")
TEXTS = [Text(f"yesterday the {subject} {end} in town") for subject in _SUBJECTS for end in _ENDS]


def _portable(model: PinnedModel, inputs: Sequence[Input], alone: int) -> dict[str, object]:
    together = [_hash(to_bytes(output)) for output in model.run(inputs)]
    one_by_one = [_hash(to_bytes(model.run([one])[0])) for one in inputs[:alone]]
    return {"batch": together, "alone": one_by_one, "trace": str(model.traced(inputs[0])[1])}


def _native(model: PinnedModel, module: torch.nn.Module, inputs: Sequence[Input], alone: int) -> dict[str, object]:
    with torch.no_grad():
        together = [_hash(row.numpy().tobytes()) for row in module(*model.tensors(inputs))]
        one_by_one = [_hash(module(*model.tensors([one]))[0].numpy().tobytes()) for one in inputs[:alone]]
    return {"batch": together, "alone": one_by_one}


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def main(mortgage: Path, encoder: Path, wheels: Path) -> None:
    """Print the answers."""
    scorer, embedder = PinnedModel.load(mortgage), PinnedModel.load(encoder)
    records = [record(row) for row in applications(wheels)[:32]]
    answers = {
        "mortgage": _portable(scorer, records, 32),
        "encoder": _portable(embedder, TEXTS, 4),
        "native": _native(embedder, native(wheels), TEXTS, 4),
    }
    print(json.dumps(answers))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
