"""Close to native float32: a separate question from equal bits."""

from __future__ import annotations

from pathlib import Path

import torch
from reperform.evidence.values import Text
from reperform.examples.mortgage.data import applications, labels
from reperform.examples.mortgage.train import TRAINED_ON, columns, fit, record, train
from reperform.examples.sentence_encoder.pin import EXAMPLES, native
from reperform.executor.model import PinnedModel


def test_the_encoder_is_within_1e_4_of_native_float32(encoder: Path, wheels: Path) -> None:
    texts = [*EXAMPLES, Text(" ".join(["The applicant declared a monthly income of 2,400 dollars."] * 12))]
    model = PinnedModel.load(encoder)
    answers = [torch.frombuffer(bytearray(o.tensors[0].data), dtype=torch.float32) for o in model.run(texts)]
    with torch.no_grad():
        expected = native(wheels)(*model.tensors(texts))
    difference = (torch.stack(answers) - expected).abs().max().item()
    assert 0 < difference < 1e-4
    assert torch.stack(answers).norm(dim=1).sub(1).abs().max() < 1e-6


def test_the_embedding_knows_what_a_text_is_about(encoder: Path) -> None:
    texts = [Text("My loan was refused."), Text("The bank declined my mortgage."), Text("The cat sleeps in the sun.")]
    loan, mortgage, cat = (
        torch.frombuffer(bytearray(o.tensors[0].data), dtype=torch.float32)
        for o in PinnedModel.load(encoder).run(texts)
    )
    assert loan @ mortgage > 0.5
    assert loan @ cat < 0.3


def test_the_scorer_agrees_with_the_lender_more_often_than_approving_everybody_would(wheels: Path) -> None:
    rows = applications(wheels)
    spec = columns(rows[:TRAINED_ON], labels(wheels))
    held_back = fit(train(rows[:TRAINED_ON], spec, seed=0), spec, rows[TRAINED_ON:])
    assert held_back.agreement > held_back.always_approve + 0.02


def test_some_applications_are_declined(scorer: PinnedModel, wheels: Path) -> None:
    outputs = scorer.run([record(row) for row in applications(wheels)])
    assert len(outputs) == 1989
    assert 50 < sum(output.decision == "decline" for output in outputs) < 500
