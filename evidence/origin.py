"""Who signed the files that a model was pinned from: a signature of OpenSSF Model Signing v1.0, made with a key.

A Sigstore bundle holds a DSSE envelope around an in-toto statement that lists the files with their SHA-256
(github.com/sigstore/model-transparency). Signatures by certificates and by Sigstore identities say who signed only to
those who ask others about it, and are refused.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from .digest import Digest
from .dsse import pre_authentication_encoding
from .encoding import MAX_BYTES, MalformedError
from .keys import SignatureRefusedError

_BUNDLE: Final = "application/vnd.dev.sigstore.bundle.v0.3+json"
_PAYLOAD: Final = "application/vnd.in-toto+json"
_STATEMENT: Final = "https://in-toto.io/Statement/v1"
_PREDICATE: Final = "https://model_signing/signature/v1.0"
_SUPPORTED: Final = "sign the files with `model_signing sign key`, by a key on P-256, P-384 or P-521"
_HASHES: Final[dict[str, HashAlgorithm]] = {"secp256r1": SHA256(), "secp384r1": SHA384(), "secp521r1": SHA512()}
# A part of a file, from a byte to before another.
_SHARD: Final = re.compile(r"(.+):(0|[1-9][0-9]{0,17}):([1-9][0-9]{0,17})", re.DOTALL)


class SigningMethod(StrEnum):
    """How a signer is known."""

    KEY = "key"  # by the public key itself


@dataclass(frozen=True, slots=True)
class Origin:
    """The source files were signed by this key. `signature` names the bundle among the manifest's files.

    public_key: DER SubjectPublicKeyInfo, ECDSA on a curve of NIST. root: SHA-256 over all the files' SHA-256, signed.
    """

    KIND: ClassVar[str] = "origin/v1"
    signature: str
    method: SigningMethod
    public_key: bytes
    root: Digest

    def __post_init__(self) -> None:
        _key(self.public_key)


@dataclass(frozen=True, slots=True)
class SignedPart:
    """A file, or the bytes of it from `start` to before `end`, and its SHA-256."""

    name: str
    start: int
    end: int | None
    digest: Digest


@dataclass(frozen=True, slots=True)
class SignedFiles:
    """What a signature covers, as far as it was verified."""

    parts: tuple[SignedPart, ...]
    follows_links: bool
    root: Digest


def check_origin(origin: Origin, bundle: bytes) -> SignedFiles:
    """The files that the bundle's signature covers, if it is by the recorded key and over the recorded root.

    Raises MalformedError or SignatureRefusedError.
    """
    signed = open_bundle(bundle, origin.public_key)
    if signed.root != origin.root:
        raise SignatureRefusedError("the model's signature is over other files than the manifest records")
    return signed


def open_bundle(bundle: bytes, public_key: bytes) -> SignedFiles:
    """What the owner of a public key (DER) signed.

    1. The bundle is one of format 0.3, made with a key, and names this one if it names any.
    2. The signature over the statement is this key's.
    3. The statement is one about a model, each file in it once, by SHA-256.
    4. Its subject is the digest over the files' digests.

    Raises MalformedError or SignatureRefusedError.
    """
    payload, signature = _opened(bundle, _hint(public_key))
    key = _key(public_key)
    try:
        message = pre_authentication_encoding(_PAYLOAD, payload)
        key.verify(signature, message, ec.ECDSA(_HASHES[key.curve.name]))
    except InvalidSignature as error:
        raise SignatureRefusedError(
            "the model's signature is not by the given key, or not over its statement"
        ) from error
    statement = _json("the model's signed statement", payload)
    _, subject, predicate_type, predicate = _fields(statement, "_type", "subject", "predicateType", "predicate")
    if (statement["_type"], predicate_type) != (_STATEMENT, _PREDICATE) or not isinstance(predicate, dict):
        raise MalformedError(f"the model's signed statement is of type {predicate_type!a:.80}, expected {_PREDICATE}")
    parts, follows_links = _resources(predicate)
    root = Digest(hashlib.sha256(b"".join(part.digest.value for part in parts)).digest())
    _, digests = _fields(_only(subject, "subject"), "name", "digest")
    if digests != {"sha256": str(root)}:
        raise MalformedError("the model's signed statement lists other files than its subject")
    return SignedFiles(parts, follows_links, root)


def _opened(bundle: bytes, hint: str) -> tuple[bytes, bytes]:
    """Payload and signature of a bundle that a key with this hint signed."""
    media_type, material, envelope = _fields(
        _json("the model's signature", bundle), "mediaType", "verificationMaterial", "dsseEnvelope"
    )
    if media_type != _BUNDLE:
        raise MalformedError(f"the model's signature is of type {media_type!a:.80}, expected {_BUNDLE}")
    if not isinstance(material, dict) or "publicKey" not in material:
        raise MalformedError("the model's signature is by a certificate or a Sigstore identity", advice=_SUPPORTED)
    named, entries = _fields(material, "publicKey", "tlogEntries")
    if entries != [] or not isinstance(named, dict) or named.keys() - {"hint"}:
        raise MalformedError("the model's signature has more about its key than a hint", advice=_SUPPORTED)
    if named.get("hint") not in {None, hint}:
        raise SignatureRefusedError("the model's signature is by another key than the given one")
    kind, payload, signatures = _fields(envelope, "payloadType", "payload", "signatures")
    if kind != _PAYLOAD:
        raise MalformedError(f"the model's signature is over {kind!a:.80}, expected {_PAYLOAD}")
    keyid, signature = _fields(_only(signatures, "signature"), "keyid", "sig")
    if keyid != "":
        raise MalformedError("the model's signature has the id of a key", advice=_SUPPORTED)
    return _base64(payload), _base64(signature)


def _resources(predicate: dict[str, Any]) -> tuple[tuple[SignedPart, ...], bool]:
    serialization, listed = predicate.get("serialization"), predicate.get("resources")
    if not isinstance(serialization, dict) or not isinstance(listed, list) or not listed:
        raise MalformedError("the model's signed statement lists no files")
    method, size = serialization.get("method"), serialization.get("shard_size")
    if method not in {"files", "shards"} or serialization.get("hash_type") != "sha256":
        raise MalformedError("the model's files are not signed by SHA-256", advice=_SUPPORTED)
    algorithm = "sha256"
    if method == "shards":
        if not isinstance(size, int | float) or not 1 <= size < 2**63:  # written by protobuf, as 1000000000.0
            raise MalformedError("the model's signed statement has parts of no size")
        algorithm = f"sha256-sharded-{size:.0f}"
    parts = []
    for resource in listed:
        name, by, text = _fields(resource, "name", "algorithm", "digest")
        if by != algorithm or not isinstance(name, str) or not isinstance(text, str):
            raise MalformedError(f"the model's signed statement has a file by {by!a:.60}, expected {algorithm}")
        parts.append(_part(name, Digest.from_hex(text), in_shards=method == "shards"))
    if len({(part.name, part.start) for part in parts}) != len(parts):
        raise MalformedError("the model's signed statement lists a file twice")
    follows = serialization.get("allow_symlinks")
    if not isinstance(follows, bool):
        raise MalformedError("the model's signed statement does not say whether links were followed")
    return tuple(parts), follows


def _part(name: str, digest: Digest, *, in_shards: bool) -> SignedPart:
    start, end = 0, None
    if in_shards:
        found = _SHARD.fullmatch(name)
        if found is None:
            raise MalformedError("the model's signed statement has a part of a file that is none")
        name, start, end = found[1], int(found[2]), int(found[3])
    # A signed single file is called ".".
    steps = name.split("/")
    if name != "." and (not name.isprintable() or "\\" in name or {"", ".", ".."} & set(steps)):
        raise MalformedError("the model's signed statement has a name that is no path within a folder")
    return SignedPart(name, start, end, digest)


def _key(public_key: bytes) -> ec.EllipticCurvePublicKey:
    """The key. Raises MalformedError unless this is the one encoding of a point on one of the curves."""
    try:
        key = load_der_public_key(public_key)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise MalformedError("the signer's key is not a public key", advice=_SUPPORTED) from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name not in _HASHES:
        raise MalformedError("the signer's key is not one of ECDSA on P-256, P-384 or P-521", advice=_SUPPORTED)
    if key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) != public_key:
        raise MalformedError("the signer's key is not in its one encoding")
    return key


def _hint(public_key: bytes) -> str:
    pem = _key(public_key).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(pem).hexdigest()


def _json(what: str, data: bytes) -> dict[str, Any]:
    if len(data) > MAX_BYTES:
        raise MalformedError(f"{what} has {len(data)} bytes; the limit is {MAX_BYTES}")
    try:
        body = json.loads(data.decode(), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise MalformedError(f"{what} is not JSON") from error
    if not isinstance(body, dict):
        raise MalformedError(f"{what} is no JSON object")
    return body


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    body = dict(pairs)
    if len(body) != len(pairs):
        raise ValueError("a key twice")
    return body


def _fields(body: Any, *names: str) -> list[Any]:
    if not isinstance(body, dict) or body.keys() != set(names):
        raise MalformedError(f"the model's signature has no object of {', '.join(names)} where it should")
    return [body[name] for name in names]


def _only(items: Any, what: str) -> Any:
    if not isinstance(items, list) or len(items) != 1:
        raise MalformedError(f"the model's signature has not exactly one {what}")
    return items[0]


def _base64(text: Any) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (TypeError, ValueError, binascii.Error) as error:
        raise MalformedError("the model's signature has a text that is not base64") from error
    if base64.b64encode(data).decode() != text:
        raise MalformedError("the model's signature has a text that is not canonical base64")
    return data
