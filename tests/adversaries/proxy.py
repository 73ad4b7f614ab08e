"""Whoever stands between a node and its docket, as a process: `python -m … FOLDER DOCKET-URL [CERTIFICATE KEY]`.

Who asks is told by the path: http://127.0.0.1:PORT/NAME is the docket as NAME is shown it. What is done to whom is in
the file `habits` of the folder, which the tests write: a JSON object, habits by name. Others get what the docket says.
"""

from __future__ import annotations

import json
import random
import ssl
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import httpx
from reperform.consensus.docket import Changes, Slot, parse_envelope
from reperform.consensus.wire import DOCUMENT_TYPE, Documents, Filings, Posted
from reperform.evidence.case import Case
from reperform.evidence.documents import from_bytes, to_bytes
from reperform.evidence.dsse import Envelope
from reperform.evidence.keyfile import KeyRing
from reperform.tests.world import DOCKET

Shown = tuple[Posted, ...]


def backwards(shown: Shown, _: KeyRing) -> Shown:
    """Everything, the last first."""
    return shown[::-1]


def forged(shown: Shown, _: KeyRing) -> Shown:
    """Every document once more, as somebody else signed it, and under every other one's name."""
    thief = KeyRing.generate()

    def forge(posted: Posted) -> Posted:
        envelope = parse_envelope(posted.envelope)
        words = envelope.payload_type, envelope.payload
        return Posted(posted.slot, to_bytes(Envelope.sign_bytes(*words, thief.signers)))

    return (*map(forge, shown), *shown)


def another_case(shown: Shown, docket: KeyRing) -> Shown:
    """Another case on the same filing, signed by the docket: with another challenge."""

    def change(posted: Posted) -> Posted:
        if posted.slot is not Slot.CASE:
            return posted
        case = parse_envelope(posted.envelope).parse(Case)
        other = Case(case.filing, case.roster, bytes(32), case.opened, case.deadlines)
        return Posted(posted.slot, to_bytes(Envelope.sign(other, docket.signers)))

    return tuple(change(posted) for posted in shown)


def nothing_of_others(shown: Shown, _: KeyRing) -> Shown:
    """Neither ballots nor votes: whoever is shown this believes to be alone."""
    return tuple(posted for posted in shown if posted.slot not in (Slot.BALLOT, Slot.VOTE))


SHOWS: Final[Mapping[str, Callable[[Shown, KeyRing], Shown]]] = {
    "reorder": backwards,
    "forge": forged,
    "another case": another_case,
    "hide": nothing_of_others,
}


class Proxy(BaseHTTPRequestHandler):
    """Passes requests on, or does what it is told to do to who asks."""

    protocol_version = "HTTP/1.1"
    folder: Path
    upstream: httpx.Client
    docket: KeyRing
    random = random.Random(4)  # noqa: S311  # nothing here is secret

    def do_GET(self) -> None:
        """Read."""
        self._pass_on(b"")

    def do_POST(self) -> None:
        """Post."""
        self._pass_on(self.rfile.read(int(self.headers["Content-Length"])))

    def log_message(self, *_: object) -> None:
        """Nothing."""

    def _pass_on(self, body: bytes) -> None:
        _, name, *path = self.path.split("/")
        habit = json.loads((self.folder / "habits").read_text()).get(name, "")
        if habit == "drop" and self.random.random() < 0.3:
            self.close_connection = True
            return
        if habit == "delay":
            time.sleep(self.random.uniform(0, 0.3))
        if habit == "alter" and body and self.random.random() < 0.5:
            body = self._altered(body)
        headers = {"Content-Type": self.headers["Content-Type"]} if body else {}
        answer = self.upstream.request(self.command, "/" + "/".join(path), content=body, headers=headers)
        content = answer.content
        if habit in SHOWS and answer.status_code == 200 and path[:2] == ["v1", "filings"]:
            shown = from_bytes(Filings, content).filings
            content = to_bytes(
                Filings(tuple(Documents(each.filing, SHOWS[habit](each.documents, self.docket)) for each in shown))
            )
        if habit == "reorder" and answer.status_code == 200 and path[1].startswith("changes"):
            changes = from_bytes(Changes, content)
            content = to_bytes(Changes(changes.position, changes.filings[::-1]))
        if habit == "alter" and content and self.random.random() < 0.3:
            content = self._altered(content)
        self.send_response(answer.status_code)
        self.send_header("Content-Type", answer.headers.get("Content-Type", DOCUMENT_TYPE))
        if answer.status_code != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        with suppress(ConnectionError):  # who asked was killed
            self.wfile.write(content)

    def _altered(self, data: bytes) -> bytes:
        where = self.random.randrange(len(data))
        return data[:where] + bytes([data[where] ^ 1 << self.random.randrange(8)]) + data[where + 1 :]


def main(folder: Path, url: str, *certificate: str) -> None:
    """Serve until killed; the address goes to stdout."""
    own: dict[str, Any] = {
        "folder": folder,
        "upstream": httpx.Client(base_url=url, timeout=60),
        "docket": KeyRing.read(folder / f"{DOCKET}.key"),
    }
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Proxy,), own))
    server.daemon_threads = True
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    print(f"{'https' if certificate else 'http'}://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
