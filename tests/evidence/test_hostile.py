"""Every folder under hostile/: what ends in _fail is refused at the step that its README names, the control passes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from reperform.evidence.roots import RootKeys
from reperform.evidence.tally import Verdict
from reperform.evidence.verify import VerificationError, verify
from reperform.tests.evidence.hostile.generate import files

FOLDER = Path(__file__).parent / "hostile"
FOLDERS = sorted(path for path in FOLDER.iterdir() if path.name.endswith(("_fail", "_pass")))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_a_hostile_pack_is_refused_where_its_readme_says_and_the_control_is_not(folder: Path) -> None:
    readme = (folder / "README.md").read_text()
    roots = RootKeys.from_json((folder / "roots.json").read_text())
    pack = (folder / "pack.bin").read_bytes()
    if folder.name.endswith("_pass"):
        assert verify(pack, roots).verdict is Verdict.UPHELD
        return
    step = re.match(r"Refused at step ([0-9]+)\.\n\n\w", readme)
    assert step is not None
    with pytest.raises(VerificationError) as caught:
        verify(pack, roots)
    assert caught.value.step == int(step[1]), caught.value


def test_there_is_an_attack_on_every_step_and_a_control() -> None:
    steps = {
        re.findall(r"[0-9]+", (folder / "README.md").read_text())[0] for folder in FOLDERS if "_fail" in folder.name
    }
    assert {int(step) for step in steps} == set(range(1, 13))
    assert [folder.name for folder in FOLDERS if folder.name.endswith("_pass")] == ["genuine_pass"]


def test_the_generator_still_writes_the_committed_files() -> None:
    for path, data in files().items():
        assert (FOLDER / path).read_bytes() == data, path
