"""The stack pins, and no token of it sees what follows."""

from __future__ import annotations

from pathlib import Path

import torch
from reperform.evidence.values import Text
from reperform.executor.model import PinnedModel
from reperform.tests.models.gpt import GPT, gpt, pin_gpt

WHEELS = Path(__file__).parents[2] / ".cache" / "wheels"
TEXTS = [Text("Income too low."), Text("The applicant's debts are too high."), Text("No.")]


def test_its_weights_are_the_same_everywhere() -> None:
    first, second = gpt(width=24, heads=2, layers=1), gpt(width=24, heads=2, layers=1)
    weights = first.state_dict()
    assert all(weights[name].equal(tensor) for name, tensor in second.state_dict().items())
    assert weights["blocks.0.narrow.weight"][0, 0].item().hex() == "-0x1.4711240000000p-6"
    # Made in one piece, so that none repeats another's.
    assert len({tensor.flatten()[0].item() for tensor in weights.values()}) == len(weights)


def test_a_text_has_one_answer_alone_in_a_batch_and_padded(tmp_path: Path) -> None:
    pin_gpt(tmp_path / "gpt", WHEELS, gpt(width=24, heads=2, layers=2))
    model = PinnedModel.load(tmp_path / "gpt")
    together = model.run(TEXTS)
    assert together == [answer for text in TEXTS for answer in model.run([text])]
    assert len({answer.tensors[0].data for answer in together}) == len(TEXTS)


def test_no_token_sees_what_follows() -> None:
    module: GPT = gpt(width=24, heads=2, layers=2)
    ids = torch.arange(1000, 1012).unsqueeze(0)
    changed = ids.clone()
    changed[0, 7:] += 1
    with torch.no_grad():
        before, after = module.hidden(ids)[0], module.hidden(changed)[0]
    assert torch.allclose(before[:7], after[:7], atol=1e-6)
    assert not torch.allclose(before[7:], after[7:], atol=1e-3)
