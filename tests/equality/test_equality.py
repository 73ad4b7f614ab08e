"""What is compared is all that was computed, and what could not be computed is no success."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from reperform.tests.equality.__main__ import equality
from reperform.tests.equality.answer import Answer, check_reached
from reperform.tests.equality.compare import Difference, compare, differences
from reperform.tests.equality.corpus import MODELS, TEXTS, Share, texts
from reperform.tests.equality.document import render
from reperform.tests.equality.processes import Processes
from reperform.tests.equality.settings import CLEARED, SETTINGS, Machine, Setting
from reperform.tests.equality.state import EqualityError, State, sources
from rich.console import Console

WHEELS = Path(__file__).parents[2] / ".cache" / "wheels"
FIRST, SECOND = Setting({"OMP_NUM_THREADS": "1"}), Setting({"OMP_NUM_THREADS": "2"})
ANSWER = Answer(
    model_id="1d",
    rows={"in batches of 3": ["aa", "bb", "cc"], "alone": ["aa", "bb"]},
    traces=["dd"],
    native={"in batches of 3": ["a1", "b1", "c1"], "alone": ["a1", "b2"]},
    served={
        "kernels": "reference", "capability": "AVX2", "threads": 1, "device": "x86_64", "processor": "a processor",
        "cores": 2, "system": "Linux x86_64", "python": "3.11", "torch": "2.13",
    },
)  # fmt: skip
WRONG = replace(ANSWER, rows=ANSWER.rows | {"alone": ["aa", "xx"]})


@dataclass(frozen=True, slots=True)
class Prepared(Processes):
    """Processes whose answers are known."""

    given: dict[Setting, Answer] = field(default_factory=dict)

    def answers(self, setting: Setting, models: Sequence[str], share: Share) -> Iterator[tuple[str, Answer]]:  # noqa: ARG002
        if setting not in self.given:
            raise EqualityError("it stopped")
        yield models[0], self.given[setting]


def test_equal_answers_are_counted_without_those_compared_with() -> None:
    found = compare("scorer", {"first": ANSWER, "second": ANSWER})
    assert (found.inputs, found.rows, found.traces, found.differences) == (3, 7, 1, ())
    assert (found.native_digests, found.native_rows_differing) == (1, 2)
    assert compare("scorer", {"first": ANSWER}).digest == found.digest
    assert compare("scorer", {"first": replace(ANSWER, traces=["ee"])}).digest != found.digest


@pytest.mark.parametrize(
    ("changed", "place", "expected", "found"),
    [
        ({"rows": WRONG.rows}, "alone, row 1", "bb", "xx"),
        ({"traces": ["xx"]}, "traces, row 0", "dd", "xx"),
        ({"model_id": "1e"}, "the pinned model", "1d", "1e"),
    ],
)
def test_a_difference_names_model_setting_and_row(
    changed: dict[str, object], place: str, expected: str, found: str
) -> None:
    other = replace(ANSWER, **changed)  # type: ignore[arg-type]
    (difference,) = differences("scorer", ANSWER, "AVX2", other)
    assert difference == Difference("scorer", "AVX2", place, expected, found)
    assert str(difference) == f"scorer, {place}, under AVX2: {found} instead of {expected}"
    assert compare("scorer", {"first": ANSWER, "AVX2": other}).differences == (difference,)


def test_a_batch_that_changes_a_row_is_found_under_the_first_setting_too() -> None:
    (difference,) = compare("scorer", {"first": WRONG}).differences
    assert difference.place == "alone, row 1"


@pytest.mark.parametrize(
    ("given", "equal", "told"),
    [
        ({FIRST: ANSWER, SECOND: ANSWER}, True, ""),
        ({FIRST: ANSWER, SECOND: WRONG}, False, "DIFFERENT scorer, alone, row 1, under OMP_NUM_THREADS=2"),
        ({FIRST: ANSWER}, False, "FAILED it stopped"),
        ({SECOND: ANSWER}, False, "FAILED it stopped"),
        ({}, False, "FAILED it stopped"),
    ],
)
def test_a_difference_and_a_missing_answer_are_told(
    given: dict[Setting, Answer], equal: bool, told: str, tmp_path: Path
) -> None:
    output = io.StringIO()
    processes = Prepared(State(tmp_path, lambda: "now"), WHEELS, given=given)
    outcome = equality(
        (FIRST, SECOND), ["scorer"], processes, few=True, jobs=2, console=Console(file=output, width=200)
    )
    assert outcome.equal is equal
    assert told in output.getvalue()


def test_what_is_not_there_is_listed_with_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    processes = Processes(State(tmp_path, lambda: "now"), WHEELS)
    assert {s.on: processes.missing(s) for s in SETTINGS} == {
        Machine.ANY: None,
        Machine.X86: "this is a riscv64 processor",
        Machine.ARM64: "no emulator was named",
        Machine.CUDA: "no device",
    }


def test_an_instruction_set_that_the_processor_lacks_is_not_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr("llvmlite.binding.get_host_cpu_features", lambda: {"avx2": True, "fma": True, "sse2": True})
    processes = Processes(State(tmp_path, lambda: "now"), WHEELS)
    reasons = {str(s): processes.missing(s) for s in SETTINGS if s.needs}
    assert {reason for name, reason in reasons.items() if "avx512" in name} == {"the processor has no avx512f"}
    assert {reason for name, reason in reasons.items() if "avxvnni" in name} == {"the processor has no avxvnni"}
    assert {reason for name, reason in reasons.items() if "avx512" not in name and "vnni" not in name} == {None}


def test_a_variable_that_reached_nothing_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", "avx2")
    check_reached({"threads": 2, "capability": "AVX2"})
    with pytest.raises(RuntimeError, match="OMP_NUM_THREADS=2 reached nothing: threads is 1"):
        check_reached({"threads": 1, "capability": "AVX2"})


def test_the_settings_are_many_and_each_only_once() -> None:
    names = [str(setting) for setting in SETTINGS]
    assert len(names) == len(set(names)) > 20
    assert {"ATEN_CPU_CAPABILITY", "OMP_NUM_THREADS", "REPERFORM_KERNELS", "REPERFORM_PRODUCT"} <= CLEARED


def test_answers_of_other_sources_are_not_reused(tmp_path: Path) -> None:
    old = State(tmp_path, lambda: "a" * 64)
    old.keep("one thread", "scorer", Share.FULL, ANSWER)
    assert State(tmp_path, lambda: "a" * 64).kept("one thread", "scorer", Share.FULL) == ANSWER
    assert old.kept("one thread", "scorer", Share.FEW) is None
    assert old.kept("two threads", "scorer", Share.FULL) is None
    assert State(tmp_path, lambda: "b" * 64).kept("one thread", "scorer", Share.FULL) is None
    assert State(tmp_path, lambda: "a" * 64).kept("one thread", "scorer", Share.FULL) is None


def test_sources_that_change_while_they_run_keep_nothing(tmp_path: Path) -> None:
    keys = iter("ab")
    state = State(tmp_path, lambda: next(keys))
    with pytest.raises(EqualityError, match="changed while they ran; start again"):
        state.keep("one thread", "scorer", Share.FULL, ANSWER)
    assert state.kept("one thread", "scorer", Share.FULL) is None


def test_the_key_is_of_what_the_sources_say(tmp_path: Path) -> None:
    (tmp_path / "executor").mkdir()
    source = tmp_path / "executor" / "model.py"
    keys = []
    for text in ("a = 1", "a = 2", "a = 1"):
        source.write_text(text)
        keys.append(sources(tmp_path))
    assert keys[0] == keys[2] != keys[1]


def test_texts_are_different_and_of_many_lengths() -> None:
    found = texts(WHEELS)
    assert len({text.text for text in found}) == TEXTS
    assert len({len(text.text) for text in found}) > TEXTS / 2


def test_the_first_pass_has_every_input() -> None:
    for model in MODELS.values():
        assert len(model.inputs(WHEELS)) == model.full.passes[0].inputs
        for extent in (model.full, model.few):
            assert max(p.inputs for p in extent.passes) == extent.passes[0].inputs


def test_the_page_says_what_was_compared_and_what_was_not() -> None:
    compared = compare("scorer", {str(FIRST): ANSWER, str(SECOND): ANSWER})
    page = render([compared], {FIRST: ANSWER, SECOND: ANSWER}, {SETTINGS[-1]: "no device"})
    assert "**7 rows and the roots of 1 traces were compared, under 2 settings; none differed.**" in page
    assert f"| scorer | `1d` | 3 | 7 | 1 | `{compared.digest}` |" in page
    assert "| scorer | 1 | 2 of 7 |" in page
    assert "| `OMP_NUM_THREADS=2` | reference |  |  | AVX2 | 1 | x86_64 |" in page
    assert "- `cuda: OMP_NUM_THREADS=1`: no device" in page
    assert "- a processor, 2 cores, Linux x86_64, Python 3.11, torch 2.13" in page
