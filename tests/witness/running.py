"""Witnesses, and whoever pretends to be one, at addresses on loopback: in threads of the test, or as processes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from reperform.consensus.service.quota import Buckets
from reperform.replayer.witness.service import Service, create_app
from reperform.tests.serving import serving
from reperform.tests.witness.scene import NAME, Scene
from reperform.tests.world import START

START_SECONDS = 30


@contextmanager
def running(scene: Scene, name: str = NAME, now: Callable[[], int] = lambda: START) -> Iterator[str]:
    """The address of a panel member's witness, in a thread."""
    service = Service(lambda: scene.witness(name), Buckets(10**6), nullcontext, now)
    with serving(create_app(service)) as address:
        yield address


@contextmanager
def pretending(answer: Callable[[bytes], tuple[int, str, bytes] | None]) -> Iterator[str]:
    """The address of somebody who answers a POST as they like: status, media type, body; None breaks the line."""

    class Pretender(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            said = answer(self.rfile.read(int(self.headers["Content-Length"])))
            if said is None:
                self.close_connection = True
                return
            status, kind, body = said
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Pretender)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@dataclass
class Processes:
    """Commands that listen, each a process with its log in the folder."""

    folder: Path
    started: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def listen(self, name: str, *arguments: object, module: str = "reperform.cli.main", **environment: str) -> str:
        """Start a command; its address, once it listens."""
        written = len(self.log(name))
        command = [sys.executable, "-m", module, *map(str, arguments), "--listen", "127.0.0.1:0"]
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **environment})
        self.started[name] = process
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            over = process.poll() is not None  # asked first: what it wrote before its end is in the log
            found = re.search(r"listening at (http\S+)", self.log(name)[written:])
            if found:
                return found[1]
            if over:
                break
            time.sleep(0.02)
        raise RuntimeError(f"{name} did not start: {self.log(name)}")

    def log(self, name: str) -> str:
        """What a process has written."""
        path = self.folder / f"{name}.log"
        return path.read_text() if path.exists() else ""

    def kill(self, name: str) -> None:
        """What a loss of power does to a process."""
        process = self.started.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait()

    def stop(self, name: str) -> int:
        """Ask it to stop; how it ended."""
        process = self.started.pop(name)
        process.send_signal(signal.SIGTERM)
        return process.wait(timeout=30)
