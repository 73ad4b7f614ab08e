"""A proof with a time-stamp, from a real authority over HTTP: `openssl ts` behind a server of the standard library."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from reperform.evidence.tlog.proof import Proof
from reperform.tests.cli.run import refused, reperform
from reperform.tests.log.test_commands import Bank, bank_at, told
from reperform.tests.tlog.test_timestamp import Authority


class Answering(BaseHTTPRequestHandler):
    """RFC 3161 §3.4: a query in, an answer out."""

    authority: Authority
    place: str = ""
    wrong: bytes = b""

    def do_POST(self) -> None:
        query = self.rfile.read(int(self.headers["Content-Length"]))
        asked = self.headers["Content-Type"] == "application/timestamp-query"
        self.send_response(200 if asked else 415)
        self.end_headers()
        self.wfile.write(self.wrong or self.authority.answer(query))

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.new(tmp_path_factory.mktemp("authorities") / "one")


@pytest.fixture
def answering(authority: Authority) -> Iterator[type[Answering]]:
    """The authority's server; its address is in `place`."""

    class Here(Answering):
        """Of one test."""

    Here.authority = authority
    with ThreadingHTTPServer(("127.0.0.1", 0), Here) as server:
        Here.place = f"http://127.0.0.1:{server.server_port}/tsr"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield Here
        server.shutdown()
        thread.join()


@pytest.fixture
def bank(tmp_path: Path) -> Bank:
    """A log with one receipt, published."""
    bank = bank_at(tmp_path)
    bank.keep("init")
    bank.keep("append", bank.issue("my.decision", 0))
    bank.keep("checkpoint")
    return bank


def verified(bank: Bank, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    trust = ("--roster", "roster.dsse", "--roots", "roots.json")
    return reperform("log", "verify", "my.decision", *arguments, *trust, at=bank.at)


def test_a_proof_carries_the_word_of_an_authority_on_its_checkpoint(
    bank: Bank, answering: type[Answering], authority: Authority
) -> None:
    trusted = ("--tsa-certificates", authority.folder / "root.pem")
    told(bank.run("prove", "my.decision", "--tsa", answering.place, *trusted, "--json"))
    assert told(verified(bank, *trusted, "--json"))["timestamp"] > 1_700_000_000_000
    assert told(verified(bank, "--json"))["timestamp"] is None
    assert Proof.parse((bank.at / "my.decision.tlog-proof").read_bytes()).extra is not None


def test_what_is_no_time_stamp_of_this_checkpoint_is_not_kept(
    bank: Bank, answering: type[Answering], authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> None:
    trusted = ("--tsa-certificates", authority.folder / "root.pem")
    other = Authority.new(tmp_path_factory.mktemp("authorities") / "another")
    where = ("prove", "my.decision", "--tsa")
    assert "does not verify" in refused(
        bank.run(*where, answering.place, "--tsa-certificates", other.folder / "root.pem")
    )
    assert "go together" in refused(bank.run(*where, answering.place))
    answering.wrong = b"not DER"
    assert "in DER" in refused(bank.run(*where, answering.place, *trusted))
    assert "does not answer" in refused(bank.run(*where, "http://127.0.0.1:9/tsr", *trusted))
    assert not (bank.at / "my.decision.tlog-proof").exists()
    told(bank.run("prove", "my.decision", "--json"))
    assert "carries no time-stamp" in refused(verified(bank, *trusted))
