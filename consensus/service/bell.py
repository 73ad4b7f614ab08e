"""Wakes whoever waits for something to be posted: requests in the event loop, and the keeper's thread."""

from __future__ import annotations

import asyncio
import threading


class Bell:
    """Rung from any thread. Who waits takes `ticket` first and looks afterwards, so that no ring is missed."""

    def __init__(self) -> None:
        self.keeper = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._rung = asyncio.Event()

    def start(self) -> None:
        """Belong to the running event loop."""
        self._loop = asyncio.get_running_loop()

    def ring(self) -> None:
        """Something was posted."""
        self.keeper.set()
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake)

    def ticket(self) -> asyncio.Event:
        """The event of the next ring."""
        return self._rung

    def _wake(self) -> None:
        self._rung.set()
        self._rung = asyncio.Event()
