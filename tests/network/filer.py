"""A filer as a process: `python -m reperform.tests.network.filer FOLDER URL` files, and does its part to the end.

The folder holds the filed decision, the filer's keys and the roster; the pack is written there.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from reperform.consensus.client import HttpDocket
from reperform.consensus.conclusion import NoQuorumError, conclude, pack
from reperform.consensus.docket import DocketUnreachableError
from reperform.consensus.filer import FiledDecision, Filer
from reperform.consensus.proceeding import collect
from reperform.evidence.documents import from_bytes, to_bytes
from reperform.evidence.dsse import Envelope
from reperform.evidence.files import write_atomically
from reperform.evidence.keyfile import KeyRing
from reperform.evidence.roster import Roster
from reperform.tests.world import MANIFEST


def main(folder: Path, url: str) -> None:
    """File, and go on until everybody on the panel has signed."""
    filed = from_bytes(FiledDecision, (folder / "filed").read_bytes())
    envelope = from_bytes(Envelope, (folder / "roster.dsse").read_bytes())
    roster = envelope.parse(Roster)
    docket = HttpDocket(url)
    filer = Filer(docket, KeyRing.read(folder / "filer.key"), filed)
    filer.file()
    while True:
        try:
            proceeding = collect(docket, filed.filing_id, [roster])
            filer.step(proceeding)
            conclusion = conclude(proceeding)
        except (DocketUnreachableError, NoQuorumError):
            time.sleep(0.1)
            continue
        if len(conclusion.attestation.signatures) == len(roster.panel()):
            result = pack(proceeding, conclusion, rosters=[envelope], manifest=MANIFEST, disclosure=None)
            write_atomically(folder / "pack", to_bytes(result))
            return
        time.sleep(0.1)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
