"""A real PostgreSQL for tests and benches: Debian's binaries, an unprivileged user, a folder and a port of its own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

BINARIES: Final = Path("/usr/lib/postgresql")
USER: Final = "postgres"
GONE_SECONDS: Final = 30


@dataclass(frozen=True)
class Server:
    """A server on loopback, and the URL of its database."""

    folder: Path
    binaries: Path
    port: int

    @property
    def url(self) -> str:
        """For clients."""
        return f"postgresql://{USER}@127.0.0.1:{self.port}/postgres"

    @classmethod
    @contextmanager
    def started(cls) -> Iterator[Self]:
        """A server until the block ends. What it wrote is removed."""
        found = sorted(BINARIES.glob("*/bin"), key=lambda path: int(path.parent.name))
        if not found:
            raise RuntimeError("there is no PostgreSQL here; install it with `apt-get install -y postgresql`")
        with tempfile.TemporaryDirectory(prefix="reperform-postgres-") as scratch:
            server = cls(Path(scratch), found[-1], _free_port())
            if os.getuid() == 0:
                shutil.chown(server.folder, USER)
            _run(server.binaries / "initdb", "--auth=trust", f"--username={USER}", f"--pgdata={server._data}")
            server.start()
            try:
                yield server
            finally:
                server._control("--mode=immediate", "stop")

    def start(self) -> None:
        """Start, or start again."""
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.folder}"
        self._control(f"--options={options}", f"--log={self.folder / 'log'}", "start")

    def kill(self) -> None:
        """What a loss of power does to all its processes. When this returns, nothing is left of them."""
        first = int((self._data / "postmaster.pid").read_text().split()[0])
        found = subprocess.run(["pgrep", "--parent", str(first)], capture_output=True, text=True, check=False)  # noqa: S607
        processes = (first, *map(int, found.stdout.split()))
        for pid in processes:
            with suppress(ProcessLookupError):  # a child that saw its parent end
                os.kill(pid, signal.SIGKILL)
        end = time.monotonic() + GONE_SECONDS
        while any(Path(f"/proc/{pid}").exists() for pid in processes):
            if time.monotonic() > end:
                raise RuntimeError("PostgreSQL was killed and is still there")
            time.sleep(0.05)

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _control(self, *arguments: str) -> None:
        _run(self.binaries / "pg_ctl", f"--pgdata={self._data}", "--wait", "--silent", *arguments)


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
