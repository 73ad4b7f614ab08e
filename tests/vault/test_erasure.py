"""After erasure nothing that the operator has, its keys included, lets anyone test a guess of what was decided."""

from __future__ import annotations

import hashlib
import hmac
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from random import Random
from typing import Final

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap
from reperform.evidence.commitment import Role
from reperform.evidence.documents import to_bytes
from reperform.evidence.receipt import DecisionFile, Receipt, open_receipt
from reperform.evidence.sealing import pad
from reperform.evidence.values import Record
from reperform.executor.vault.errors import VaultError
from reperform.executor.vault.key import VaultKey
from reperform.executor.vault.sealed import Place
from reperform.executor.vault.store import DAY, Kept, OpenVault, Vault
from reperform.tests.protocol.executors import (
    FileLog,
    executor_of,
    held_on_disk,
    journal_of,
    read_envelopes,
    vault_of,
    with_log,
)
from reperform.tests.vault.decisions import decided
from reperform.tests.world import BANK, START, World

SCRIPT: Final = Path(__file__).with_name("killed_vault.py")
MARKER: Final = "Zaphod Beeblebrox, income 731942.68"
WINDOW: Final = 16  # bytes: less than any key or tag


def stored(vault: Vault, kept: Kept) -> tuple[bytes, bytes]:
    """The wrapped data key and the ciphertext as they stand in the vault."""
    ((data_key, content),) = vault._database.rows("SELECT data_key, content FROM opening WHERE number = ?", kept.number)
    return data_key, content


def parts(data: bytes) -> Iterator[bytes]:
    """A value in pieces, so that a piece of it is found too."""
    return (data[at : at + WINDOW] for at in range(0, len(data) - WINDOW + 1, WINDOW))


def guesses_that_fit(held: bytes, file: DecisionFile, vault_key: VaultKey, vault: bytes, before: bytes) -> list[str]:
    """What somebody finds who guesses input and output rightly and tries every 32 bytes of all files as a key.

    `before` is the ciphertext as it was, as somebody may have copied it without its data key.
    """
    receipt = file.receipt.parse(Receipt)
    place, wrapping = Place.of(vault, file), vault_key.wrapping(vault)
    true = {
        Role.INPUT: (file.opening.input, receipt.input.mac.value),
        Role.OUTPUT: (file.opening.output, receipt.output.mac.value),
    }
    found = []
    candidates = {held[at : at + 32] for at in range(len(held) - 31)}
    for at in range(len(held) - 39):
        try:
            candidates.add(aes_key_unwrap(wrapping.key, held[at : at + 40]))
        except InvalidUnwrap:
            continue
    for key in candidates:
        for role, (value, mac) in true.items():
            if hmac.digest(key, role.encode() + b"\0" + value, "sha256") == mac:
                found.append(f"the key of the {role}")
        try:
            AESGCM(key).decrypt(bytes(12), before, place.context)
            found.append("the data key")
        except InvalidTag:
            continue
    for name, value in (("input", file.opening.input), ("output", file.opening.output), ("file", to_bytes(file))):
        forms = {
            "bytes": value,
            "hash": hashlib.sha256(value).digest(),
            "padded hash": hashlib.sha256(pad(value)).digest(),
        }
        found += [f"the {form} of the {name}" for form, wanted in forms.items() if wanted in held]
    return found


