"""A real PostgreSQL for tests and benches: Debian's binaries, an unprivileged user, a folder and a port of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

BINARIES: Final = Path("/usr/lib/postgresql")
USER: Final = "postgres"


@contextmanager
def postgres() -> Iterator[str]:
    """A server on loopback until the block ends; the URL of its database. What it wrote is removed."""
    found = sorted(BINARIES.glob("*/bin"), key=lambda path: int(path.parent.name))
    if not found:
        raise RuntimeError("there is no PostgreSQL here; install it with `apt-get install -y postgresql`")
    binaries = found[-1]
    with tempfile.TemporaryDirectory(prefix="reperform-postgres-") as scratch:
        folder = Path(scratch)
        if os.getuid() == 0:
            shutil.chown(folder, USER)
        data, port = folder / "data", _free_port()
        _run(binaries / "initdb", "--auth=trust", "--no-sync", f"--username={USER}", f"--pgdata={data}")
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder}"
        control = (binaries / "pg_ctl", f"--pgdata={data}", "--wait", "--silent")
        _run(*control, f"--options={options}", f"--log={folder / 'log'}", "start")
        try:
            yield f"postgresql://{USER}@127.0.0.1:{port}/postgres"
        finally:
            _run(*control, "--mode=immediate", "stop")


def _run(*command: str | Path) -> None:
    # PostgreSQL refuses to run as root.
    prefix = ("runuser", "-u", USER, "--") if os.getuid() == 0 else ()
    done = subprocess.run(
        [*prefix, *map(str, command)], cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, check=False, timeout=60,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed: {done.stdout}")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])
