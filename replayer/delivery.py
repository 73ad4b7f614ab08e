"""A model on its way: downloaded beside the node's other work, which does not wait for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path


class Delivery:
    """One download in a thread of its own, which ends with the process."""

    def __init__(self, download: Callable[[], Path]) -> None:
        self._future: Future[Path] = Future()
        threading.Thread(target=self._run, args=(download,), daemon=True).start()

    def _run(self, download: Callable[[], Path]) -> None:
        try:
            self._future.set_result(download())
        except BaseException as error:  # noqa: BLE001  # it is raised where the result is asked for
            self._future.set_exception(error)

    def arrived(self) -> Path | None:
        """The folder, once everything is there. Raises what the download raised."""
        return self._future.result() if self._future.done() else None
