"""Simulations play thousands of cases in one process: what pure functions gave once is remembered.

Signatures are verified, keys checked and payloads read for real, each once for each distinct argument.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any
from unittest.mock import patch

from reperform.evidence.dsse import Envelope
from reperform.evidence.edwards25519 import check_prime_order
from reperform.evidence.errors import ReperformError
from reperform.evidence.keys import PublicKey
from reperform.evidence.sealing import check_sealing_key

SIZE = 2**15


def once(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, called once for equal arguments; what it raised it raises again."""

    @lru_cache(maxsize=SIZE)
    def outcome(*arguments: Hashable) -> tuple[Any, ReperformError | None]:
        try:
            return function(*arguments), None
        except ReperformError as error:
            return None, error

    def remembered(*arguments: Hashable) -> Any:
        value, error = outcome(*arguments)
        if error is not None:
            raise error
        return value

    return remembered


@contextmanager
def remembering() -> Iterator[None]:
    """Remember what is verified, checked and read in this block."""
    sealing_key = once(check_sealing_key)
    with (
        patch.object(PublicKey, "verify", once(PublicKey.verify)),
        patch.object(Envelope, "parse", once(Envelope.parse)),
        patch("reperform.evidence.keys.check_prime_order", once(check_prime_order)),
        patch("reperform.evidence.case.check_sealing_key", sealing_key),
        patch("reperform.evidence.roster.check_sealing_key", sealing_key),
    ):
        yield
