"""Pinned models made to do harm. Each folder in hostile/models/ says which small model is changed (`base`), and how.

A file of a case takes the place of the model's; `changes.json` sets places of the manifest, named by their path;
bytes stand as {"hex": digits}. The digests of files are then repaired, as a hostile author would. The model is loaded
and run; `error` has words of the refusal.
"""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest
from reperform.evidence.encoding import decode, encode
from reperform.evidence.errors import ReperformError
from reperform.evidence.values import Text
from reperform.executor.model import GRAPH, MANIFEST, PinnedModel
from reperform.executor.shards import WEIGHTS
from reperform.tests.engine.mutations import repair
from reperform.tests.engine.small_models import an_input, models, write

CASES = sorted(Path(__file__).with_name("hostile").glob("models/*_fail"))
_ABOUT = {"README", "base", "changes.json", "error", "text"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_model_is_refused(case: Path, tmp_path: Path) -> None:
    files = dict(models()[(case / "base").read_text().strip()])
    files.update({path.name: path.read_bytes() for path in case.iterdir() if path.name not in _ABOUT})
    if MANIFEST not in {path.name for path in case.iterdir()}:
        repair(files)
    if (case / "changes.json").exists():
        _change(files, json.loads((case / "changes.json").read_text()))
    with pytest.raises(ReperformError) as refusal:
        _load_and_run(write(files, tmp_path / "model"), case)
    assert (case / "error").read_text().strip() in str(refusal.value)
    assert str(refusal.value).isprintable()
    assert len(str(refusal.value)) < 500


def _load_and_run(folder: Path, case: Path) -> None:
    model = PinnedModel.load(folder)
    one = Text((case / "text").read_text()) if (case / "text").exists() else an_input(model.manifest.input)
    assert one is not None
    model.run([one, one])


def _change(files: dict[str, bytes], changes: dict[str, Any]) -> None:
    tree: Any = decode(files[MANIFEST])
    for path, given in changes.items():
        *above, last = path.split("/")
        place = tree
        for step in above:
            place = place[int(step) if isinstance(place, list) else step]
        value = bytes.fromhex(given["hex"]) if isinstance(given, dict) and given.keys() == {"hex"} else given
        place[int(last) if isinstance(place, list) else last] = value
    files[MANIFEST] = encode(tree)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write(models()["record"], tmp_path / "model")


@pytest.mark.parametrize("part", [GRAPH, MANIFEST, WEIGHTS])
@pytest.mark.parametrize("kind", ["pipe", "device", "socket", "folder", "link outside", "link to itself", "endless"])
def test_a_part_that_is_no_file_is_refused(kind: str, part: str, model: Path, tmp_path: Path) -> None:
    path = model / part
    data = path.read_bytes()
    path.unlink()
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "device":
            os.mknod(path, 0o20644, os.makedev(1, 5)) if os.geteuid() == 0 else pytest.skip("only root makes devices")
        case "socket":
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(str(path))
        case "folder":
            path.mkdir()
        case "link outside":
            (tmp_path / "outside").write_bytes(data)
            path.symlink_to(tmp_path / "outside")
        case "link to itself":
            path.symlink_to(part)
        case "endless":
            path.symlink_to("/dev/zero")
    with pytest.raises(ReperformError, match=f"{part} .*cannot be read") as refusal:
        PinnedModel.load(model)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("part", [GRAPH, MANIFEST, WEIGHTS])
def test_a_part_of_terabytes_is_refused(part: str, model: Path) -> None:
    os.truncate(model / part, 1 << 43)  # takes no room on disk
    with pytest.raises(ReperformError, match=part):
        PinnedModel.load(model)


def test_the_corpus_is_there() -> None:
    assert len(CASES) > 40
