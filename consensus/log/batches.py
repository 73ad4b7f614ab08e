"""Entries of many threads become one batch: what waits is sequenced together, and nothing waits longer than a delay."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import Final, Self

from .sequencer import BATCH, check_entries

# The maximum merge delay, in seconds: how long an entry waits for others before it is sequenced.
DELAY: Final = 0.05


class Batches:
    """Calls `append` for everybody, from one thread of its own. As a context, it ends when all have their answer."""

    def __init__(self, append: Callable[[Sequence[bytes]], range], delay: float = DELAY) -> None:
        self._append, self._delay = append, delay
        self._waiting: list[tuple[Sequence[bytes], Future[range]]] = []
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._work, name="log-batches", daemon=True)
        self._thread.start()

    def submit(self, entries: Sequence[bytes]) -> Future[range]:
        """The indices of these entries, when they stand in the log. Raises EntryRefusedError at once."""
        check_entries(entries)
        future = Future[range]()
        with self._changed:
            if self._closing:
                raise RuntimeError("no more entries are taken")
            self._waiting.append((entries, future))
            self._changed.notify()
        return future

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def _work(self) -> None:
        while batch := self._next():
            entries = [entry for each, _ in batch for entry in each]
            try:
                first = self._append(entries).start
            except Exception as error:  # noqa: BLE001  # whoever waits is told
                for _, future in batch:
                    future.set_exception(error)
                continue
            for each, future in batch:
                future.set_result(range(first, first := first + len(each)))

    def _next(self) -> list[tuple[Sequence[bytes], Future[range]]]:
        """What waits, not before somebody has waited for the delay or there is a full batch. Empty at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing)
            end = time.monotonic() + self._delay
            self._changed.wait_for(lambda: self._closing or self._entries() >= BATCH, end - time.monotonic())
            batch, self._waiting = self._waiting, []
            return batch

    def _entries(self) -> int:
        return sum(len(entries) for entries, _ in self._waiting)
