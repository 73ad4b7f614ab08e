"""`reperform pin` and `pin --inspect`, as people type them."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from reperform.evidence.rules import Threshold
from reperform.executor.model import GRAPH, PinnedModel
from reperform.executor.weights import read_weights
from reperform.tests.cli.run import refused, reperform
from reperform.tests.engine.conftest import encoder, mortgage, once, wheels

__all__ = ["encoder", "mortgage", "once", "wheels"]


def test_a_model_is_shown_as_it_is(mortgage: Path, tmp_path: Path) -> None:
    done = reperform("pin", "--inspect", mortgage, "--json", at=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    shown = json.loads(done.stdout)
    model, stored = PinnedModel.load(mortgage), read_weights(mortgage)
    assert shown["model"] == str(model.model_id)
    assert {t["name"]: t["shape"] for t in shown["tensors"]} == {name: list(t.shape) for name, t in stored.items()}
    assert shown["parameters"] == sum(tensor.numel() for tensor in stored.values())
    assert shown["bytes"] == sum(tensor.nbytes for tensor in stored.values())
    nodes = json.loads((mortgage / GRAPH).read_text())["nodes"]
    assert shown["graph"]["nodes"] == len(nodes)
    assert shown["graph"]["operations"] == Counter(node["op"] for node in nodes)
    assert [column["name"] for column in shown["input"]["columns"]] == [c.name for c in model.manifest.input.columns]  # type: ignore[union-attr]
    rule = model.manifest.rule
    assert isinstance(rule, Threshold)
    assert shown["rule"] == {"kind": "threshold", "at": rule.at, "at_or_above": rule.at_or_above, "below": rule.below}


def test_people_see_what_it_takes_and_how_it_decides(mortgage: Path, tmp_path: Path) -> None:
    done = reperform("pin", "--inspect", mortgage, at=tmp_path)
    model = PinnedModel.load(mortgage)
    lines = done.stdout.splitlines()
    assert f"model id {model.model_id}" in lines
    for column in model.manifest.input.columns:  # type: ignore[union-attr]
        assert any(line.startswith(f"  {column.name}: {column.description}; ") for line in lines)
    for tensor in model.manifest.tensors:
        assert f"  {tensor.digest.short()}  {tensor.name}  {tensor.dtype}{list(tensor.shape)}" in lines
    assert any(line.startswith("decides 'approve' where ") for line in lines), lines


def test_a_model_of_texts_names_its_tokenizer(encoder: Path, tmp_path: Path) -> None:
    done = reperform("pin", "--inspect", encoder, at=tmp_path)
    manifest = PinnedModel.load(encoder).manifest
    assert f"takes a text of at most {manifest.input.max_tokens:,} tokens of tokenizer.json" in done.stdout  # type: ignore[union-attr]
    assert f"file {manifest.files[0].digest.short()}  tokenizer.json" in done.stdout.splitlines()


def test_a_model_that_is_not_as_it_was_pinned_is_not_shown(mortgage: Path, tmp_path: Path) -> None:
    shutil.copytree(mortgage, tmp_path / "model")
    (tmp_path / "model" / GRAPH).write_bytes((mortgage / GRAPH).read_bytes() + b" ")
    assert "graph.json is not the pinned one" in refused(reperform("pin", "--inspect", "model", at=tmp_path))


@pytest.mark.parametrize(
    "arguments",
    [[], ["a:b"], ["--out", "x"], ["a:b", "--inspect", "x"], ["a:b", "--out", "x", "--inspect", "y"]],
    ids=" ".join,
)
def test_one_thing_at_a_time(arguments: list[str], tmp_path: Path) -> None:
    assert "give SOURCE and --out FOLDER" in refused(reperform("pin", *arguments, at=tmp_path))


@pytest.mark.parametrize("source", ["no.such:thing", "json:nothing", ":"])
def test_what_cannot_be_imported_is_refused(source: str, tmp_path: Path) -> None:
    assert "is not an importable MODULE:FUNCTION" in refused(reperform("pin", source, "--out", "x", at=tmp_path))
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("nothing", "nothing is none of: MODULE:FUNCTION, "),
        ("weights.pt", "holds weights without the model that they are for"),
        ("weights.safetensors", "holds weights without the model that they are for"),
        ("reperform.examples.mortgage.data:applications", "builtins.list is nothing that can be pinned"),
    ],
)
def test_what_no_source_takes_is_refused(source: str, words: str, tmp_path: Path, wheels: Path) -> None:
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "wheels").symlink_to(wheels)
    assert words in refused(reperform("pin", source, "--out", "x", at=tmp_path))
    assert not (tmp_path / "x").exists()


def test_a_model_is_pinned_and_shown(mortgage: Path, tmp_path: Path, wheels: Path) -> None:
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "wheels").symlink_to(wheels)
    command = ("pin", "reperform.examples.mortgage.train:scorer", "--out", "model", "--name", "another", "--json")
    shown = json.loads(reperform(*command, at=tmp_path).stdout)
    manifest, first = PinnedModel.load(tmp_path / "model").manifest, PinnedModel.load(mortgage).manifest
    assert shown["model"] == str(manifest.model_id)
    assert shown["directory"] == "model"
    # Training in native float32 gives other weights on other machines; all the rest is the same.
    assert replace(manifest, tensors=()) == replace(first, name="another", tensors=())
