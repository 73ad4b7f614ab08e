"""A log in a bucket of an S3-compatible store, reached by obstore: one object per path.

The store must honour conditional writes (If-None-Match and If-Match, as Amazon S3 does since 2024, and MinIO and R2
do): they are what keeps two writers apart. There is no lock here; who comes second loses the swap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, NotFoundError, PreconditionError
from obstore.store import S3Store

from .storage import MAX_SWAPPED, StorageError, SwappedError

if TYPE_CHECKING:
    from obstore import PutMode

# How many objects are written at once.
AT_ONCE: Final = 16
# How often a request is repeated that a busy store or the network failed, and for how long (seconds).
TRIES: Final = 6
PATIENCE: Final = 60

# An object with nothing in it, to try conditions on.
PROBE: Final = "conditional"

T = TypeVar("T")


class ObjectStorage:
    """A `Storage` at s3://BUCKET/PREFIX. Region, endpoint and credentials are in the environment (AWS_…)."""

    def __init__(self, url: str) -> None:
        """Raises StorageError for an address that is none."""
        parts = urlsplit(url)
        if parts.scheme != "s3" or not parts.netloc or parts.query or parts.fragment:
            raise StorageError("a log in an object store is at s3://BUCKET/PREFIX")
        self._url = url.rstrip("/")
        self._store = S3Store(
            parts.netloc,
            prefix=parts.path.strip("/") or None,
            retry_config={"max_retries": TRIES, "retry_timeout": timedelta(seconds=PATIENCE)},
        )

    def read(self, path: str, limit: int) -> bytes | None:
        """The bytes of an object."""
        found = self._get(path, limit)
        return None if found is None else found[0]

    def write(self, files: Mapping[str, bytes]) -> None:
        """Put objects, several at once. A store acknowledges an object when it is durable."""

        def put(path: str) -> None:
            self._asked(lambda: obstore.put(self._store, path, files[path], use_multipart=False))

        if len(files) == 1:
            put(*files)
            return
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for done in [pool.submit(put, path) for path in files]:
                done.result()

    def swap(self, path: str, old: bytes | None, new: bytes) -> None:
        """Put an object if the one that is there has the tag of the one that was compared."""
        found = self._get(path, MAX_SWAPPED)
        if (None if found is None else found[0]) != old:
            raise self._swapped(path)
        try:
            self._asked(
                lambda: obstore.put(
                    self._store, path, new, use_multipart=False, mode="create" if found is None else {"e_tag": found[1]}
                )
            )
        except SwappedError:
            # The first try of ours may have been done, its answer lost, and the second refused for it.
            if self.read(path, MAX_SWAPPED) != new:
                raise self._swapped(path) from None

    def delete(self, path: str) -> None:
        """Delete an object."""
        self._asked(lambda: obstore.delete(self._store, path))

    def list(self, folder: str) -> Sequence[str]:
        """The objects whose names begin so."""
        return self._asked(
            lambda: sorted(str(each["path"]) for each in obstore.list_with_delimiter(self._store, folder)["objects"])
        )

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Object stores have no locks. See that this one refuses what the conditional writes of two writers come to."""
        conditions: tuple[PutMode, ...] = ("create", "create", {"e_tag": '"of no object"'})
        refused = [self._refuses(condition) for condition in conditions]
        if not all(refused[1:]):
            raise StorageError(
                f"the store at {self._url} does not honour conditional writes: two writers would overwrite each other",
                advice="use one that honours If-None-Match and If-Match",
            )
        yield

    def _refuses(self, condition: PutMode) -> bool:
        try:
            self._asked(lambda: obstore.put(self._store, PROBE, b"", use_multipart=False, mode=condition))
        except SwappedError:
            return True
        return False

    def _get(self, path: str, limit: int) -> tuple[bytes, str | None] | None:
        def get() -> tuple[bytes, str | None] | None:
            try:
                answer = obstore.get(self._store, path)
            except (NotFoundError, FileNotFoundError):
                return None
            if answer.meta["size"] > limit:
                raise StorageError(f"{path} of the log at {self._url} is larger than {limit} bytes")
            return bytes(answer.bytes()), answer.meta["e_tag"]

        return self._asked(get)

    def _asked(self, ask: Callable[[], T]) -> T:
        try:
            return ask()
        except (AlreadyExistsError, PreconditionError) as error:
            raise SwappedError("another writer was faster") from error
        except (BaseError, OSError) as error:
            raise StorageError(
                f"the log at {self._url} does not answer as asked: {type(error).__name__}",
                advice="check the address, AWS_ENDPOINT, AWS_REGION and the credentials, and that the bucket exists",
            ) from error

    def _swapped(self, path: str) -> SwappedError:
        return SwappedError(f"{path} of the log at {self._url} was changed by another writer")
