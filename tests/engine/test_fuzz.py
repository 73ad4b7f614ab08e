"""Some hundred mutated models; `python -m reperform.tests.engine.fuzz` goes on for longer."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import pytest
from reperform.executor.model import PinnedModel
from reperform.tests.engine.fuzz import Victim, fuzz
from reperform.tests.engine.small_models import an_input, models, write

SEED = 7_000_000
CASES = 400


@pytest.mark.parametrize("kind", sorted(models()))
def test_the_models_that_are_mutated_run(kind: str, tmp_path: Path) -> None:
    model = PinnedModel.load(write(models()[kind], tmp_path / "model"))
    one = an_input(model.manifest.input)
    assert one is not None
    assert model.run([one])[0].tensors


def test_whatever_is_in_a_model_it_runs_or_is_refused(tmp_path: Path) -> None:
    counts: Counter[str] = Counter()
    victim = Victim()
    try:
        found = list(fuzz(victim, iter(range(SEED, SEED + CASES)), time.monotonic() + 300, counts))
        assert [f"{f.seed}: {f.what}" for f in found] == []
        assert counts["ran"] > CASES // 20
        assert counts["refused"] > CASES // 2
        victim.kill()
        assert victim.outcome(tmp_path) == "the process ended with -9"  # which would be a finding
    finally:
        victim.close()
