"""A client against services that lie, break, stall, and pretend to be somebody else."""

from __future__ import annotations

import datetime
import ipaddress
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from reperform.consensus import client as client_module
from reperform.consensus.client import LONGEST_PAUSE, TRIES, HttpDocket
from reperform.consensus.docket import Changes, DocketError, DocketUnreachableError, Slot
from reperform.consensus.proceeding import collect
from reperform.consensus.wire import MAX_TOGETHER, Documents, Filings, Posted
from reperform.evidence.digest import Digest
from reperform.evidence.documents import to_bytes
from reperform.evidence.errors import ReperformError
from reperform.replayer.node import Node
from reperform.replayer.notebook import Notebook
from reperform.tests.docket.conftest import MakeWorld
from reperform.tests.docket.running import running
from reperform.tests.world import PANEL, World, honest

Answer = Callable[[BaseHTTPRequestHandler], None]
NAME = Digest(bytes(32))


@contextmanager
def answering(answer: Answer) -> Iterator[tuple[str, list[str]]]:
    """A server that gives one answer to all; its address, and what it was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one_request(self) -> None:
            self.close_connection = True
            super().handle_one_request()

        def do_GET(self) -> None:
            asked.append(self.path)
            answer(self)

        do_POST = do_GET  # noqa: N815 -- the library's name

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def say(body: bytes, status: int = 200, **headers: str) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in {"Content-Length": str(len(body)), "Connection": "close", **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def hang_up(handler: BaseHTTPRequestHandler) -> None:
    handler.connection.shutdown(socket.SHUT_RDWR)


def endless(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Connection", "close")
    handler.end_headers()
    try:
        while True:
            handler.wfile.write(bytes(65536))
    except OSError:
        pass  # the client has had enough


GOOD = to_bytes(Changes(7, (NAME,)))
LIES: dict[str, Answer] = {
    "nothing": say(b""),
    "junk": say(b"\xff" * 100),
    "half an answer": say(GOOD[:-1]),
    "more than an answer": say(GOOD + b"\x00"),
    "a page for people": say(b"<html>It works!</html>"),
    "a document of another kind": say(to_bytes(Filings(()))),
    "a number that is none": say(GOOD.replace(b"position\x07", b"position\xc3")),
    "an answer that does not end": endless,
    "compressed bytes": say(b"\x1f\x8b\x08" + bytes(30), Content_Encoding="gzip"),
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES.keys())
def test_what_no_docket_says_is_an_error_with_a_next_step(lie: Answer) -> None:
    with answering(lie) as (url, asked):
        with pytest.raises(DocketError) as raised:
            HttpDocket(url).changes(0)
        assert len(asked) == 1
    assert "answers" in str(raised.value)


@pytest.mark.parametrize("ask", ["read", "rosters"])
def test_every_question_has_a_strict_answer(ask: str) -> None:
    with answering(say(GOOD)) as (url, _), pytest.raises(DocketError, match="is of kind 'changes/v1', expected"):
        HttpDocket(url).read(NAME) if ask == "read" else HttpDocket(url).rosters()


def test_documents_that_are_no_envelopes_are_refused() -> None:
    body = to_bytes(Filings((Documents(NAME, (Posted(Slot.VOTE, b"junk"),)),)))
    with answering(say(body)) as (url, _), pytest.raises(DocketError, match="answers what no docket says"):
        HttpDocket(url).read(NAME)


def test_an_answer_about_another_filing_is_none() -> None:
    body = to_bytes(Filings((Documents(Digest(bytes(31) + b"x"), ()),)))
    with answering(say(body)) as (url, _), pytest.raises(DocketError, match="answers about other filings"):
        HttpDocket(url).read(NAME)


def numbered(count: int) -> tuple[Digest, ...]:
    return tuple(Digest(bytes(31) + bytes([number])) for number in range(count))


def test_filings_that_changed_are_read_together_and_what_did_not_fit_again() -> None:
    names = numbered(MAX_TOGETHER + 8)

    def answer(handler: BaseHTTPRequestHandler) -> None:
        if "changes" in handler.path:
            return say(to_bytes(Changes(9, names)))(handler)
        first = handler.path.rpartition("/")[2].split(",")[:20]
        return say(to_bytes(Filings(tuple(Documents(Digest.from_hex(name), ()) for name in first))))(handler)

    with answering(answer) as (url, asked):
        docket = HttpDocket(url)
        assert docket.changes(0).filings == names
        for name in names:
            assert docket.read(name) == dict.fromkeys(Slot, ())
        assert [path.count(",") + 1 for path in asked[1:]] == [MAX_TOGETHER, 20]
        docket.read(names[0])  # what was read is asked for again, as it is now
        assert asked[3].count(",") + 1 == MAX_TOGETHER
        docket.changes(9)
        docket.read(names[1])
        assert len(asked) == 6


def test_a_filing_that_cannot_be_read_does_not_stop_those_that_are_read_with_it() -> None:
    names = numbered(MAX_TOGETHER)

    def answer(handler: BaseHTTPRequestHandler) -> None:
        if "changes" in handler.path:
            return say(to_bytes(Changes(9, names)))(handler)
        if str(names[5]) in handler.path:
            return say(b"", 500)(handler)
        return say(to_bytes(Filings((Documents(Digest.from_hex(handler.path[-64:]), ()),))))(handler)

    with answering(answer) as (url, _):
        docket = HttpDocket(url)
        docket.changes(0)
        with pytest.raises(DocketError, match="refuses"):
            docket.read(names[0])
        for name in names[1:5]:
            assert docket.read(name) == dict.fromkeys(Slot, ())
        with pytest.raises(DocketError, match="refuses"):
            docket.read(names[5])


@pytest.mark.parametrize("answer", [hang_up, say(b"", 503), say(b"", 429), say(b"", 502, Retry_After="3600")])
def test_a_docket_that_is_away_is_asked_again_a_few_times(answer: Answer) -> None:
    pauses: list[float] = []
    with answering(answer) as (url, asked):
        with pytest.raises(DocketUnreachableError, match=r"; (check the address and the network|try again later)"):
            HttpDocket(url, pause=pauses.append).changes(0)
        assert len(asked) == TRIES
    assert len(pauses) == TRIES - 1
    assert all(0 < pause <= LONGEST_PAUSE for pause in pauses)


def test_nobody_there_is_an_error_with_a_next_step() -> None:
    with pytest.raises(DocketUnreachableError, match=r"does not answer \(ConnectError\); check the address"):
        HttpDocket("http://127.0.0.1:1", pause=lambda _: None).changes(0)


def test_a_docket_that_stalls_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "TIMEOUT", 0.2)
    stop = threading.Event()

    def stall(_: BaseHTTPRequestHandler) -> None:
        stop.wait(5)

    with answering(stall) as (url, _):
        with pytest.raises(DocketUnreachableError, match="ReadTimeout"):
            HttpDocket(url, pause=lambda _: None).changes(0)
        stop.set()


@pytest.mark.parametrize("status", [301, 400, 403, 404, 500])
def test_a_refusal_is_not_repeated_and_its_reason_cannot_move_the_cursor(status: int) -> None:
    reason = b'{"detail": "no\\u001b[2J\\nno"}'
    with answering(say(reason, status, Location="http://127.0.0.1:1/")) as (url, asked):
        with pytest.raises(DocketError, match=rf"refuses \({status}\): no\[2Jno$"):
            HttpDocket(url).changes(0)
        assert len(asked) == 1


@pytest.mark.parametrize(
    "reason", [b"", b"[" * 100_000, b"[]", b'{"detail": 7}', b"\xff", b'{"detail": "' + b"x" * 3000 + b'"}']
)
def test_a_reason_that_is_none_is_no_trouble(reason: bytes) -> None:
    with answering(say(reason, 403)) as (url, _), pytest.raises(DocketError) as raised:
        HttpDocket(url).changes(0)
    assert len(str(raised.value)) < 500


@pytest.mark.parametrize(
    "url", ["https://", "http:///path", "https://me:secret@host", "https://host?x=1", "ftp://host"]
)
def test_an_address_that_is_none_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(DocketError, match="a docket's address is https://HOST") as raised:
        HttpDocket(url)
    assert "secret" not in str(raised.value)


def test_forged_documents_stop_nobody_and_count_for_nothing(world: World) -> None:
    """A docket that shows another filing's documents under this one's name, to a node that asks it."""
    filed, filer = world.file(world.decision())
    other, _ = world.file(world.decision(income="2"))
    world.round(filed.filing_id, filer, ())
    shown = world.docket.read(other.filing_id)
    documents = tuple(Posted(slot, to_bytes(e)) for slot, posted in shown.items() for e in posted)
    lies = to_bytes(Filings((Documents(filed.filing_id, documents),)))

    def answer(handler: BaseHTTPRequestHandler) -> None:
        changes = to_bytes(Changes(2**63, (filed.filing_id,)))
        say(changes if "changes" in handler.path else lies)(handler)

    with answering(answer) as (url, _):
        docket = HttpDocket(url)
        node = Node(docket, world.rings[PANEL[0]], [world.roster], Notebook(world.folder / "n"), honest)
        ((name, cause),) = node.step(world.now)
        assert (name, "another filing's name" in cause) == (filed.filing_id, True)
        with pytest.raises(ReperformError, match="another filing's name"):
            collect(docket, filed.filing_id, [world.roster])


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "world")


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for loopback, which is its own authority, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a docket for tests")])
    now = datetime.datetime.now(datetime.UTC)
    loopback = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    signed = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - datetime.timedelta(1)).not_valid_after(now + datetime.timedelta(1))
        .add_extension(loopback, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    paths = folder / "cert.pem", folder / "key.pem"
    paths[0].write_bytes(signed.public_bytes(Encoding.PEM))
    paths[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return paths


def test_a_certificate_is_verified(kept: MakeWorld, tmp_path: Path) -> None:
    world = kept(f"sqlite:///{tmp_path / 'docket.sqlite'}")
    cert, key = certificate(tmp_path)
    with running(world, certificate=cert, key=key) as url:
        assert HttpDocket(url, cert).changes(0) == Changes(0, ())
        with pytest.raises(DocketUnreachableError, match="signed by nobody known here; give the CA's certificate"):
            HttpDocket(url).changes(0)
    with pytest.raises(DocketError, match="is no file of CA certificates; name a PEM file"):
        HttpDocket(url, key)
