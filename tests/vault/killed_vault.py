"""A process that does one thing with a vault and is killed at a chosen SQL statement of it.

    python killed_vault.py FOLDER erase|expire|rotate STATEMENT
    python killed_vault.py FOLDER many NUMBER
    python killed_vault.py FOLDER empty 0

`many` puts 25 decisions there, one by one, and is not killed. `empty` empties the log beside the file until it is.
"""

from __future__ import annotations

import sys
from pathlib import Path
from time import sleep

from reperform.executor.vault.key import VaultKey
from reperform.executor.vault.store import DAY, OpenVault, Vault
from reperform.tests.protocol.executors import DAYS, vault_of
from reperform.tests.protocol.killed_executor import Steps, count
from reperform.tests.vault.decisions import decided
from reperform.tests.world import START, World


def main(folder: Path, what: str, number: int) -> None:
    """Do it."""
    keys = folder / "elsewhere"
    if what == "many":
        world = World(folder / f"world-{number}")
        with vault_of(folder) as vault:
            for step in range(25):
                vault.keep([decided(world, step)], START)
        return
    if what == "empty":
        with Vault(folder / "vault") as vault:
            print("emptying", flush=True)
            while True:
                vault._database.rows("PRAGMA wal_checkpoint(TRUNCATE)")
                sleep(0.001)  # or nobody else gets a turn
    count(Steps(number))
    if what == "rotate":
        with OpenVault(folder / "vault", VaultKey.read(keys / "old")) as opened:
            opened.rotate(VaultKey.read(keys / "new"))
    else:
        with Vault(folder / "vault") as keyless:
            if what == "expire":
                keyless.erase_expired(START + DAYS * DAY)
            else:
                keyless.erase(keyless.everything()[0], START)
    print("alive")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
