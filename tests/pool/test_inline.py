"""Replays in this process: the same bytes for any batch, one outcome a job, and a bad input harms no other."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reperform.consensus.audit.replays import Job, Outcome
from reperform.evidence.ballot import Reason
from reperform.evidence.documents import to_bytes
from reperform.evidence.receipt import parse_input
from reperform.evidence.values import Record, Text
from reperform.executor import selftest as known_answers
from reperform.executor.model import PinnedModel
from reperform.executor.selftest import SelfTestError
from reperform.executor.weights import WeightsError
from reperform.replayer.pool import batches as rules
from reperform.replayer.pool.errors import PoolError
from reperform.replayer.pool.inline import Inline
from reperform.replayer.pool.place import open_pool
from reperform.tests.pool.conftest import Jobs


@pytest.fixture(scope="module")
def inline(mortgage: Path, encoder: Path) -> Inline:
    return Inline([mortgage, encoder])


@pytest.fixture(scope="module")
def mixed(
    scorer: PinnedModel, reader: PinnedModel, applicants: list[Record], texts: list[Text], jobs_of: Jobs
) -> list[Job]:
    """Jobs for both models, each with an entry of its own."""
    both = [*jobs_of(scorer, applicants[:60]), *jobs_of(reader, texts)]
    return [replace(job, entry=1000 + number) for number, job in enumerate(both)]


@pytest.fixture(scope="module")
def alone(scorer: PinnedModel, reader: PinnedModel, mixed: list[Job]) -> dict[int, bytes]:
    """What each job gives when nothing runs with it."""
    models = {model.model_id: model for model in (scorer, reader)}
    return {job.entry: to_bytes(models[job.receipt.model].run([parse_input(job.input)])[0]) for job in mixed}


@given(data=st.data())
@settings(max_examples=8)
def test_the_bytes_do_not_depend_on_what_runs_together(
    inline: Inline, mixed: list[Job], alone: dict[int, bytes], data: st.DataObject
) -> None:
    some = data.draw(st.lists(st.sampled_from(mixed), unique_by=lambda job: job.entry, max_size=40))
    sizes = {"WINDOW_JOBS": st.integers(1, 50), "RECORDS": st.integers(1, 50), "TEXT_BYTES": st.integers(1, 4000)}
    with pytest.MonkeyPatch.context() as patch:
        for name, size in sizes.items():
            patch.setattr(rules, name, data.draw(size, label=name))
        outcomes = list(inline(iter(some)))
    assert sorted(outcomes, key=str) == sorted((Outcome(job.entry, alone[job.entry]) for job in some), key=str)


def test_only_the_bad_input_of_a_batch_gets_no_output(
    inline: Inline, scorer: PinnedModel, applicants: list[Record], jobs_of: Jobs
) -> None:
    incomplete = Record(applicants[5].entries[1:])
    jobs = jobs_of(scorer, [*applicants[:5], incomplete, Text("no record"), *applicants[7:40]])
    jobs[20] = replace(jobs[20], input=b"not a document")
    outcomes = {outcome.entry: outcome for outcome in inline(jobs) if isinstance(outcome, Outcome)}
    stopped = {entry: outcome for entry, outcome in outcomes.items() if outcome.output is None}
    assert outcomes.keys() == set(range(40))
    assert stopped.keys() == {5, 6, 20}
    assert all(outcome.reason is Reason.RUN for outcome in stopped.values())
    assert "is not in the record" in stopped[5].cause
    assert "this model takes record" in stopped[6].cause
    assert [outcomes[7].output] == [to_bytes(output) for output in scorer.run([applicants[7]])]


def test_a_machine_that_computes_something_else_replays_nothing(
    mortgage: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = known_answers.answers

    def wrong() -> object:
        return ((name, answer[::-1] if name.startswith("aten.exp") else answer) for name, answer in honest())

    monkeypatch.setattr(known_answers, "answers", wrong)
    with pytest.raises(SelfTestError, match=r"aten\.exp"), open_pool("inline", [mortgage]):
        pass


def test_a_model_that_is_not_the_pinned_one_is_refused(mortgage: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(mortgage, tmp_path / "model"))
    data = bytearray((copy / "weights.safetensors").read_bytes())
    data[-1] ^= 1
    (copy / "weights.safetensors").chmod(0o644)
    (copy / "weights.safetensors").write_bytes(data)
    with pytest.raises(WeightsError, match="is not the pinned one"), open_pool("inline", [copy]):
        pass


@pytest.mark.parametrize("place", ["", "Inline", "http://127.0.0.1:1", "ray"])
def test_what_is_no_place_is_refused(place: str) -> None:
    with pytest.raises(PoolError, match="is no pool; name inline, local or ray://HOST:PORT"), open_pool(place, []):
        pass


def test_a_pool_of_this_process_needs_no_ray(mortgage: Path) -> None:
    code = (
        "import sys; sys.modules['ray'] = None\n"
        "from pathlib import Path\n"
        "from reperform.replayer.pool.place import open_pool\n"
        "with open_pool('inline', [Path(sys.argv[1])]) as replays: print(list(replays([])))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, mortgage], capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")
