"""`reperform`, killed at a moment of the test's choice: `python -m reperform.tests.audit.dying MOMENT COMMAND...`.

A moment is the name of a file, which is about to appear, or a call, `package.module:Class.method`, which is about to be
made; with `*20` behind it, for the twentieth time. Nothing is cleaned up, as by a power cut.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from typing import Any

from reperform.cli.main import main
from reperform.consensus.audit import run


class _Countdown:
    def __init__(self, times: int) -> None:
        self.left = times

    def __call__(self) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def _before_file(name: str, countdown: _Countdown) -> None:
    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "os.rename" and name in os.fspath(arguments[1]):
            countdown()

    sys.addaudithook(hook)


def _before_call(module: str, name: str, countdown: _Countdown) -> None:
    cls, method = name.split(".")
    owner = getattr(importlib.import_module(f"reperform.{module}"), cls)
    made = getattr(owner, method)

    def call(*arguments: Any, **named: Any) -> Any:
        countdown()
        return made(*arguments, **named)

    setattr(owner, method, call)


def _arrange(moment: str) -> None:
    name, _, times = moment.partition("*")
    countdown = _Countdown(int(times or 1))
    module, _, call = name.partition(":")
    if call:
        _before_call(module, call, countdown)
    else:
        _before_file(name, countdown)


if __name__ == "__main__":
    run.WRITE_EVERY = 0  # type: ignore[misc]  # what is found is written down one by one, however fast the machine is
    _arrange(sys.argv.pop(1))
    main()
