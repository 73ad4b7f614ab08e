"""`reperform pin` with models of other libraries, as people type it."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import lightgbm
import pytest
from reperform.cli.notes import read_notes
from reperform.evidence.encoding import MalformedError
from reperform.executor.model import PinnedModel
from reperform.tests.cli.run import refused, reperform
from reperform.tests.pinning import mortgages
from reperform.tests.pinning.test_signature import KEY, bundle, der, pem, statement, text

COLUMNS = {
    name: {"description": f"the column {name}", "categories": list(known)}
    for name, known in mortgages.categories().items()
} | {"price": {"description": "what the house costs", "unit": "thousand USD"}}


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a trained model, inputs and what is said about their columns."""
    folder = tmp_path_factory.mktemp("pin")
    kinds = [mortgages.NAMES.index(name) for name in mortgages.categories()]
    data = lightgbm.Dataset(
        mortgages.matrix(), mortgages.approved(), feature_name=mortgages.NAMES, categorical_feature=kinds
    )
    settings = {"objective": "binary", "num_leaves": 6, "verbose": -1, "deterministic": True}
    lightgbm.train(settings, data, 5).save_model(folder / "trees.txt")
    with (folder / "few.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(mortgages.NAMES)
        writer.writerows([row[name] for name in mortgages.NAMES] for row in mortgages.rows()[:20])
    (folder / "columns.json").write_text(json.dumps(COLUMNS))
    return folder


def test_a_model_of_trees_is_pinned_by_one_command(at: Path) -> None:
    (at / "trees.sig").write_bytes(text(bundle(statement({".": (at / "trees.txt").read_bytes()}))))
    (at / "signer.pem").write_bytes(pem(KEY))
    signed = ("--signature", "trees.sig", "--signature-key", "signer.pem")
    command = ("pin", "trees.txt", "--out", "model", "--examples", "few.csv", "--columns", "columns.json", *signed)
    done = reperform(*command, "--labels", "decline,approve", "--name", "lender", "--json", at=at)
    assert (done.returncode, done.stderr) == (0, "")
    shown = json.loads(done.stdout)
    manifest = PinnedModel.load(at / "model").manifest
    assert (shown["model"], manifest.name) == (str(manifest.model_id), "lender")
    takes = {column["name"]: column for column in shown["input"]["columns"]}
    assert (takes["price"]["description"], takes["price"]["unit"]) == ("what the house costs", "thousand USD")
    assert set(mortgages.categories()["occ"]) < set(takes["occ"]["categories"])
    assert shown["origin"]["public_key"] == der(KEY).hex()
    assert (shown["rule"]["at_or_above"], shown["rule"]["below"]) == ("approve", "decline")


def test_an_example_is_asked_for(at: Path) -> None:
    said = refused(reperform("pin", "trees.txt", "--out", "x", at=at))
    assert "pinning needs an example input; give a file of inputs with --examples" in said
    assert not (at / "x").exists()


def test_a_source_that_is_not_as_it_was_signed_is_not_read(at: Path) -> None:
    (at / "other.sig").write_bytes(text(bundle(statement({".": b"another model"}))))
    (at / "other.pem").write_bytes(pem(KEY))
    signed = ("--signature", "other.sig", "--signature-key", "other.pem")
    said = refused(reperform("pin", "trees.txt", "--out", "x", "--examples", "few.csv", *signed, at=at))
    assert "is not the signed one" in said
    assert not (at / "x").exists()


@pytest.mark.parametrize(
    "notes",
    ["", "[]", '{"price": 7}', '{"price": {"unit": 7}}', '{"price": {"units": "USD"}}', '{"a": {}, "a": {}}',
     '{"price": {"categories": "ab"}}', '{"price": {"categories": [1]}}', "[" * 100_000],
)  # fmt: skip
def test_notes_that_cannot_be_read_are_refused(notes: str, tmp_path: Path) -> None:
    (tmp_path / "columns.json").write_text(notes)
    with pytest.raises(MalformedError, match=r"columns\.json"):
        read_notes(tmp_path / "columns.json")


def test_a_pickle_is_not_opened_without_the_flag(at: Path) -> None:
    (at / "model.pkl").write_bytes(b"cos\nsystem\n(S'touch opened'\ntR.")
    said = refused(reperform("pin", "model.pkl", "--out", "x", "--examples", "few.csv", at=at))
    assert "is a pickle: opening it runs whatever code stands in it" in said
    assert "--unpickle" in said
    assert not (at / "opened").exists()