def test_a_right_guess_cannot_be_told_from_a_wrong_one_with_every_file_and_key_of_the_operator(world: World) -> None:
    world.roster, log = with_log(world), FileLog(world.folder / "log")
    world.rings[BANK].write(world.folder / "bank.key")
    with journal_of(world) as journal, vault_of(world.folder) as vault:
        executor = executor_of(world, journal, vault, log)
        decision, other = executor.decide([Record.of({"income": MARKER}), Record.of({"income": "1"})])
        key = VaultKey.read(world.folder / "elsewhere" / "vault-key")
        kept = vault.named(decision.file.receipt.parse(Receipt).decision.hex())
        data_key, content = stored(vault, kept)
        given = (decision.file, key, vault._id, content)
        seen = held_on_disk(world.folder) + to_bytes(decision.file)  # what this test can find, if it is there
        assert set(guesses_that_fit(seen, *given)) == {
            "the data key",
            *(f"the key of the {role}" for role in (Role.INPUT, Role.OUTPUT)),
            *(f"the bytes of the {name}" for name in ("input", "output", "file")),
        }
        vault.erase(kept, world.now)
        held = held_on_disk(world.folder)
        assert guesses_that_fit(held, *given) == []
        secrets = (data_key, content, decision.file.opening.input_key, decision.file.opening.output_key)
        assert [part for secret in secrets for part in parts(secret) if part in held] == []
        assert MARKER.encode() not in held
        assert vault.find(other.file.receipt.parse(Receipt).decision) == other.file
    held = held_on_disk(world.folder)
    assert [part for secret in secrets for part in parts(secret) if part in held] == []
    (first, _) = read_envelopes(FileLog(world.folder / "log"))
    assert open_receipt(first, world.roster).envelope == decision.file.receipt  # what was signed stays


@pytest.mark.parametrize("seed", range(3))
def test_no_piece_of_what_was_erased_is_left_in_any_file_whatever_came_before_and_after(
    world: World, tmp_path: Path, seed: int
) -> None:
    random, folder = Random(seed), tmp_path / "kept"  # noqa: S311  # it chooses what is erased
    folder.mkdir()
    key, pieces = VaultKey.generate(), dict[bytes, list[bytes]]()
    Vault.create(folder / "vault", key, 30)
    gone: list[bytes] = []
    with OpenVault(folder / "vault", key) as vault:
        for step in range(60):
            income = "9" * random.choice((1, 600, 3000))
            batch = [decided(world, step * 10 + n, income=income) for n in range(random.randint(1, 4))]
            vault.keep(batch, START + step)
            for file in batch:
                kept = vault.named(file.receipt.parse(Receipt).decision.hex())
                pieces[kept.decision] = [part for value in stored(vault, kept) for part in parts(value)]
            for kept in random.sample(vault.everything(), min(len(vault.everything()), random.randint(0, 3))):
                vault.erase(kept, START + step)
                gone += pieces.pop(kept.decision)
            if step % 20 == 19:
                held = held_on_disk(folder)
                assert [piece for piece in gone if piece in held] == []
                left = [piece for each in pieces.values() for piece in each]
                assert sum(piece in held for piece in left) > 0.9 * len(left)  # the others stand across two pages
        gone += [piece for left in pieces.values() for piece in left]
        assert vault.erase_expired(START + 30 * DAY + 60) == len(pieces)
        held = held_on_disk(folder)
        assert [piece for piece in gone if piece in held] == []


def test_erasure_needs_no_key(world: World) -> None:
    with vault_of(world.folder) as vault:
        vault.keep([decided(world, 0)], START)
        (kept,) = vault.everything()
        secret = stored(vault, kept)
    with Vault(world.folder / "vault") as keyless:
        keyless.erase(kept, START)
    held = held_on_disk(world.folder)
    assert [part for value in secret for part in parts(value) if part in held] == []


