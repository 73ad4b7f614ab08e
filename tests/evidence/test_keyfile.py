"""Key files: private, never overwritten, whole or refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from reperform.evidence.keyfile import KeyFileError, KeyRing
from reperform.tests.evidence.scene import ring

PASSWORD = b"correct horse"


def same(one: KeyRing, other: KeyRing) -> bool:
    return [key.public for key in one.signers] == [
        key.public for key in other.signers
    ] and one.sealing.public == other.sealing.public


@pytest.mark.parametrize("password", [None, PASSWORD], ids=["plain", "encrypted"])
@pytest.mark.parametrize("post_quantum", [False, True], ids=["ed25519", "and ml-dsa"])
def test_keys_read_back_as_they_were_written(tmp_path: Path, password: bytes | None, *, post_quantum: bool) -> None:
    keys, path = KeyRing.generate(post_quantum=post_quantum), tmp_path / "node.key"
    keys.write(path, password)
    assert same(KeyRing.read(path, password), keys)
    assert (keys.post_quantum is not None) is post_quantum


def test_a_key_file_is_readable_by_its_owner_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        ring("x").write(tmp_path / "node.key")
    finally:
        os.umask(before)
    assert (tmp_path / "node.key").stat().st_mode & 0o777 == 0o600


def test_a_key_file_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "node.key"
    ring("first").write(path)
    before = path.read_bytes()
    with pytest.raises(KeyFileError, match="never overwritten"):
        ring("second").write(path)
    assert path.read_bytes() == before


def test_a_link_in_the_place_of_a_new_key_file_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "node.key").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(KeyFileError, match="exists"):
        ring("x").write(tmp_path / "node.key")
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601, 0o660, 0o644])
def test_a_key_file_that_others_can_reach_is_refused_with_what_to_do(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "node.key"
    ring("x").write(path)
    path.chmod(mode)
    with pytest.raises(KeyFileError, match="chmod 600"):
        KeyRing.read(path)


def test_an_encrypted_key_file_opens_with_its_password_alone(tmp_path: Path) -> None:
    path = tmp_path / "node.key"
    ring("x").write(path, PASSWORD)
    assert path.read_bytes().count(b"BEGIN ENCRYPTED PRIVATE KEY") == 3
    with pytest.raises(KeyFileError, match="REPERFORM_KEY_PASSWORD"):
        KeyRing.read(path)
    for wrong in (b"wrong", b"", PASSWORD + b"!", PASSWORD.upper()):
        with pytest.raises(KeyFileError, match="wrong password or damaged"):
            KeyRing.read(path, wrong)


def test_a_plain_key_file_opens_although_a_password_is_set(tmp_path: Path) -> None:
    ring("x").write(tmp_path / "node.key")
    assert same(KeyRing.read(tmp_path / "node.key", PASSWORD), ring("x"))


@pytest.mark.parametrize("password", [b"", b"x" * 1024])
def test_a_password_that_cannot_be_used_is_refused_and_nothing_is_written(tmp_path: Path, password: bytes) -> None:
    with pytest.raises(KeyFileError, match="1 to 1023 bytes"):
        ring("x").write(tmp_path / "node.key", password)
    assert not list(tmp_path.iterdir())


def test_a_truncated_key_file_is_refused_at_any_length(tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole.key", tmp_path / "cut.key"
    KeyRing(ring("x").signing, ring("x").sealing).write(whole)
    cut.touch(mode=0o600)
    data = whole.read_bytes()
    for length in range(len(data)):
        cut.write_bytes(data[:length])
        with pytest.raises(KeyFileError):
            KeyRing.read(cut)


def test_a_key_file_with_anything_else_in_it_is_refused(tmp_path: Path) -> None:
    whole, bad = tmp_path / "whole.key", tmp_path / "bad.key"
    ring("x").write(whole)
    data = whole.read_bytes()
    blocks = [block + b"-----END PRIVATE KEY-----\n" for block in data.split(b"-----END PRIVATE KEY-----\n")[:-1]]
    assert b"".join(blocks) == data
    bad.touch(mode=0o600)
    for content in (
        b"",
        b"\xff" * 100,
        b"comment\n" + data,
        data + b"\n",
        data.replace(b"\n", b"\r\n"),
        data + blocks[0],
        blocks[0],
        blocks[0] + blocks[2] + blocks[1] + blocks[1],
        data.replace(b"PRIVATE", b"PUBLIC"),
        data[:40] + b"!!!!" + data[44:],
        blocks[0].replace(b"PRIVATE", b"ENCRYPTED PRIVATE") + blocks[2],
    ):
        bad.write_bytes(content)
        with pytest.raises(KeyFileError):
            KeyRing.read(bad, PASSWORD)


def test_a_key_file_that_is_missing_or_a_folder_is_refused_by_name(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.key", tmp_path):
        with pytest.raises(KeyFileError, match=str(path)):
            KeyRing.read(path)
    with pytest.raises(KeyFileError, match="cannot be written"):
        ring("x").write(tmp_path / "no folder" / "node.key")


def test_a_key_file_that_could_not_be_written_whole_is_not_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(KeyFileError, match="No space left on device"):
        ring("x").write(tmp_path / "node.key")
    assert not list(tmp_path.iterdir())
