"""A signature of OpenSSF Model Signing is taken over whole, and refused where it or a file differs."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from reperform.evidence.digest import Digest, Domain, digest
from reperform.evidence.documents import from_bytes, to_bytes
from reperform.evidence.dsse import pre_authentication_encoding
from reperform.evidence.encoding import MalformedError
from reperform.evidence.errors import ReperformError
from reperform.evidence.keys import SignatureRefusedError
from reperform.evidence.manifest import FileEntry, Manifest
from reperform.evidence.origin import Origin, check_origin, open_bundle
from reperform.executor.model import MANIFEST, ModelError, PinnedModel
from reperform.executor.pinning.signature import SIGNATURE, import_signature
from reperform.tests.engine.small_models import models, write

KEY = ec.derive_private_key(7, ec.SECP256R1())
TYPE = "application/vnd.in-toto+json"


def der(key: Any) -> bytes:
    encoded: bytes = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return encoded


def pem(key: Any) -> bytes:
    encoded: bytes = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return encoded


def statement(files: dict[str, bytes], **serialization: Any) -> dict[str, Any]:
    """As the format says: https://github.com/sigstore/model-transparency, model_signing/_signing/signing.py."""
    digests = {name: hashlib.sha256(data) for name, data in sorted(files.items())}
    root = hashlib.sha256(b"".join(d.digest() for d in digests.values())).hexdigest()
    algorithm = "sha256" if "shard_size" not in serialization else f"sha256-sharded-{serialization['shard_size']}"
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "model", "digest": {"sha256": root}}],
        "predicateType": "https://model_signing/signature/v1.0",
        "predicate": {
            "serialization": {"method": "files", "hash_type": "sha256", "allow_symlinks": False, **serialization},
            "resources": [
                {"name": name, "algorithm": algorithm, "digest": d.hexdigest()} for name, d in digests.items()
            ],
        },
    }


def bundle(body: dict[str, Any] | bytes, key: ec.EllipticCurvePrivateKey = KEY) -> dict[str, Any]:
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    by = {256: SHA256(), 384: SHA384(), 521: SHA512()}[key.curve.key_size]
    value = key.sign(pre_authentication_encoding(TYPE, payload), ec.ECDSA(by))
    return {
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {"publicKey": {"hint": hashlib.sha256(pem(key)).hexdigest()}, "tlogEntries": []},
        "dsseEnvelope": {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": TYPE,
            "signatures": [{"sig": base64.b64encode(value).decode(), "keyid": ""}],
        },
    }


def text(body: dict[str, Any]) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()


