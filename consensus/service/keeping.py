"""The keeper at work inside the service: a thread that acts when something was posted, and when time has passed."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from ...evidence.errors import ReperformError
from ..keeper import Keeper

log = logging.getLogger(__name__)

# Seconds. Deadlines are seen to at the latest after the first; posts that come together are taken up together
# after the second, or after as long as it took the time before: half of the time is for those who post.
LONGEST_PAUSE: Final = 0.5
PAUSE: Final = 0.2


@contextmanager
def keeping(
    keeper: Keeper, posted: threading.Event, now: Callable[[], int], still: Callable[[], None]
) -> Iterator[None]:
    """Keep the docket for as long as the block runs. `posted` is set whenever something was.

    `still` raises where this process is no longer the only keeper; then nothing is signed.
    """
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            posted.clear()
            begun = time.monotonic()
            try:
                still()
                for filing, cause in keeper.step(now()):
                    log.warning("filing %s: %s", filing.short(), cause)
            except ReperformError as error:
                log.warning("%s", error)  # the database may be back in the next round
            stop.wait(max(PAUSE, time.monotonic() - begun))
            posted.wait(LONGEST_PAUSE)

    thread = threading.Thread(target=work, name="keeper")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        posted.set()
        thread.join()
