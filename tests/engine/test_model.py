"""A pinned model is loaded whole and unchanged, or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reperform.evidence.digest import Digest
from reperform.evidence.documents import from_bytes, to_bytes
from reperform.evidence.errors import ReperformError
from reperform.evidence.inputs import RecordInput
from reperform.evidence.manifest import ExecutionClass, Manifest
from reperform.evidence.rules import Threshold
from reperform.evidence.values import Record
from reperform.examples.mortgage.data import applications
from reperform.examples.mortgage.train import record
from reperform.executor.model import ModelError, PinnedModel
from reperform.executor.shards import WEIGHTS
from reperform.executor.weights import WeightsError, load_weights
from safetensors.torch import load_file, save_file


@pytest.fixture
def copy(mortgage: Path, tmp_path: Path) -> Path:
    """A copy of the mortgage scorer to damage."""
    folder = Path(shutil.copytree(mortgage, tmp_path / "model"))
    (folder / WEIGHTS).chmod(0o644)
    return folder


@pytest.fixture(scope="module")
def applicants(wheels: Path) -> list[Record]:
    return [record(row) for row in applications(wheels)[:40]]


@pytest.mark.parametrize("part", ["manifest.msgpack", "graph.json", "weights.safetensors"])
def test_a_missing_part_is_named(part: str, copy: Path) -> None:
    (copy / part).unlink()
    with pytest.raises(ReperformError, match=f"{part} .*cannot be read: No such file.*; "):
        PinnedModel.load(copy)


def test_a_missing_directory_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="reperform pin"):
        PinnedModel.load(tmp_path / "nowhere")


@pytest.mark.parametrize("part", ["manifest.msgpack", "graph.json", "weights.safetensors"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_truncated_part_is_refused(part: str, share: float, copy: Path) -> None:
    os.truncate(copy / part, int((copy / part).stat().st_size * share))
    with pytest.raises(ReperformError) as refusal:
        PinnedModel.load(copy)
    assert "\n" not in str(refusal.value)


def test_one_weight_moved_by_one_ulp_names_the_tensor(copy: Path) -> None:
    weights = load_file(copy / "weights.safetensors")
    moved = weights["layers.2.weight"]
    moved[3, 4] = torch.nextafter(moved[3, 4], torch.tensor(torch.inf))
    save_file(weights, copy / "weights.safetensors")
    with pytest.raises(WeightsError, match=r"tensor 'layers.2.weight' is not the pinned one"):
        PinnedModel.load(copy)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda w: w.pop("layers.0.bias"), "tensor 'layers.0.bias' is missing"),
        (lambda w: w.update(backdoor=torch.zeros(1)), "there is a tensor 'backdoor' that the manifest lacks"),
        (lambda w: w.update({"layers.0.bias": w["layers.0.bias"].double()}), "'layers.0.bias' is F64"),
        (lambda w: w.update({"layers.0.bias": w["layers.0.bias"].reshape(4, 8)}), r"is F32 \[4, 8\]"),
        (lambda w: w.update({"layers.0.bias": w["layers.0.bias"].to(torch.int8)}), "'layers.0.bias' is torch.int8"),
    ],
)
def test_weights_that_are_not_the_pinned_ones_name_the_tensor(
    change: Callable[[dict[str, torch.Tensor]], object], words: str, copy: Path
) -> None:
    weights = load_file(copy / "weights.safetensors")
    change(weights)
    save_file(weights, copy / "weights.safetensors")
    with pytest.raises(WeightsError, match=words):
        PinnedModel.load(copy)


def test_another_graph_is_refused(copy: Path) -> None:
    text = (copy / "graph.json").read_bytes()
    (copy / "graph.json").write_bytes(text.replace(b"aten.relu", b"aten.tanh"))
    with pytest.raises(ModelError, match=r"graph.json is not the pinned one"):
        PinnedModel.load(copy)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: replace(m, execution_class=ExecutionClass.PINNED), "this machine runs portable-1"),
        (lambda m: replace(m, outputs=("a", "b")), "1 outputs, the manifest names 2"),
        (lambda m: replace(m, tensors=m.tensors[1:]), "differ on the tensor 'layers.0.bias'"),
        (lambda m: replace(m, input=RecordInput(m.input.columns[1:])), "the manifest's input gives"),
        (lambda m: replace(m, graph=Digest(bytes(32))), "graph.json is not the pinned one"),
    ],
)
def test_a_manifest_that_fits_not_its_parts_is_refused(
    change: Callable[[Manifest], Manifest], words: str, copy: Path
) -> None:
    path = copy / "manifest.msgpack"
    path.write_bytes(to_bytes(change(from_bytes(Manifest, path.read_bytes()))))
    with pytest.raises(ReperformError, match=words):
        PinnedModel.load(copy)


def test_a_manifest_of_another_version_is_refused(copy: Path) -> None:
    path = copy / "manifest.msgpack"
    path.write_bytes(path.read_bytes().replace(b"manifest/v1", b"manifest/v2"))
    with pytest.raises(ReperformError, match="manifest/v1"):
        PinnedModel.load(copy)


@given(at=st.integers(0, 100_000), byte=st.integers(0, 255))
@settings(deadline=None)
def test_a_mutated_manifest_is_refused_or_another_model(at: int, byte: int, mortgage: Path) -> None:
    data = (mortgage / "manifest.msgpack").read_bytes()
    at %= len(data)
    mutated = data[:at] + bytes([byte]) + data[at + 1 :]
    try:
        manifest = from_bytes(Manifest, mutated)
    except ReperformError:
        return
    assert to_bytes(manifest) == mutated
    assert (manifest.model_id == from_bytes(Manifest, data).model_id) == (mutated == data)


@given(data=st.binary(max_size=300))
@settings(deadline=None)
def test_random_weights_raise_nothing_but_our_errors(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("random") / WEIGHTS
    for content in (data, len(data).to_bytes(8, "little") + data):
        path.write_bytes(content)
        with contextlib.suppress(ReperformError):
            assert load_weights(path.parent, ()) == {}


@given(at=st.integers(0, 1 << 20), byte=st.integers(0, 255))
@settings(deadline=None)
def test_mutated_weights_are_refused_or_the_same(
    at: int, byte: int, mortgage: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    manifest = from_bytes(Manifest, (mortgage / "manifest.msgpack").read_bytes())
    content = bytearray((mortgage / "weights.safetensors").read_bytes())
    # Half of the positions in the header, which is the part that is parsed.
    content[at % (len(content) if at % 2 else 600)] = byte
    path = tmp_path_factory.mktemp("mutated") / WEIGHTS
    path.write_bytes(content)
    try:
        read = load_weights(path.parent, manifest.tensors)
    except ReperformError:
        return
    original = load_weights(mortgage, manifest.tensors)
    assert read.keys() == original.keys()
    assert all(torch.equal(read[name], original[name]) for name in read)


def test_an_answer_does_not_depend_on_the_batch(scorer: PinnedModel, applicants: list[Record]) -> None:
    together = scorer.run(applicants)
    assert together == [output for one in applicants for output in scorer.run([one])]
    assert scorer.run(applicants[::-1]) == together[::-1]
    assert scorer.run([]) == []


def test_a_trace_names_the_run_and_not_its_answer_alone(scorer: PinnedModel, applicants: list[Record]) -> None:
    roots = [scorer.traced(one) for one in applicants]
    assert [output for output, _ in roots] == scorer.run(applicants)
    assert len({root for _, root in roots}) == len(set(applicants))
    assert scorer.traced(applicants[0]) == roots[0]


def test_the_rule_compares_the_binary32_output_exactly(scorer: PinnedModel, applicants: list[Record]) -> None:
    score = torch.frombuffer(bytearray(scorer.run(applicants[:1])[0].tensors[0].data), dtype=torch.float32).item()
    just_above = repr(float(torch.nextafter(torch.tensor(score), torch.tensor(2.0)).double()))
    for at, decision in ((repr(score), "yes"), (just_above, "no")):
        model = replace(scorer, manifest=replace(scorer.manifest, rule=Threshold(at, "yes", "no")))
        assert model.run(applicants[:1])[0].decision == decision
