"""Graphs made to do harm: each folder in hostile/ holds one, why it must fail, and words of the error."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from reperform.evidence.errors import ReperformError
from reperform.executor.graph_json import from_json
from reperform.executor.model import portable_program

HOSTILE = Path(__file__).with_name("hostile")
GRAPHS = sorted(HOSTILE.glob("graphs/*_fail"))
RUNS = sorted(HOSTILE.glob("runs/*_fail"))


@pytest.mark.parametrize("case", GRAPHS, ids=lambda case: case.name)
def test_the_graph_is_refused(case: Path) -> None:
    with pytest.raises(ReperformError) as refusal:
        from_json((case / "graph.json").read_bytes())
    _names_the_cause(case, refusal.value)


@pytest.mark.parametrize("case", RUNS, ids=lambda case: case.name)
def test_the_graph_is_well_formed_and_stops(case: Path) -> None:
    graph = from_json((case / "graph.json").read_bytes())
    with pytest.raises(ReperformError) as refusal:
        portable_program(graph, {})(torch.tensor([[-1.0, 0.0], [1.0, 0.0], [2.0, 0.0]]))
    _names_the_cause(case, refusal.value)


def test_the_corpus_is_there() -> None:
    assert len(GRAPHS) > 20
    assert len(RUNS) > 10


def _names_the_cause(case: Path, error: ReperformError) -> None:
    assert (case / "error").read_text().strip() in str(error)
    assert "\n" not in str(error)
    assert len(str(error)) < 500
