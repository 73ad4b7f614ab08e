"""The vault: what is put there is read again by who has its key, and by nobody else; retention, holds, rotation."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reperform.evidence.receipt import DecisionFile, Receipt
from reperform.evidence.values import Output
from reperform.executor.vault.errors import DamagedError, HeldError, NotKeptError, VaultError, VaultKeyError
from reperform.executor.vault.key import VaultKey
from reperform.executor.vault.sealed import Place, seal
from reperform.executor.vault.store import DAY, Holdings, OpenVault, Vault
from reperform.tests.vault.decisions import decided
from reperform.tests.world import START, World

DAYS = 10
END = START + DAYS * DAY


@pytest.fixture
def key() -> VaultKey:
    return VaultKey.generate()


@pytest.fixture
def path(tmp_path: Path, key: VaultKey) -> Path:
    """A vault's file."""
    Vault.create(tmp_path / "vault", key, DAYS)
    return tmp_path / "vault"


@pytest.fixture
def vault(path: Path, key: VaultKey) -> Iterator[OpenVault]:
    with OpenVault(path, key) as opened:
        yield opened


@pytest.fixture
def files(world: World) -> list[DecisionFile]:
    """Three decisions."""
    return [decided(world, number) for number in range(3)]


def change(path: Path, statement: str, *values: object) -> None:
    """Somebody else writes to the vault."""
    database = sqlite3.connect(path)
    with database:
        database.execute(statement, values)
    database.close()


def test_what_is_put_there_is_read_again_later_by_its_decision(
    path: Path, key: VaultKey, files: list[DecisionFile]
) -> None:
    with OpenVault(path, key) as vault:
        vault.keep(files[:2], START)
        vault.keep(files[2:], START + 1)
    with OpenVault(path, key) as vault:
        assert [vault.read(kept) for kept in vault.everything()] == files
        assert vault.find(files[1].receipt.parse(Receipt).decision) == files[1]
        assert vault.find(bytes(16)) is None
        assert vault.holdings(START) == Holdings(days=DAYS, kept=3, held=0, expired=0, erased=0)


def test_a_batch_is_kept_whole_or_not_at_all(vault: OpenVault, files: list[DecisionFile]) -> None:
    vault.keep(files[1:2], START)
    with pytest.raises(VaultError, match="UNIQUE"):
        vault.keep(files, START)
    assert [vault.read(kept) for kept in vault.everything()] == files[1:2]


def test_a_vault_is_readable_by_its_owner_alone(path: Path, vault: OpenVault, files: list[DecisionFile]) -> None:
    vault.keep(files, START)
    beside = sorted(path.parent.glob("vault*"))
    assert [found.name for found in beside] == ["vault", "vault-shm", "vault-wal"]
    assert {stat.S_IMODE(found.stat().st_mode) for found in beside} == {0o600}


def test_another_key_is_refused_and_nothing_is_changed(path: Path, vault: OpenVault, files: list[DecisionFile]) -> None:
    vault.keep(files, START)
    with pytest.raises(VaultKeyError, match="does not open with this vault key; give the vault's own"):
        OpenVault(path, VaultKey.generate())
    assert [vault.read(kept) for kept in vault.everything()] == files


def test_the_same_key_opens_two_vaults_and_neither_reads_the_others_rows(
    path: Path, key: VaultKey, files: list[DecisionFile], tmp_path: Path
) -> None:
    Vault.create(tmp_path / "other", key, DAYS)
    with OpenVault(path, key) as vault, OpenVault(tmp_path / "other", key) as other:
        vault.keep(files[:1], START)
        other.keep(files[:1], START)
    database = sqlite3.connect(path)
    database.execute("ATTACH ? AS other", (str(tmp_path / "other"),))
    database.execute("UPDATE opening SET (data_key, content) = (SELECT data_key, content FROM other.opening)")
    database.commit()
    database.close()
    with OpenVault(path, key) as vault, pytest.raises(DamagedError, match="its data key does not unwrap"):
        vault.read(vault.everything()[0])


def test_lengths_on_disk_do_not_tell_the_answer(vault: OpenVault, world: World, path: Path) -> None:
    approval, refusal = Output("approve", ()), Output("decline: the income is too low for the loan", ())
    vault.keep([decided(world, 0, lambda _: approval), decided(world, 1, lambda _: refusal)], START)
    database = sqlite3.connect(path)
    sizes = database.execute("SELECT length(data_key), length(content) FROM opening").fetchall()
    database.close()
    assert len(set(sizes)) == 1


