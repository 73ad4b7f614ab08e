"""Time-stamps by a real authority: `openssl ts`, with its own certificates, in a temporary folder."""

from __future__ import annotations

import shutil
import subprocess
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from cryptography.x509 import Certificate
from reperform.evidence.digest import Digest
from reperform.evidence.encoding import MalformedError
from reperform.evidence.timestamp import (
    MAX_RESPONSE,
    TimestampRefusedError,
    check_timestamp,
    read_certificates,
    timestamp_request,
)
from reperform.evidence.tlog.checkpoint import Checkpoint

CHECKPOINT = Checkpoint("log.example/decisions", 7, Digest(bytes(range(32))))
CONFIGURATION = """
[req]
distinguished_name = name
prompt = no
[name]
CN = {name}
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
[tsa]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, timeStamping
[ts]
serial = {folder}/serial
signer_cert = {folder}/tsa.pem
signer_key = {folder}/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
ess_cert_id_alg = sha256
"""


def openssl(*arguments: object) -> None:
    program = shutil.which("openssl")
    assert program is not None
    subprocess.run([program, *map(str, arguments)], check=True, capture_output=True)


@dataclass(frozen=True)
class Authority:
    """A root, and who issues time-stamps under it."""

    folder: Path

    @classmethod
    def new(cls, folder: Path) -> Authority:
        folder.mkdir()
        (folder / "serial").write_text("01")
        configuration = folder / "openssl.cnf"
        for name, extensions in (("root", "ca"), ("tsa", "tsa")):
            configuration.write_text(CONFIGURATION.format(name=f"{folder.name} {name}", folder=folder))
            key, request, certificate = (folder / f"{name}.{ending}" for ending in ("key", "csr", "pem"))
            openssl(
                *("req", "-new", "-newkey", "rsa:2048", "-nodes", "-config", configuration),
                *("-keyout", key, "-out", request),
            )
            root = ("-CA", folder / "root.pem", "-CAkey", folder / "root.key", "-CAcreateserial")
            signing = ("-signkey", key) if name == "root" else root
            openssl(
                *("x509", "-req", "-in", request, "-out", certificate, "-days", 2, *signing),
                *("-extfile", configuration, "-extensions", extensions),
            )
        return cls(folder)

    def answer(self, request: bytes) -> bytes:
        (self.folder / "query.tsq").write_bytes(request)
        configuration, answer = self.folder / "openssl.cnf", self.folder / "answer.tsr"
        query = self.folder / "query.tsq"
        openssl("ts", "-reply", "-config", configuration, "-section", "ts", "-queryfile", query, "-out", answer)
        return answer.read_bytes()

    @property
    def roots(self) -> tuple[Certificate, ...]:
        return read_certificates((self.folder / "root.pem").read_bytes())


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.new(tmp_path_factory.mktemp("authorities") / "one")


@pytest.fixture(scope="module")
def answer(authority: Authority) -> bytes:
    return authority.answer(timestamp_request(CHECKPOINT))


def test_a_time_stamp_says_when_the_authority_saw_the_checkpoint(authority: Authority, answer: bytes) -> None:
    seen = check_timestamp(answer, CHECKPOINT, authority.roots)
    assert abs(seen - time.time() * 1000) < 600_000
    assert check_timestamp(answer, CHECKPOINT, authority.roots * 2) == seen


def test_the_request_is_one_that_openssl_reads(tmp_path: Path) -> None:
    (tmp_path / "query.tsq").write_bytes(timestamp_request(CHECKPOINT))
    openssl("ts", "-query", "-in", tmp_path / "query.tsq", "-text")
    assert timestamp_request(CHECKPOINT) == timestamp_request(CHECKPOINT)
    assert timestamp_request(CHECKPOINT) != timestamp_request(replace(CHECKPOINT, size=8))


@pytest.mark.parametrize(
    "other",
    [
        replace(CHECKPOINT, size=8),
        replace(CHECKPOINT, origin="log.example/other"),
        replace(CHECKPOINT, root=Digest(bytes(32))),
    ],
    ids=["size", "origin", "root"],
)
def test_a_time_stamp_of_one_checkpoint_is_none_of_another(
    authority: Authority, answer: bytes, other: Checkpoint
) -> None:
    with pytest.raises(TimestampRefusedError, match="Mismatch between messages"):
        check_timestamp(answer, other, authority.roots)


def test_an_authority_that_is_not_trusted_says_nothing(tmp_path: Path, answer: bytes) -> None:
    for certificates in (Authority.new(tmp_path / "two").roots, ()):
        with pytest.raises(TimestampRefusedError):
            check_timestamp(answer, CHECKPOINT, certificates)


def test_an_altered_time_stamp_is_refused_wherever_it_was_altered(authority: Authority, answer: bytes) -> None:
    genuine = check_timestamp(answer, CHECKPOINT, authority.roots)
    for at in range(0, len(answer), 7):
        altered = answer[:at] + bytes([answer[at] ^ 1]) + answer[at + 1 :]
        try:
            assert check_timestamp(altered, CHECKPOINT, authority.roots) == genuine, at
        except (MalformedError, TimestampRefusedError):
            continue


def test_what_is_no_answer_is_malformed(authority: Authority, answer: bytes) -> None:
    for data in (b"", b"\x30\x00", answer[:-1], answer + b"\x00"):
        with pytest.raises(MalformedError):
            check_timestamp(data, CHECKPOINT, authority.roots)
    with pytest.raises(MalformedError, match=f"more than {MAX_RESPONSE} bytes"):
        check_timestamp(b"\x00" * (MAX_RESPONSE + 1), CHECKPOINT, authority.roots)
    with pytest.raises(MalformedError, match="PEM"):
        read_certificates(b"no certificate")


def test_a_rejection_is_no_time_stamp(authority: Authority) -> None:
    rejected = authority.answer(b"\x30\x00")  # no request: the authority answers with a status only
    with pytest.raises((MalformedError, TimestampRefusedError)):
        check_timestamp(rejected, CHECKPOINT, authority.roots)
