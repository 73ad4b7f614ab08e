"""fsck finds what was tampered with: every folder under hostile/, and every file of a log by itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from reperform.consensus.log.committed import read_committed
from reperform.consensus.log.folder import FolderStorage
from reperform.consensus.log.fsck import MAX_DAMAGES, Fsck
from reperform.consensus.log.publisher import read_published
from reperform.evidence.errors import ReperformError
from reperform.evidence.tlog.checkpoint import parse_checkpoint
from reperform.tests.log.hostile.generate import KEY, ORIGIN, files, genuine, tree

FOLDER = Path(__file__).parent / "hostile"
FOLDERS = sorted(path for path in FOLDER.iterdir() if path.name.endswith(("_fail", "_pass")))


def found(folder: Path) -> Sequence[str]:
    """What is wrong with a log in a folder."""
    storage = FolderStorage(folder)
    try:
        _, committed = read_committed(storage, ORIGIN, [KEY.public])
        fsck = Fsck(storage, committed)
        for _ in fsck.entries():
            pass
        shown = read_published(storage)
        if shown is not None:
            fsck.check_earlier(parse_checkpoint(shown.text))
    except ReperformError as error:
        return [str(error)]
    return fsck.damages


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_a_hostile_log_is_found_out_as_its_readme_says_and_the_control_is_not(folder: Path) -> None:
    if folder.name.endswith("_pass"):
        assert found(folder / "log") == []
        return
    first, blank, why, *_ = (folder / "README.md").read_text().splitlines()
    assert blank == ""
    assert why
    damages = found(folder / "log")
    assert damages
    assert damages[0].startswith(first.removeprefix("Found: ")), damages


def test_there_are_hostile_logs_and_a_control() -> None:
    assert len([folder for folder in FOLDERS if folder.name.endswith("_fail")]) > 10
    assert [folder.name for folder in FOLDERS if folder.name.endswith("_pass")] == ["genuine_pass"]


def test_the_generator_still_writes_the_committed_files() -> None:
    for path, data in files().items():
        assert (FOLDER / path).read_bytes() == data, path


def test_a_file_that_is_gone_or_changed_is_found_whichever_it_is(tmp_path: Path) -> None:
    FolderStorage(tmp_path).write(genuine())
    assert found(tmp_path) == []
    for path, data in genuine().items():
        if path != "checkpoint":  # without one, nothing is published yet
            (tmp_path / path).unlink()
            assert found(tmp_path), path
        for at in {0, len(data) // 2, len(data) - 1}:
            (tmp_path / path).write_bytes(data[:at] + bytes([data[at] ^ 0x20]) + data[at + 1 :])
            assert found(tmp_path) or path == "checkpoint", (path, at)  # whose signature others verify
        (tmp_path / path).write_bytes(data)
    assert found(tmp_path) == []


def test_a_log_that_is_damaged_all_over_is_told_in_bounds(tmp_path: Path) -> None:
    entries = [b"%d" % number for number in range(300 * 256)]
    checkpoint, made = tree(entries)
    FolderStorage(tmp_path).write({path: data for path, data in made.items() if path.startswith("tile/entries/")})
    fsck = Fsck(FolderStorage(tmp_path), checkpoint)
    assert list(fsck.entries()) == entries
    assert len(fsck.damages) == MAX_DAMAGES
