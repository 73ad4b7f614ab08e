"""Writes the applications as a CSV file of the scorer's columns, for `reperform decide`."""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

from .data import applications
from .train import COLUMNS


def main() -> None:
    """Write the 1,989 mortgage applications as a CSV file."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("path", type=Path, help="the file to write")
    with parser.parse_args().path.open("w", newline="") as file:
        writer = csv.DictWriter(file, sorted(COLUMNS), extrasaction="ignore")
        writer.writeheader()
        writer.writerows(applications())


if __name__ == "__main__":
    main()
