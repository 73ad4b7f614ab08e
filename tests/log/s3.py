"""An S3-compatible object store for tests: moto's server, in a process of its own, on loopback.

It compares and puts in two steps. So that a conditional write is one, as in a real store, it serves one request at a
time: `python -m reperform.tests.log.s3` prints its port. With `careless` it ignores every condition.
"""

from __future__ import annotations

import secrets
import subprocess
import sys
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

BUCKET: Final = "logs"


@dataclass(frozen=True, slots=True)
class Server:
    """A running server with one bucket."""

    endpoint: str

    @classmethod
    @contextmanager
    def started(cls, *options: str) -> Iterator[Server]:
        """A server for as long as the block runs."""
        command = [sys.executable, "-m", "reperform.tests.log.s3", *options]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
            try:
                assert process.stdout is not None
                server = cls(f"http://127.0.0.1:{int(process.stdout.readline())}")
                request = urllib.request.Request(f"{server.endpoint}/{BUCKET}", method="PUT")  # noqa: S310  # loopback
                urllib.request.urlopen(request).close()  # noqa: S310
                yield server
            finally:
                process.kill()

    @property
    def environment(self) -> dict[str, str]:
        """What tells a client of this server."""
        return {
            "AWS_ENDPOINT": self.endpoint,
            "AWS_REGION": "us-east-1",
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "anybody",
            "AWS_SECRET_ACCESS_KEY": "nothing",
        }

    @staticmethod
    def place() -> str:
        """The address of a log that is not there yet."""
        return f"s3://{BUCKET}/{secrets.token_hex(8)}"


def main() -> None:
    """Serve until killed."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    app = DomainDispatcherApplication(create_backend_app)

    def careless(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ.pop("HTTP_IF_NONE_MATCH", None)
        environ.pop("HTTP_IF_MATCH", None)
        answer: Iterable[bytes] = app(environ, start_response)
        return answer

    server = make_server("127.0.0.1", 0, careless if "careless" in sys.argv else app, threaded=False)
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
