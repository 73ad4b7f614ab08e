"""A bank with a log."""

from __future__ import annotations

from pathlib import Path

import pytest
from reperform.tests.audit.bank import Bank


@pytest.fixture
def bank(tmp_path: Path) -> Bank:
    """A bank that has decided 40 times, and given up once."""
    bank = Bank(tmp_path / "world")
    for number in range(40):
        bank.decide(str(1000 + number))
        if number == 20:
            bank.give_up()
    return bank
