"""Where a node gets pinned models that it was not handed: files at an https address, ADDRESS/<model id>/<file>.

The address is not believed. The manifest's digest is the model's id, and with it everything else is bound; what comes
is data, and is loaded only after every digest was checked. What is interrupted goes on where it stopped.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import httpx

from ..consensus.client import connection
from ..evidence.digest import Digest, Domain, digest
from ..evidence.documents import from_bytes
from ..evidence.encoding import MAX_BYTES
from ..evidence.errors import ReperformError
from ..evidence.files import make_folder, read_file
from ..evidence.manifest import Manifest
from ..executor.model import GRAPH, MANIFEST, PinnedModel
from ..executor.shards import SHARD, planned

BUSY: Final = frozenset({429, 500, 502, 503, 504})
# Seconds. What does not answer is tried again for so long; who votes waits for it no longer than that.
PATIENCE: Final = 3600.0
FIRST_PAUSE: Final = 0.5  # doubled after every try in vain
LONGEST_PAUSE: Final = 60.0

# Bytes. A manifest has digests of its files and no sizes: whatever serves them may not fill the disk. Of the weights
# the size is known but for the header of their file, which names the tensors.
MAX_FILE: Final = 256 * 1024 * 1024
MAX_WEIGHTS: Final = 256 * 1024 * 1024 * 1024
HEADER: Final = 64 * 1024
HEADER_OF_A_TENSOR: Final = 1024


class SourceError(ReperformError):
    """A model that cannot be had, or that comes as something else."""


class Source:
    """One address, and the folder in which the models from it are kept."""

    def __init__(
        self,
        address: str,
        folder: Path,
        authority: Path | None = None,
        *,
        patience: float = PATIENCE,
        pause: Callable[[float], None] = time.sleep,
        shard: int = SHARD,
    ) -> None:
        """`authority` is a file of CA certificates, if those of the system are not the ones. Raises SourceError.

        shard: at how many bytes the address cuts weights into files (executor/shards.py).
        """
        self._client = connection(address, authority, "the address of models", SourceError)
        self._address = address.rstrip("/")
        self._folder = folder
        self._patience = patience
        self._pause = pause
        self._shard = shard

    def kept(self) -> list[Path]:
        """The folders of the models that were fetched and checked before."""
        return sorted(path for path in self._folder.glob("*") if len(path.name) == 64) if self._folder.exists() else []

    def download(self, model: Digest) -> Path:
        """Bring the files of a model, unchecked but for their manifest. Raises a ReperformError."""
        part = self._folder / f"{model}.part"
        make_folder(part, mode=0o700)
        try:
            self._bring(model, MANIFEST, part, MAX_BYTES)
            data = read_file(part / MANIFEST)
            if digest(Domain.MANIFEST, data) != model:
                shutil.rmtree(part)
                raise SourceError(f"{self._address} has another manifest under the name of model {model.short()}")
            for name, limit in _limits(from_bytes(Manifest, data), self._shard):
                self._bring(model, name, part, limit)
        except OSError as error:
            raise SourceError(f"{part} cannot be written: {error.strerror}", advice="see that there is room") from error
        return part

    def check(self, model: Digest, part: Path) -> PinnedModel:
        """Load what was downloaded, every digest checked, and keep it. Raises a ReperformError; then it is deleted."""
        try:
            loaded = PinnedModel.load(part)
            if loaded.model_id != model:
                raise SourceError(f"{part} holds model {loaded.model_id.short()}, not {model.short()}")
        except ReperformError:
            shutil.rmtree(part)  # going on from there would give the same again
            raise
        part.rename(self._folder / str(model))
        return loaded

    def _bring(self, model: Digest, name: str, part: Path, limit: int) -> None:
        """Download one file, from where it stopped, until it is whole; in vain for `patience` seconds at most."""
        url, path = f"{self._address}/{model}/{name}", part / name
        end, wait = time.monotonic() + self._patience, FIRST_PAUSE
        while True:
            before = _size(path)
            try:
                return self._once(url, path, limit)
            except httpx.TransportError as error:
                if _size(path) > before:
                    end, wait = time.monotonic() + self._patience, FIRST_PAUSE
                elif time.monotonic() > end or "CERTIFICATE_VERIFY_FAILED" in str(error):
                    raise SourceError(
                        f"{url} cannot be had ({type(error).__name__}): {error!s:.100}",
                        advice="check the address and the network, or hand the model over by media",
                    ) from error
            self._pause(wait)
            wait = min(2 * wait, LONGEST_PAUSE)

    def _once(self, url: str, path: Path, limit: int) -> None:
        have = _size(path)
        headers = {"Range": f"bytes={have}-"} if have else {}
        with self._client.stream("GET", url, headers=headers) as response:
            status = response.status_code
            if status == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE and have:
                return  # there is no more; the digests tell whether this is the file
            if status in BUSY:
                raise httpx.RemoteProtocolError(f"status {status}")
            goes_on = status == httpx.codes.PARTIAL_CONTENT and have
            if status != httpx.codes.OK and not goes_on:
                raise SourceError(f"{url} answers with status {status}", advice="hand the model over by media")
            if goes_on and not response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
                raise SourceError(f"{url} answers with another part of the file than was asked for")
            _save(response.iter_raw(), path, have if goes_on else 0, limit, url)


def _save(chunks: Iterator[bytes], path: Path, have: int, limit: int, url: str) -> None:
    """Write what comes to the file, from the byte `have`, never more than `limit` bytes in all."""
    with path.open("ab" if have else "wb") as file:
        try:
            for chunk in chunks:
                have += len(chunk)
                if have > limit:
                    raise SourceError(f"{url} has more than the {limit} bytes that the pinned file can have")
                file.write(chunk)
        finally:
            file.flush()
            os.fsync(file.fileno())


def _limits(manifest: Manifest, shard: int) -> Iterator[tuple[str, int]]:
    """The files that a manifest binds, and how many bytes each may have. Raises SourceError."""
    weights = sum(entry.nbytes for entry in manifest.tensors)
    if weights > MAX_WEIGHTS:
        raise SourceError(f"the model's weights are {weights} bytes; no more than {MAX_WEIGHTS} are fetched")
    yield GRAPH, MAX_BYTES
    yield from ((entry.name, MAX_FILE) for entry in manifest.files)
    for name, tensors in planned(manifest.tensors, shard).items():
        yield name, HEADER + sum(HEADER_OF_A_TENSOR + entry.nbytes for entry in tensors)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
