"""Time-stamps on checkpoints: an authority's word that a checkpoint existed at a time (RFC 3161).

Optional, besides the witnesses' times: it says when to those who trust neither log nor witnesses, but an authority.
Needs `rfc3161-client`, the extra `timestamps`; nothing else in evidence does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import ModuleType
from typing import Any, Final

from cryptography.x509 import Certificate, load_pem_x509_certificates

from .encoding import MalformedError
from .errors import ReperformError
from .tlog.checkpoint import Checkpoint, parse_checkpoint
from .tlog.proof import MAX_EXTRA, Proof

MAX_RESPONSE: Final = MAX_EXTRA  # bytes; it travels in a proof's extra line


class TimestampRefusedError(ReperformError):
    """A time-stamp that must not be relied on."""


def timestamp_request(checkpoint: Checkpoint) -> bytes:
    """The request for a time-stamp of the checkpoint's text, as DER (RFC 3161 §2.4.1). Raises ReperformError.

    Without a nonce: a time-stamp of this text that is older than the request is as true, and says more.
    """
    client = _client()
    builder = client.TimestampRequestBuilder().data(checkpoint.text().encode()).nonce(nonce=False)
    request: bytes = (
        builder.hash_algorithm(client.HashAlgorithm.SHA256).cert_request(cert_request=True).build().as_bytes()
    )
    return request


def check_timestamp(response: bytes, checkpoint: Checkpoint, certificates: Sequence[Certificate]) -> int:
    """When the authority saw the checkpoint, in milliseconds since 1970 by its clock. Reaches for no network.

    The time is that of a whole second: the client drops what an authority says of its parts.

    `response` is the authority's answer (RFC 3161 §2.4.2, DER); `certificates` are those that the reader trusts to
    issue time-stamps, or to certify who does. They must have been valid at that time, not now. Revocation of the
    authority's certificate is not looked up. Raises MalformedError, TimestampRefusedError.
    """
    client, read = _client(), _decode(response)
    builder = client.VerifierBuilder()
    for certificate in dict.fromkeys(certificates):
        builder = builder.add_root_certificate(certificate)
    try:
        builder.build().verify_message(read, checkpoint.text().encode())
        seen = read.tst_info.gen_time
    except (client.VerificationError, ValueError) as error:
        raise TimestampRefusedError(
            # What follows a colon are OpenSSL's own records, by the line.
            f"the time-stamp does not verify ({str(error).partition(':')[0]})",
            advice="ask for the authority's certificate, and compare",
        ) from error
    return int(seen.timestamp() * 1000)


def with_timestamp(proof: Proof, response: bytes) -> Proof:
    """The proof, with the authority's answer in its extra line. Raises MalformedError for what is no answer."""
    _decode(response)
    return replace(proof, extra=response)


def timestamp_of(proof: Proof, certificates: Sequence[Certificate]) -> int:
    """When the authority saw the proof's checkpoint, by the answer in its extra line; as check_timestamp() has it.

    Of the rest of the proof it says nothing.
    """
    if proof.extra is None:
        raise TimestampRefusedError("the proof carries no time-stamp")
    return check_timestamp(proof.extra, parse_checkpoint(proof.checkpoint.text), certificates)


def read_certificates(pem: bytes) -> tuple[Certificate, ...]:
    """The certificates of a PEM file. Raises MalformedError."""
    try:
        return tuple(load_pem_x509_certificates(pem))
    except ValueError as error:
        raise MalformedError("these are not certificates in PEM") from error


def _decode(response: bytes) -> Any:
    """A TimeStampResponse of the client."""
    if len(response) > MAX_RESPONSE:
        raise MalformedError(f"a time-stamp of more than {MAX_RESPONSE} bytes")
    try:
        read = _client().decode_timestamp_response(response)
    except ValueError as error:
        raise MalformedError("this is not an answer of a time-stamping authority, in DER") from error
    return read


def _client() -> ModuleType:
    try:
        import rfc3161_client  # noqa: PLC0415  # an extra, which no other evidence needs
    except ImportError as error:
        raise TimestampRefusedError(
            "time-stamps are checked with rfc3161-client, which is not installed",
            advice="run `pip install 'reperform[timestamps]'`",
        ) from error
    module: ModuleType = rfc3161_client
    return module