def run(world: World, what: str, step: int) -> subprocess.CompletedProcess[str]:
    """Do something with the vault in a process that is killed at a step."""
    command = [sys.executable, str(SCRIPT), str(world.folder), what, str(step)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("what", ["erase", "expire", "rotate"])
def test_killed_at_every_statement_it_is_done_or_not_and_the_next_one_does_it_all(world: World, what: str) -> None:
    new = VaultKey.generate()
    with vault_of(world.folder) as vault:
        vault.keep([decided(world, 0), decided(world, 1)], START)
        files = [vault.read(kept) for kept in vault.everything()]
        touched = vault.everything()[: 1 if what == "erase" else 2]
        secret = [stored(vault, kept)[0] for kept in touched]
        if what != "rotate":
            secret += [stored(vault, kept)[1] for kept in touched]
    (world.folder / "elsewhere" / "vault-key").rename(world.folder / "elsewhere" / "old")
    new.write(world.folder / "elsewhere" / "new")
    before = {path.name: path.read_bytes() for path in world.folder.glob("vault*")}
    kills = 0
    for step in range(1, 60):
        for path in world.folder.glob("vault*"):
            path.unlink()
        for name, data in before.items():
            (world.folder / name).write_bytes(data)
        done = run(world, what, step)
        if done.returncode == 0:
            assert done.stdout == "alive\n", done.stderr
            break
        assert done.returncode == -signal.SIGKILL, done.stderr
        kills += 1
        if what == "rotate":
            with _whichever(world) as vault:
                assert [vault.read(kept) for kept in vault.everything()] == files
        elif _erased(world) == len(touched):  # opened again, it has been done, and whole
            held = held_on_disk(world.folder)
            assert [part for value in secret for part in parts(value) if part in held] == []
        else:
            assert _erased(world) == 0
            with OpenVault(world.folder / "vault", VaultKey.read(world.folder / "elsewhere" / "old")) as vault:
                assert [vault.read(kept) for kept in vault.everything()] == files
    assert kills > 10
    held = held_on_disk(world.folder)
    assert [part for value in secret for part in parts(value) if part in held] == []


def _erased(world: World) -> int:
    with Vault(world.folder / "vault") as vault:
        return vault.holdings(START).erased


def _whichever(world: World) -> OpenVault:
    for name in ("old", "new"):
        try:
            return OpenVault(world.folder / "vault", VaultKey.read(world.folder / "elsewhere" / name))
        except VaultError:
            continue
    raise AssertionError("neither key opens the vault")


def test_two_processes_keep_and_erase_at_once_and_nothing_is_lost(world: World) -> None:
    with vault_of(world.folder) as vault:
        vault.keep([decided(world, n) for n in range(20)], START)
        wanted = vault.everything()
        running = [
            subprocess.Popen([sys.executable, SCRIPT, world.folder, "many", str(n)], stderr=subprocess.PIPE, text=True)
            for n in range(2)
        ]
        for kept in wanted:
            vault.erase(kept, START)
        for process in running:
            _, said = process.communicate()
            assert process.returncode == 0, said
        assert len(vault.everything()) == 2 * 25
        for kept in vault.everything():
            vault.read(kept)
        assert vault.holdings(START).erased == 20


@pytest.mark.parametrize(("reader", "what"), list(product(["vault", "log"], ["erase", "expire"])))
def test_while_another_process_reads_an_erasure_does_not_say_that_it_is_done(
    world: World, monkeypatch: pytest.MonkeyPatch, reader: str, what: str
) -> None:
    monkeypatch.setattr("reperform.executor.vault.database.BUSY", 0.1)
    with vault_of(world.folder) as vault, vault_of(world.folder) as other:
        vault.keep([decided(world, 0)], START)
        (kept,) = vault.everything()
        secret = stored(vault, kept)
        if reader == "log":
            vault._database.empty_log()
        reading = other._database._connection
        reading.execute("BEGIN")
        reading.execute("SELECT count(*) FROM opening").fetchone()

        def attempt() -> None:
            if what == "erase":
                vault.erase(kept, START)
            else:
                vault.erase_expired(vault.ends(kept))

        with pytest.raises(VaultError, match="another process is reading; run the same command again"):
            attempt()
        reading.execute("COMMIT")
        attempt()
        held = held_on_disk(world.folder)
    assert [part for value in secret for part in parts(value) if part in held] == []


def test_an_erasure_waits_for_another_process_that_empties_the_same_log(world: World) -> None:
    with vault_of(world.folder) as vault:
        vault.keep([decided(world, n) for n in range(40)], START)
        command = [sys.executable, str(SCRIPT), str(world.folder), "empty", "0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as emptying:
            try:
                assert emptying.stdout is not None
                assert emptying.stdout.readline() == "emptying\n"
                for kept in vault.everything():
                    vault.erase(kept, START)
            finally:
                emptying.kill()
        assert vault.holdings(START).erased == 40
