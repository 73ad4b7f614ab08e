"""Takes over an OpenSSF Model Signing signature: the pinned files must be the signed ones, all and no others."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from ...evidence.digest import Digest
from ...evidence.files import read_file
from ...evidence.origin import Origin, SignedFiles, SignedPart, SigningMethod, open_bundle
from .candidate import Candidate
from .errors import PinError

# What the bundle is called among the pinned model's files.
SIGNATURE: Final = "model.sig"
# Nothing of a model; the reference implementation leaves them out by itself.
_GIT: Final = frozenset({".git", ".gitattributes", ".github", ".gitignore"})
_BLOCK: Final = 1 << 20


def import_signature(source: Path, signature: Path, public_key: Path) -> tuple[Origin, bytes]:
    """Check that `signature`, by a public key (PEM), covers exactly the files of `source`: what a manifest records.

    `source` is the folder or file that was signed. Files that the signer left out must not lie there, for pinning could
    read them; except git's own, and the signature. Raises PinError, or another ReperformError.
    """
    bundle = read_file(signature)
    key = _der(public_key)
    signed = open_bundle(bundle, key)
    _compare(source, signature, signed)
    return Origin(SIGNATURE, SigningMethod.KEY, key, signed.root), bundle


def with_origin(candidate: Candidate, origin: Origin, bundle: bytes) -> Candidate:
    """The candidate with the signature among its files."""
    return replace(candidate, origin=origin, files={**candidate.files, origin.signature: bundle})


def _compare(source: Path, signature: Path, signed: SignedFiles) -> None:
    wanted: dict[str, list[SignedPart]] = {}
    for part in signed.parts:
        wanted.setdefault(part.name, []).append(part)
    try:
        found = dict(_files(source, signature, follows_links=signed.follows_links))
        if unsigned := sorted(found.keys() - wanted.keys()):
            advice = "take it out of the folder, or sign it too"
            raise PinError(f"{unsigned[0]!a:.120} lies in {source} and is not signed", advice=advice)
        for name, parts in wanted.items():
            if name not in found:
                raise PinError(f"{name!a:.120} is signed and does not lie in {source}")
            _check(name, found[name], parts)
    except OSError as error:
        raise PinError(f"{source} cannot be read: {error.strerror}") from error


def _files(source: Path, signature: Path, *, follows_links: bool) -> Iterator[tuple[str, Path]]:
    """The files below `source` that a signature must cover, by their paths from there."""
    for path in (source, *source.rglob("*")):
        name = path.relative_to(source).as_posix()
        if name.split("/")[0] in _GIT or (path.exists() and path.samefile(signature)):
            continue
        if path.is_symlink() and not follows_links:
            raise PinError(f"{name!a:.120} is a link, and the signer followed none")
        if path.is_file():
            yield name, path
        elif not path.is_dir():
            raise PinError(f"{name!a:.120} is neither a file nor a folder")


def _check(name: str, path: Path, parts: list[SignedPart]) -> None:
    """The file's bytes are those of `parts`, which follow each other from the first byte to the last."""
    at = 0
    with path.open("rb") as file:
        for part in sorted(parts, key=lambda part: part.start):
            if part.start != at:
                raise PinError(f"the signed parts of {name!a:.120} leave something out")
            hasher = hashlib.sha256()
            while block := file.read(_BLOCK if part.end is None else min(_BLOCK, part.end - at)):
                hasher.update(block)
                at += len(block)
            if Digest(hasher.digest()) != part.digest or (part.end is not None and at != part.end):
                raise PinError(f"{name!a:.120} is not the signed one: its digest differs")
        if file.read(1):
            raise PinError(f"the signed parts of {name!a:.120} leave something out")


def _der(path: Path) -> bytes:
    try:
        key = load_pem_public_key(read_file(path))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise PinError(f"{path} is not a public key", advice="give the signer's key as a PEM file") from error
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
