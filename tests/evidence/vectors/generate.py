"""Write the vectors: `python tests/evidence/vectors/generate.py`. A change here is a change of the format.

Everything follows from fixed names (scene.py), so that the same bytes come out on every machine.
"""

from __future__ import annotations

import json
from pathlib import Path

from reperform.evidence.ballot import ballot_commitment
from reperform.evidence.case import case_id, filing_id
from reperform.evidence.commitment import Commitment, Role, key_digest
from reperform.evidence.digest import Digest, Domain, digest
from reperform.evidence.documents import to_bytes
from reperform.evidence.encoding import Value, encode
from reperform.evidence.receipt import receipt_id
from reperform.tests.evidence.scene import INPUT, MANIFEST, OUTPUT, upheld

FOLDER = Path(__file__).parent

VALUES: dict[str, Value] = {
    "nil": None,
    "true": True,
    "integers at the edges of their forms": [0, 127, 128, 255, 256, 65535, 65536, 2**32 - 1, 2**32, 2**64 - 1],
    "negative integers at the edges of their forms": [-1, -32, -33, -128, -129, -32768, -32769, -(2**31), -(2**63)],
    "texts at the edges of their forms": ["", "a" * 31, "a" * 32, "a" * 255, "a" * 256],
    "bytes at the edges of their forms": [b"", bytes(255), bytes(256)],
    "lists at the edges of their forms": [[None] * 15, [None] * 16],
    "a map in the order of its keys' bytes": {"é": 1, "b": 2, "aa": 3, "a": 4, "": 5, "\U00010000": 6, "\uffff": 7},
}


def vectors() -> dict[str, dict[str, str]]:
    """Name of the file, then name of the vector, then its bytes in hexadecimal."""
    story = upheld()
    node = story.scene.node_id("Audit House")
    commitment = Commitment.make(Role.INPUT, INPUT, bytes(32))
    names: dict[str, Digest] = {
        "public key": node,
        "model": MANIFEST.model_id,
        "roster": story.scene.roster.roster_id,
        "receipt": receipt_id(story.receipt),
        "case": case_id(story.case),
        "the case as a filing": filing_id(story.case),
        "ballot list": story.matter().ballots.list_id,
        "vote list": story.votes_closed().list_id,
        "ballot": ballot_commitment(case_id(story.case), node, story.results["Audit House"]),
        "commitment key": key_digest(bytes(32)),
        "commitment to an input": commitment.mac,
        **{f"nothing as {domain}": digest(domain, b"") for domain in Domain},
    }
    documents = {
        "input": INPUT,
        "output": OUTPUT,
        "manifest": to_bytes(MANIFEST),
        "roster": to_bytes(story.scene.roster),
        "receipt": to_bytes(story.receipt),
        "case": to_bytes(story.case),
        "ballot": to_bytes(story.ballots[0]),
        "vote": to_bytes(story.votes[0]),
        "ballot list": to_bytes(story.pack().ballot_list),
        "vote list": to_bytes(story.pack().vote_list),
        "attestation": to_bytes(story.pack().attestation),
        "summary": to_bytes(story.pack().summary),
    }
    return {
        "encoding": {name: encode(value).hex() for name, value in VALUES.items()},
        "digests": {name: str(value) for name, value in names.items()},
        "documents": {name: data.hex() for name, data in documents.items()},
    }


def text(name: str) -> str:
    """The content of one file."""
    return json.dumps(vectors()[name], indent=1, ensure_ascii=True) + "\n"


if __name__ == "__main__":
    for name in vectors():
        (FOLDER / f"{name}.json").write_text(text(name))
