"""Time-stamps by authorities that should not have signed, or not then; and how a time-stamp travels with a proof."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from reperform.evidence.digest import Digest
from reperform.evidence.encoding import MalformedError
from reperform.evidence.timestamp import (
    TimestampRefusedError,
    check_timestamp,
    timestamp_of,
    timestamp_request,
    with_timestamp,
)
from reperform.evidence.tlog.proof import MAX_EXTRA, Proof
from reperform.tests.tlog.hostile.generate import CHECKPOINT, NOTE
from reperform.tests.tlog.test_timestamp import Authority, openssl

STAMPING: Final = (ExtendedKeyUsageOID.TIME_STAMPING,)
TST_INFO: Final = "1.2.840.113549.1.9.16.1.4"  # RFC 3161 §2.4.2
NOW: Final = datetime.now(UTC).replace(microsecond=0)
HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)
PROOF: Final = Proof(0, (), NOTE, None)


@dataclass(frozen=True)
class Party:
    """Who holds a key, and has certificates for it."""

    name: str
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def certifies(
        self,
        whom: Party,
        usage: Sequence[x509.ObjectIdentifier] = (),
        *,
        critical: bool = True,
        authority: bool = False,
        serial: int | None = None,
        since: datetime = NOW - HOUR,
        until: datetime = NOW + HOUR,
    ) -> x509.Certificate:
        names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, each.name)]) for each in (whom, self)]
        number = serial or x509.random_serial_number()
        builder = (
            x509.CertificateBuilder(names[1], names[0], whom.key.public_key(), number, since, until)
            .add_extension(x509.BasicConstraints(authority, None), critical=True)
            .add_extension(
                x509.KeyUsage(not authority, False, False, False, False, authority, False, False, False), critical=True
            )
        )
        if usage:
            builder = builder.add_extension(x509.ExtendedKeyUsage(usage), critical)
        return builder.sign(self.key, hashes.SHA256())


ROOT, HOUSE, BETWEEN = Party("root"), Party("authority"), Party("between")
TRUSTED: Final = ROOT.certifies(ROOT, authority=True)


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What an authority says of the checkpoint's text (TSTInfo), without the signature."""
    folder = tmp_path_factory.mktemp("authorities")
    answer, token, info = folder / "answer.tsr", folder / "token", folder / "info"
    answer.write_bytes(Authority.new(folder / "genuine").answer(timestamp_request(CHECKPOINT)))
    openssl("ts", "-reply", "-in", answer, "-token_out", "-out", token)
    openssl("cms", "-verify", "-noverify", "-nosigs", "-inform", "DER", "-in", token, "-out", info)
    return info.read_bytes()


def signed(
    folder: Path, said: bytes, signer: Party, certificate: x509.Certificate, others: Sequence[x509.Certificate] = ()
) -> bytes:
    """An answer that anybody can make: `openssl ts` signs with no certificate that is not for it."""
    files = info, own, key, more, token = [folder / name for name in ("info", "own", "key", "more", "token")]
    plain = signer.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    chain = b"".join(each.public_bytes(Encoding.PEM) for each in others)
    for file, data in zip(files, (said, certificate.public_bytes(Encoding.PEM), plain, chain), strict=False):
        file.write_bytes(data)
    openssl(
        *("cms", "-sign", "-binary", "-nodetach", "-cades", "-md", "sha256", "-econtent_type", TST_INFO),
        *("-in", info, "-signer", own, "-inkey", key, "-outform", "DER", "-out", token),
        *(("-certfile", more) if others else ()),
    )
    granted = b"\x30\x03\x02\x01\x00" + token.read_bytes()
    return b"\x30\x82" + len(granted).to_bytes(2, "big") + granted


@pytest.fixture(scope="module")
def answer(tmp_path_factory: pytest.TempPathFactory, said: bytes) -> bytes:
    return signed(tmp_path_factory.mktemp("answer"), said, HOUSE, ROOT.certifies(HOUSE, STAMPING))


def when(answer: bytes) -> datetime:
    return datetime.fromtimestamp(check_timestamp(answer, CHECKPOINT, [TRUSTED]) / 1000, UTC)


def test_the_control_verifies_alone_and_through_an_authority_between(
    tmp_path: Path, said: bytes, answer: bytes
) -> None:
    assert NOW - HOUR < when(answer) < NOW + HOUR
    below, between = BETWEEN.certifies(HOUSE, STAMPING), ROOT.certifies(BETWEEN, authority=True)
    seen = check_timestamp(answer, CHECKPOINT, [TRUSTED])
    assert check_timestamp(signed(tmp_path, said, HOUSE, below, [between]), CHECKPOINT, [TRUSTED]) == seen
    without = signed(tmp_path, said, HOUSE, below)
    assert check_timestamp(without, CHECKPOINT, [TRUSTED, between]) == seen
    for certificates in ([TRUSTED], [between]):
        with pytest.raises(TimestampRefusedError, match="verifying certificates"):
            check_timestamp(without, CHECKPOINT, certificates)