HOSTILE: dict[str, tuple[str, str]] = {
    "an altered ciphertext": (
        "UPDATE opening SET content = CAST(substr(content, 2) || substr(content, 1, 1) AS BLOB) WHERE number = 2",
        "does not decrypt",
    ),
    "a cut ciphertext": ("UPDATE opening SET content = substr(content, 1, 600) WHERE number = 2", "does not decrypt"),
    "an empty ciphertext": ("UPDATE opening SET content = x'' WHERE number = 2", "does not decrypt"),
    "an altered data key": (
        "UPDATE opening SET data_key = CAST(substr(data_key, 2) || substr(data_key, 1, 1) AS BLOB) WHERE number = 2",
        "does not unwrap",
    ),
    "a cut data key": ("UPDATE opening SET data_key = substr(data_key, 1, 32) WHERE number = 2", "does not unwrap"),
    "another decision's data key": (
        "UPDATE opening SET data_key = (SELECT data_key FROM opening WHERE number = 1) WHERE number = 2",
        "does not decrypt",
    ),
    "another decision's opening": (
        "UPDATE opening SET (data_key, content) = (SELECT data_key, content FROM opening WHERE number = 1)"
        " WHERE number = 2",
        "does not decrypt",
    ),
    "another receipt": (
        "UPDATE decision SET receipt = (SELECT receipt FROM decision WHERE number = 1) WHERE number = 2",
        "does not decrypt",
    ),
    "a missing opening": ("DELETE FROM opening WHERE number = 2", "is missing"),
    "a row that says it was not erased": (
        "UPDATE opening SET data_key = zeroblob(40), content = zeroblob(1000) WHERE number = 2",
        "does not unwrap",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_row_that_is_not_what_was_put_there_is_refused_by_its_name(
    name: str, path: Path, vault: OpenVault, files: list[DecisionFile]
) -> None:
    vault.keep(files, START)
    first, second, third = vault.everything()
    statement, cause = HOSTILE[name]
    change(path, statement)
    _, altered, _ = vault.everything()
    with pytest.raises(DamagedError, match=f"decision {second.decision.hex()}: its .*{cause}; restore the vault"):
        vault.read(altered)
    assert [vault.read(first), vault.read(third)] == [files[0], files[2]]


def test_two_decisions_with_swapped_ids_are_refused(path: Path, vault: OpenVault, files: list[DecisionFile]) -> None:
    vault.keep(files, START)
    one, two, _ = (file.receipt.parse(Receipt).decision for file in files)
    for decision, number in ((b"aside", 1), (one, 2), (two, 1)):
        change(path, "UPDATE decision SET decision = ? WHERE number = ?", decision, number)
    for decision in (one, two):
        with pytest.raises(DamagedError, match=f"decision {decision.hex()}: its opening does not decrypt"):
            vault.find(decision)


def test_an_opening_that_does_not_open_its_receipt_is_refused(vault: OpenVault, files: list[DecisionFile]) -> None:
    vault.keep([DecisionFile(files[0].receipt, files[1].opening)], START)
    with pytest.raises(DamagedError, match="its opening is not the receipt's"):
        vault.read(vault.everything()[0])


def test_a_decision_in_the_place_of_another_is_refused(path: Path, key: VaultKey, files: list[DecisionFile]) -> None:
    with OpenVault(path, key) as vault:
        vault.keep(files[:1], START)
        (kept,) = vault.everything()
        place = Place(vault._id, kept.decision, kept.receipt)
        sealed = seal(files[1], place, key.wrapping(vault._id))  # by who has the vault key
    change(path, "UPDATE opening SET data_key = ?, content = ?", sealed.data_key, sealed.content)
    with OpenVault(path, key) as vault, pytest.raises(DamagedError, match="it holds another decision"):
        vault.read(kept)


def test_many_decisions_are_forgotten_at_once_and_held_ones_too(vault: OpenVault, files: list[DecisionFile]) -> None:
    vault.keep(files, START)
    kept = vault.everything()
    vault.hold(kept[2], END)
    unknown = [number.to_bytes(16, "big") for number in range(1200)]
    assert vault.forget([kept[0].decision, *unknown, kept[2].decision], START) == 2
    assert vault.forget([kept[0].decision], START) == 0
    assert vault.everything() == [kept[1]]


@pytest.mark.parametrize("altered", ["id = zeroblob(16)", "key_check = zeroblob(32)", "key_check = x''"])
def test_an_altered_head_is_taken_for_another_key(path: Path, key: VaultKey, altered: str) -> None:
    change(path, "UPDATE vault SET " + altered)  # noqa: S608  # of this test
    with pytest.raises(VaultKeyError, match="does not open with this vault key"):
        OpenVault(path, key)


@pytest.mark.parametrize("content", [b"", b"not a database" * 500, b"SQLite format 3\0"])
def test_a_file_that_is_no_vault_is_refused_and_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "vault").write_bytes(content)
    with pytest.raises(VaultError, match="vault"):
        Vault(tmp_path / "vault")
    assert (tmp_path / "vault").read_bytes() == content


def test_a_vault_that_does_not_exist_is_not_made_by_opening_it(tmp_path: Path) -> None:
    with pytest.raises(VaultError, match="does not exist; make a vault with `reperform vault init`"):
        Vault(tmp_path / "vault")
    assert list(tmp_path.iterdir()) == []


def test_a_vault_is_never_made_over_a_file(path: Path, key: VaultKey) -> None:
    before = path.read_bytes()
    with pytest.raises(VaultError, match="exists; a vault is never overwritten"):
        Vault.create(path, key, DAYS)
    assert path.read_bytes() == before


@pytest.mark.parametrize("days", [0, -1, 36_526])
def test_periods_that_make_no_sense_are_refused(path: Path, key: VaultKey, days: int) -> None:
    with pytest.raises(VaultError, match="keep decisions for 1 to 36525 days"):
        Vault.create(path.with_name("other"), key, days)
    assert not path.with_name("other").exists()
    with Vault(path) as vault, pytest.raises(VaultError, match="keep decisions for 1 to 36525 days"):
        vault.keep_for(days)


def test_what_is_over_expires_to_the_millisecond_and_what_is_held_does_not(
    vault: OpenVault, files: list[DecisionFile]
) -> None:
    for later, file in enumerate(files):
        vault.keep([file], START + later)
    held = vault.hold(vault.everything()[0], END + 1000)
    assert vault.ends(held) == END + 1000
    assert vault.erase_expired(END) == 0
    assert vault.holdings(END + 1) == Holdings(days=DAYS, kept=3, held=1, expired=1, erased=0)
    assert vault.erase_expired(END + 1) == 1
    assert [vault.read(kept) for kept in vault.everything()] == [files[0], files[2]]
    assert vault.erase_expired(END + 999) == 1
    with pytest.raises(HeldError, match=r"is held; `reperform vault retain --lift` ends that"):
        vault.erase(held, END + 999)
    assert vault.erase_expired(END + 1000) == 1
    assert vault.holdings(END + 1000) == Holdings(days=DAYS, kept=0, held=0, expired=0, erased=3)


def test_a_hold_that_is_lifted_leaves_a_decision_to_the_period_of_all(
    vault: OpenVault, files: list[DecisionFile]
) -> None:
    vault.keep(files, START)
    held = vault.hold(vault.everything()[0], END + DAY)
    lifted = vault.hold(held, None)
    assert vault.ends(lifted) == END
    vault.keep_for(DAYS + 5)
    assert vault.ends(lifted) == END + 5 * DAY
    assert vault.erase_expired(END) == 0
    assert vault.erase_expired(END + 5 * DAY) == 3


def test_what_was_erased_is_neither_read_nor_held_and_says_when(vault: OpenVault, files: list[DecisionFile]) -> None:
    vault.keep(files, START)
    erased = vault.everything()[0]
    vault.erase(erased, START + 5)
    vault.erase(erased, START + 9)
    with pytest.raises(NotKeptError, match="was erased"):
        vault.read(erased)
    with pytest.raises(NotKeptError, match="was erased"):
        vault.hold(erased, END)
    found = vault.kept(erased.decision)
    assert found is not None
    assert (found.kept, found.erased) == (START, START + 5)
    assert vault.find(erased.decision) is None
    assert [vault.read(kept) for kept in vault.everything()] == files[1:]


def test_a_decision_is_named_by_the_beginning_of_its_id(vault: OpenVault, world: World) -> None:
    ids = [bytes.fromhex(digits.ljust(32, "5")) for digits in ("aaaaaaaa1", "aaaaaaaa2", "ffffffff", "00000000")]
    vault.keep([decided(world, n, decision=decision) for n, decision in enumerate(ids)], START)
    assert vault.named("aaaaaaaa1").decision == ids[0]
    assert vault.named("ffffffff").decision == ids[2]
    assert vault.named(ids[3].hex()).decision == ids[3]
    with pytest.raises(NotKeptError, match="several decisions begin with aaaaaaaa; give more digits"):
        vault.named("aaaaaaaa")
    with pytest.raises(NotKeptError, match="has no decision aaaaaaaa3"):
        vault.named("aaaaaaaa3")


def test_after_a_rotation_the_new_key_opens_everything_and_the_old_one_nothing(
    path: Path, key: VaultKey, files: list[DecisionFile]
) -> None:
    new = VaultKey.generate()
    with OpenVault(path, key) as vault:
        vault.keep(files, START)
        vault.erase(vault.everything()[1], START)
        backup = path.with_name("backup")
        database = sqlite3.connect(path)
        database.execute("VACUUM INTO ?", (str(backup),))
        database.close()
        wrapped = [row for (row,) in vault._database.rows("SELECT data_key FROM opening WHERE number <> 2")]
        assert vault.rotate(new) == 2
        assert [vault.read(kept) for kept in vault.everything()] == [files[0], files[2]]
        held = b"".join(found.read_bytes() for found in path.parent.glob("vault*"))
        assert [part in held for part in wrapped] == [False, False]
    for place in (path, backup):
        with pytest.raises(VaultKeyError):
            OpenVault(place, key if place == path else new)
    with OpenVault(path, new) as vault:
        assert [vault.read(kept) for kept in vault.everything()] == [files[0], files[2]]


def test_who_opened_a_vault_before_its_rotation_puts_nothing_in_that_nobody_could_open(
    path: Path, key: VaultKey, files: list[DecisionFile]
) -> None:
    with OpenVault(path, key) as before, OpenVault(path, key) as other:
        before.keep(files[:1], START)
        other.rotate(VaultKey.generate())
        for attempt in (lambda: before.keep(files[1:], START), lambda: before.rotate(VaultKey.generate())):
            with pytest.raises(VaultKeyError, match="does not open with this vault key"):
                attempt()
        assert [other.read(kept) for kept in other.everything()] == files[:1]


def test_a_rotation_that_meets_a_damaged_row_changes_nothing(
    path: Path, vault: OpenVault, files: list[DecisionFile]
) -> None:
    vault.keep(files, START)
    change(path, "UPDATE opening SET data_key = zeroblob(40) WHERE number = 3")
    with pytest.raises(DamagedError):
        vault.rotate(VaultKey.generate())
    assert [vault.read(kept) for kept in vault.everything()[:2]] == files[:2]


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.sampled_from(["keep", "erase", "hold", "lift", "expire", "days"]), st.integers(0, 30)), max_size=30
    )
)
def test_it_does_what_a_dictionary_would(
    world: World, tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    """Against a model: what is there is exactly what was kept, and neither erased by name nor by its time."""
    path, key = tmp_path_factory.mktemp("vault") / "vault", VaultKey.generate()
    Vault.create(path, key, DAYS)
    expected: dict[bytes, tuple[DecisionFile, int, int | None]] = {}
    erased: set[bytes] = set()
    days, clock = DAYS, START
    with OpenVault(path, key) as vault:
        for step, (what, number) in enumerate(steps):
            clock += DAY
            chosen = sorted(expected)[number % len(expected)] if expected else None
            match what:
                case "keep":
                    file = decided(world, step)
                    vault.keep([file], clock)
                    expected[file.receipt.parse(Receipt).decision] = (file, clock, None)
                case "expire":
                    over = {
                        decision
                        for decision, (_, kept, until) in expected.items()
                        if (kept + days * DAY if until is None else until) <= clock
                    }
                    assert vault.erase_expired(clock) == len(over)
                    erased |= over
                case "days":
                    days = number + 1
                    vault.keep_for(days)
                case "hold" | "lift" if chosen is not None:
                    file, kept, _ = expected[chosen]
                    until = clock + number * DAY if what == "hold" else None
                    vault.hold(vault.named(chosen.hex()), until)
                    expected[chosen] = (file, kept, until)
                case "erase" if chosen is not None:
                    until = expected[chosen][2]
                    if until is not None and clock < until:
                        with pytest.raises(HeldError):
                            vault.erase(vault.named(chosen.hex()), clock)
                    else:
                        vault.erase(vault.named(chosen.hex()), clock)
                        erased.add(chosen)
            for gone in erased & expected.keys():
                del expected[gone]
            assert {kept.decision: vault.read(kept) for kept in vault.everything()} == {
                decision: file for decision, (file, _, _) in expected.items()
            }
    with Vault(path) as again:
        assert again.holdings(clock).erased == len(erased)
