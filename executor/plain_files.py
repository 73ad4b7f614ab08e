"""Files in folders of strangers: a pipe would hang its reader, a device never end, a link lead elsewhere."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Final

# A graph, a tokenizer and a manifest have at most a quarter of this; weights are not read by this function.
MAX_BYTES: Final = 256 * 1024 * 1024


def open_plain(path: Path) -> int:
    """A descriptor of a regular file that `path` itself names, to read. Raises OSError for all else."""
    # Without O_NONBLOCK, opening a pipe waits for somebody who writes to it.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise OSError(errno.EINVAL, "it is no regular file", str(path))


def read_plain(path: Path, limit: int = MAX_BYTES) -> bytes:
    """The bytes of a regular file of at most `limit` bytes. Raises OSError."""
    with os.fdopen(open_plain(path), "rb") as file:
        size = os.fstat(file.fileno()).st_size
        data = file.read(limit) if size <= limit else b""
    if len(data) != size:
        raise OSError(errno.EFBIG, f"it has more than {limit} bytes, or changes", str(path))
    return data
