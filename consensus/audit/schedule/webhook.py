"""Tells an address how an audit ended: one POST of a small JSON object, without anything of its content."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import httpx

from ....evidence.errors import ReperformError
from .calendar import Run

TIMEOUT: Final = 10.0  # seconds


class WebhookError(ReperformError):
    """An address that could not be told."""


def post(address: str, run: Run, folder: Path) -> None:
    """Tell the address; any 2xx is understood as heard. Raises WebhookError."""
    body = {"audit": run.name, "due": run.due, "state": run.state.value, "alarm": run.alarming, "folder": str(folder)}
    try:
        with httpx.stream("POST", address, json=body, timeout=TIMEOUT) as answer:  # nobody reads what else it says
            heard, status = answer.is_success, answer.status_code
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise WebhookError(f"the webhook does not answer ({type(error).__name__})") from error
    if not heard:
        raise WebhookError(f"the webhook answers {status}")
