"""The vault key: a file that nobody else can read, or a command that prints it; anything else is refused, unquoted."""

from __future__ import annotations

import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from reperform.evidence.keyfile import KeyFileError
from reperform.executor.vault.errors import DamagedError, VaultKeyError
from reperform.executor.vault.key import VaultKey

SECRET = "5ec3e7" + "ab" * 29
TEXT = f"reperform-vault-key-v1:{SECRET}"
VAULT = bytes(16)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A key file."""
    VaultKey(bytes.fromhex(SECRET)).write(tmp_path / "vault-key")
    return tmp_path / "vault-key"


def test_a_key_is_written_for_its_owner_alone_and_read_again(path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text() == f"{TEXT}\n"
    assert VaultKey.read(path).wrapping(VAULT) == VaultKey(bytes.fromhex(SECRET)).wrapping(VAULT)


def test_a_key_is_never_overwritten(path: Path) -> None:
    with pytest.raises(KeyFileError, match="never overwritten"):
        VaultKey.generate().write(path)
    assert path.read_text() == f"{TEXT}\n"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o622, 0o660, 0o777])
def test_a_key_that_others_can_touch_is_refused(path: Path, mode: int) -> None:
    path.chmod(mode)
    with pytest.raises(KeyFileError, match="can be read by others; run `chmod 600"):
        VaultKey.read(path)


def test_a_missing_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="cannot be read: No such file"):
        VaultKey.read(tmp_path / "vault-key")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        SECRET,
        TEXT.upper(),
        f"{TEXT}\n\n",
        f"{TEXT}\r\n",
        f" {TEXT}",
        f"{TEXT[:-1]}",
        f"{TEXT}0",
        f"{TEXT[:-1]}g",
        TEXT.replace("v1", "v2"),
        f"{TEXT}\n{TEXT}\n",
        f"\ufeff{TEXT}",
    ],
)
def test_text_that_is_not_exactly_a_key_is_refused_and_not_shown(path: Path, text: str) -> None:
    path.write_bytes(text.encode())
    printing = [sys.executable, "-c", f"print({text!r}, end='')"]
    attempts: list[Callable[[], VaultKey]] = [lambda: VaultKey.read(path), lambda: VaultKey.ask(printing)]
    for read in attempts:
        with pytest.raises(VaultKeyError, match=r"vault key.*; make one with `reperform vault key`") as caught:
            read()
        assert SECRET[:6] not in str(caught.value).lower()


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_key_of_another_length_is_refused(size: int) -> None:
    with pytest.raises(VaultKeyError, match="expected 32"):
        VaultKey(bytes(size))


def test_a_command_prints_the_key_and_is_not_run_by_a_shell(path: Path, tmp_path: Path) -> None:
    assert VaultKey.ask(["cat", str(path)]).wrapping(VAULT) == VaultKey.read(path).wrapping(VAULT)
    with pytest.raises(VaultKeyError, match="ended with status 1"):
        VaultKey.ask(["cat", f"{path}; touch {tmp_path / 'made'}"])
    assert not (tmp_path / "made").exists()


def test_a_command_gets_no_input_and_nothing_that_it_says_is_passed_on(capfd: pytest.CaptureFixture[str]) -> None:
    code = f"import sys; print({TEXT!r}, file=sys.stderr); print(sys.stdin.read() + {TEXT!r})"
    VaultKey.ask([sys.executable, "-c", code])
    failing = f"import sys; print({TEXT!r}); sys.exit({TEXT!r})"
    with pytest.raises(VaultKeyError, match="ended with status 1; run it by hand") as caught:
        VaultKey.ask([sys.executable, "-c", failing])
    assert SECRET not in repr(caught.getrepr(chain=True, showlocals=False))
    assert capfd.readouterr() == ("", "")


def test_a_command_that_does_not_end_is_ended(tmp_path: Path) -> None:
    begun = time.monotonic()
    code = f"import time; print({TEXT!r}, flush=True); time.sleep(60)"
    with pytest.raises(VaultKeyError, match="took more than 1 seconds") as caught:
        VaultKey.ask([sys.executable, "-c", code], patience=1)
    assert time.monotonic() - begun < 30
    assert caught.value.__cause__ is None
    with pytest.raises(VaultKeyError, match="cannot be run: No such file"):
        VaultKey.ask([str(tmp_path / "nothing")])
    with pytest.raises(VaultKeyError, match="is empty"):
        VaultKey.ask([])


def test_nothing_that_is_printed_of_a_key_shows_it(path: Path) -> None:
    key = VaultKey.read(path)
    for shown in (repr(key), str(key), f"{key.wrapping(VAULT)!r}"):
        assert SECRET[:6] not in shown
        assert key.wrapping(VAULT).key.hex()[:8] not in shown
        assert repr(key.wrapping(VAULT).key)[2:8] not in shown


def test_each_vault_has_a_wrapping_key_of_its_own_and_its_check_does_not_tell_it() -> None:
    key = VaultKey.generate()
    one, other = key.wrapping(b"1" * 16), key.wrapping(b"2" * 16)
    assert len({one.key, one.check, other.key, other.check}) == 4
    data_key = bytes(range(32))
    assert one.unwrap(one.wrap(data_key)) == data_key
    for wrong in (other, VaultKey.generate().wrapping(b"1" * 16)):
        with pytest.raises(DamagedError):
            wrong.unwrap(one.wrap(data_key))