FILES = {"config.json": b"{}", "weights/model.bin": b"\x00\x01\x02", "empty": b""}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A signed folder, with the key and the signature beside it."""
    for name, data in FILES.items():
        path = tmp_path / "source" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (tmp_path / "key.pem").write_bytes(pem(KEY))
    (tmp_path / "model.sig").write_bytes(text(bundle(statement(FILES))))
    return tmp_path / "source"


def taken(source: Path) -> tuple[Origin, bytes]:
    return import_signature(source, source.parent / "model.sig", source.parent / "key.pem")


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()], ids=lambda curve: curve.name)
def test_a_key_on_any_curve_is_taken(curve: ec.EllipticCurve, source: Path) -> None:
    key = ec.derive_private_key(11, curve)
    (source.parent / "key.pem").write_bytes(pem(key))
    (source.parent / "model.sig").write_bytes(text(bundle(statement(FILES), key)))
    origin, data = taken(source)
    assert origin.public_key == der(key)
    assert check_origin(origin, data).root == origin.root


def test_every_altered_byte_of_a_signature_is_refused(source: Path) -> None:
    origin, data = taken(source)
    for at in range(len(data)):
        for change in (1, 0x20):
            altered = data[:at] + bytes([data[at] ^ change]) + data[at + 1 :]
            with pytest.raises(ReperformError) as refusal:
                check_origin(origin, altered)
            assert str(refusal.value).isprintable()


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_cut_signature_is_refused(share: float, source: Path) -> None:
    origin, data = taken(source)
    with pytest.raises(MalformedError):
        check_origin(origin, data[: int(len(data) * share)])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: (s / "config.json").write_bytes(b"[]"), "'config.json' is not the signed one"),
        (lambda s: (s / "config.json").write_bytes(b"{}\n"), "'config.json' is not the signed one"),
        (lambda s: (s / "empty").unlink(), "'empty' is signed and does not lie"),
        (lambda s: (s / "more.py").write_bytes(b""), "'more.py' lies in .* and is not signed"),
        (lambda s: (s / "weights" / ".hidden").write_bytes(b""), "'weights/.hidden' lies in .* and is not signed"),
        (lambda s: (s / "link").symlink_to(s / "empty"), "'link' is a link"),
        (lambda s: ignoring(s, "README"), "'README' lies in .* and is not signed"),
        (lambda s: (s.parent / "key.pem").write_bytes(pem(ec.derive_private_key(8, ec.SECP256R1()))), "another key"),
        (lambda s: (s.parent / "key.pem").write_bytes(b"no key"), "is not a public key"),
        (lambda s: (s.parent / "key.pem").write_bytes(pem(ed25519.Ed25519PrivateKey.generate())), "P-256, P-384 or"),
        (shutil.rmtree, "neither a file nor a folder"),
    ],
)
def test_a_folder_that_is_not_the_signed_one_is_refused(
    change: Callable[[Path], object], words: str, source: Path
) -> None:
    taken(source)
    change(source)
    with pytest.raises(ReperformError, match=words):
        taken(source)


def ignoring(source: Path, name: str) -> None:
    """Sign all but a file of this name, which then lies there."""
    (source / name).write_bytes(b"")
    signed = statement(FILES, ignore_paths=[name])
    (source.parent / "model.sig").write_bytes(text(bundle(signed)))


def test_a_pipe_in_the_folder_is_refused(source: Path) -> None:
    subprocess.run(["mkfifo", str(source / "pipe")], check=True)  # noqa: S607
    with pytest.raises(ReperformError, match="neither a file nor a folder"):
        taken(source)


def test_gits_own_files_and_the_signature_need_no_signature(source: Path) -> None:
    (source / ".git").mkdir()
    (source / ".git" / "config").write_bytes(b"")
    (source.parent / "model.sig").rename(source / "model.sig")
    import_signature(source, source / "model.sig", source.parent / "key.pem")


def test_a_file_signed_in_parts_is_checked_in_parts(source: Path) -> None:
    (source / "empty").unlink()
    (source / "config.json").unlink()
    parts = {"weights/model.bin:0:2": b"\x00\x01", "weights/model.bin:2:3": b"\x02"}
    for signed, words in (
        (parts, None),
        (dict(list(parts.items())[:1]), "leave something out"),
        (dict(list(parts.items())[1:]), "leave something out"),
        ({"weights/model.bin:0:4": b"\x00\x01\x02"}, "is not the signed one"),
    ):
        body = statement(signed, method="shards", shard_size=2)
        (source.parent / "model.sig").write_bytes(text(bundle(body)))
        if words is None:
            taken(source)
            continue
        with pytest.raises(ReperformError, match=words):
            taken(source)


SIGNED = statement(FILES)


def _set(body: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    body = json.loads(json.dumps(body))
    *above, last = path.split("/")
    place: Any = body
    for step in above:
        place = place[int(step) if isinstance(place, list) else step]
    if value is None:
        del place[last]
    else:
        place[int(last) if isinstance(place, list) else last] = value
    return body


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("predicateType", "https://model_signing/Digests/v0.1", "of type"),
        ("_type", "https://in-toto.io/Statement/v0.1", "of type"),
        ("subject", [], "exactly one subject"),
        ("subject", SIGNED["subject"] * 2, "exactly one subject"),
        ("subject/0/digest/sha256", "0" * 64, "other files than its subject"),
        ("predicate/resources", [], "lists no files"),
        ("predicate/resources", SIGNED["predicate"]["resources"][:1] * 2, "lists a file twice"),
        ("predicate/resources/0/digest", "ab", "32 bytes"),
        ("predicate/resources/0/algorithm", "blake3", "expected sha256"),
        ("predicate/serialization/hash_type", "blake2b", "not signed by SHA-256"),
        ("predicate/serialization/method", "tree", "not signed by SHA-256"),
        ("predicate/serialization/allow_symlinks", "no", "links"),
        *(
            ("predicate/resources/0/name", name, "no path within a folder")
            for name in ("../a", "/etc/passwd", "a//b", "a/./b", "", "a\\b", "a\x1b[2J", "a\x00")
        ),
        ("more", 1, "no object of"),
    ],
)
def test_a_statement_that_is_none_is_refused_though_signed(path: str, value: Any, words: str) -> None:
    with pytest.raises(ReperformError, match=words):
        open_bundle(text(bundle(_set(SIGNED, path, value))), der(KEY))


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("mediaType", "application/vnd.dev.sigstore.bundle+json;version=0.1", "of type"),
        ("verificationMaterial", {"certificate": {"rawBytes": ""}, "tlogEntries": []}, "certificate or a Sigstore"),
        ("verificationMaterial", {"x509CertificateChain": {}, "tlogEntries": []}, "certificate or a Sigstore"),
        ("verificationMaterial/tlogEntries", [1], "more about its key"),
        ("verificationMaterial/publicKey/rawBytes", "", "more about its key"),
        ("verificationMaterial/publicKey/hint", "00", "by another key"),
        ("dsseEnvelope/payloadType", "text/plain", "is over"),
        ("dsseEnvelope/signatures", [], "exactly one signature"),
        ("dsseEnvelope/signatures/0/keyid", "x", "id of a key"),
        ("dsseEnvelope/signatures/0/sig", "!", "not base64"),
        ("dsseEnvelope/payload", 7, "not base64"),
    ],
)
def test_a_bundle_of_another_kind_is_refused(path: str, value: Any, words: str) -> None:
    with pytest.raises(ReperformError, match=words):
        open_bundle(text(_set(bundle(SIGNED), path, value)), der(KEY))


def test_a_key_stands_in_one_encoding(source: Path) -> None:
    origin, _ = taken(source)
    compressed = KEY.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    header = bytes.fromhex("3039301306072a8648ce3d020106082a8648ce3d030107032200")
    for key in (header + compressed, origin.public_key + b"\x00", b"", der(ed25519.Ed25519PrivateKey.generate())):
        with pytest.raises(MalformedError):
            replace(origin, public_key=key)


def _signed_model(origin: Origin, data: bytes) -> dict[str, bytes]:
    files = models()["record"]
    manifest = from_bytes(Manifest, files[MANIFEST])
    entry = FileEntry(SIGNATURE, digest(Domain.FILE, data))
    return {**files, SIGNATURE: data, MANIFEST: to_bytes(replace(manifest, files=(entry,), origin=origin))}


def test_a_pinned_model_keeps_its_origin_and_checks_it_when_loaded(source: Path, tmp_path: Path) -> None:
    origin, data = taken(source)
    assert PinnedModel.load(write(_signed_model(origin, data), tmp_path / "model")).manifest.origin == origin
    other = text(bundle(SIGNED, ec.derive_private_key(9, KEY.curve)))
    for number, (said, kept, words) in enumerate(
        (
            (origin, other, "by another key"),
            (replace(origin, root=Digest(bytes(32))), data, "over other files"),
            (replace(origin, public_key=der(ec.derive_private_key(9, KEY.curve))), data, "by another key"),
            (origin, b"{}", "origin does not verify"),
        )
    ):
        with pytest.raises(ModelError, match=words):
            PinnedModel.load(write(_signed_model(said, kept), tmp_path / f"model{number}"))


def test_a_manifest_lists_the_signature_of_its_origin(source: Path) -> None:
    origin, _ = taken(source)
    with pytest.raises(MalformedError, match="signature of the model's origin"):
        replace(from_bytes(Manifest, models()["record"][MANIFEST]), origin=origin)


def test_a_signature_without_a_hint_is_taken() -> None:
    open_bundle(text(_set(bundle(SIGNED), "verificationMaterial/publicKey/hint", None)), der(KEY))
    with pytest.raises(SignatureRefusedError, match="by the given key"):
        open_bundle(
            text(_set(bundle(SIGNED), "verificationMaterial/publicKey/hint", None)),
            der(ec.derive_private_key(8, ec.SECP256R1())),
        )


@pytest.mark.parametrize("shards", [False, True])
def test_a_signature_by_the_reference_implementation_is_taken(shards: bool, source: Path) -> None:
    (source / "empty").unlink()  # in shards it signs no empty file
    private = source.parent / "private.pem"
    private.write_bytes(KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    config = "model_signing.hashing.Config()" + (".use_shard_serialization(shard_size=2)" if shards else "")
    script = (
        "import model_signing, sys\n"
        "source, private, signature = sys.argv[1:]\n"
        f"signer = model_signing.signing.Config().set_hashing_config({config})\n"
        "signer.use_elliptic_key_signer(private_key=private).sign(source, signature)\n"
    )
    command = [sys.executable, "-c", script, str(source), str(private), str(source.parent / "model.sig")]
    subprocess.run(command, check=True)
    origin, data = taken(source)
    assert {part.name for part in check_origin(origin, data).parts} == {"config.json", "weights/model.bin"}