@pytest.mark.parametrize(
    "certificate",
    [
        ROOT.certifies(HOUSE),
        ROOT.certifies(HOUSE, [ExtendedKeyUsageOID.SERVER_AUTH]),
        ROOT.certifies(HOUSE, [ExtendedKeyUsageOID.SERVER_AUTH, *STAMPING]),  # RFC 3161 §2.3: for nothing else
        ROOT.certifies(HOUSE, STAMPING, critical=False),
        ROOT.certifies(HOUSE, STAMPING, until=NOW - HOUR / 2),
        ROOT.certifies(HOUSE, STAMPING, since=NOW + HOUR / 2),
        Party("root").certifies(HOUSE, STAMPING),
        BETWEEN.certifies(HOUSE, STAMPING),
        HOUSE.certifies(HOUSE, STAMPING),
    ],
    ids=[
        *("for no use", "for servers", "for servers too", "not critical", "expired", "of the future"),
        *("by a namesake of the root", "by no authority", "by itself"),
    ],
)
def test_a_certificate_that_is_not_for_time_stamps_or_not_then_signs_none(
    tmp_path: Path, said: bytes, certificate: x509.Certificate
) -> None:
    others = [ROOT.certifies(BETWEEN)]  # which certifies nobody
    with pytest.raises(TimestampRefusedError, match="verifying certificates"):
        check_timestamp(signed(tmp_path, said, HOUSE, certificate, others), CHECKPOINT, [TRUSTED])


def test_a_servers_certificate_does_not_pass_for_one_of_its_number_that_it_brings_along(
    tmp_path: Path, said: bytes
) -> None:
    real = ROOT.certifies(HOUSE, [ExtendedKeyUsageOID.SERVER_AUTH], serial=7)
    false = Party("root", HOUSE.key).certifies(HOUSE, STAMPING, serial=7)
    for first, second in ((real, false), (false, real)):
        with pytest.raises(TimestampRefusedError):
            check_timestamp(signed(tmp_path, said, HOUSE, first, [second]), CHECKPOINT, [TRUSTED])


def test_a_root_is_good_for_the_time_in_which_it_was_valid_and_not_for_now(answer: bytes) -> None:
    seen = when(answer)
    for since, until in ((seen - HOUR, seen - SECOND), (seen + SECOND, seen + HOUR)):
        with pytest.raises(TimestampRefusedError, match="verifying certificates"):
            check_timestamp(answer, CHECKPOINT, [ROOT.certifies(ROOT, authority=True, since=since, until=until)])
    passing = ROOT.certifies(ROOT, authority=True, since=seen - HOUR, until=seen + SECOND)
    while datetime.now(UTC) <= seen + 2 * SECOND:
        time.sleep(0.1)
    assert check_timestamp(answer, CHECKPOINT, [passing]) == seen.timestamp() * 1000


def test_another_time_is_not_what_the_authority_signed(tmp_path: Path, said: bytes, answer: bytes) -> None:
    digits = f"{when(answer):%Y%m%d%H%M%S}".encode()
    other = f"{when(answer) - HOUR / 4:%Y%m%d%H%M%S}".encode()
    assert answer.count(digits) == 1
    with pytest.raises(TimestampRefusedError, match="verifying certificates"):
        check_timestamp(answer.replace(digits, other), CHECKPOINT, [TRUSTED])
    # It is the signature that was missing: the authority could have said so.
    saying = signed(tmp_path, said.replace(digits, other), HOUSE, ROOT.certifies(HOUSE, STAMPING))
    assert when(saying) == when(answer) - HOUR / 4


def test_what_openssl_records_of_a_refusal_stays_out_of_its_one_line(answer: bytes) -> None:
    with pytest.raises(TimestampRefusedError) as caught:
        check_timestamp(answer, CHECKPOINT, [Party("root").certifies(Party("root"), authority=True)])
    assert str(caught.value) == (
        "the time-stamp does not verify (Error while verifying certificates); "
        "ask for the authority's certificate, and compare"
    )


def test_a_time_stamp_travels_in_the_extra_line_of_a_proof(answer: bytes) -> None:
    carried = Proof.parse(str(with_timestamp(PROOF, answer)).encode())
    assert carried == replace(PROOF, extra=answer)
    assert timestamp_of(carried, [TRUSTED]) == check_timestamp(answer, CHECKPOINT, [TRUSTED])


def test_a_proof_without_a_time_stamp_or_with_one_of_another_checkpoint_says_no_time(answer: bytes) -> None:
    with pytest.raises(TimestampRefusedError, match="carries no time-stamp"):
        timestamp_of(PROOF, [TRUSTED])
    elsewhere = replace(PROOF, checkpoint=replace(NOTE, text=replace(CHECKPOINT, root=Digest(bytes(32))).text()))
    with pytest.raises(TimestampRefusedError, match="Mismatch between messages"):
        timestamp_of(with_timestamp(elsewhere, answer), [TRUSTED])
    for extra in (b"", b"a salt", answer[:-1], bytes(MAX_EXTRA + 1)):
        with pytest.raises(MalformedError):
            with_timestamp(PROOF, extra)
        with pytest.raises(MalformedError):
            timestamp_of(replace(PROOF, extra=extra), [TRUSTED])


def test_without_the_extra_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch, answer: bytes) -> None:
    monkeypatch.setitem(sys.modules, "rfc3161_client", None)
    for call in (lambda: timestamp_request(CHECKPOINT), lambda: check_timestamp(answer, CHECKPOINT, [TRUSTED])):
        with pytest.raises(TimestampRefusedError, match=r"pip install 'reperform\[timestamps\]'"):
            call()


def test_evidence_is_read_without_the_extra() -> None:
    code = "import sys, reperform.evidence.timestamp as t; sys.exit('rfc3161_client' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
