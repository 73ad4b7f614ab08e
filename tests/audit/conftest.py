"""A bank with a log; and a firm, which is a bank and its auditors by their commands."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from reperform.tests.audit.bank import Bank
from reperform.tests.audit.firm import Firm, open_firm


@pytest.fixture
def bank(tmp_path: Path) -> Bank:
    """A bank that has decided 40 times, and given up once."""
    bank = Bank(tmp_path / "world")
    for number in range(40):
        bank.decide(str(1000 + number))
        if number == 20:
            bank.give_up()
    return bank


@pytest.fixture(scope="session")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A firm, made once."""
    return open_firm(tmp_path_factory.mktemp("firm")).at


@pytest.fixture
def firm(opened: Path, tmp_path: Path) -> Firm:
    """A firm of the test's own."""
    shutil.copytree(opened, tmp_path / "firm")
    return Firm(tmp_path / "firm")
