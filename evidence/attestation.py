"""The attestation: what a quorum says about a case, in the forms that other tools read.

An in-toto Statement (in-toto attestation framework v1) whose bytes follow from the tally alone, so that every
replayer who reaches the verdict signs the same bytes. Beside it the same verdict as a SLSA verification
summary (slsa.dev/verification_summary/v1), signed by the same nodes.

The statement names the docket's lists of ballots and of votes by their digests: whoever signs it vouches for
exactly these votes. The votes themselves travel beside it in the evidence pack.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from .dsse import Envelope
from .keys import SignatureRefusedError, SigningKey
from .roster import OrganisationRole, Roster
from .tally import Matter, Tally, Verdict

PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE: Final = "urn:reperform:attestation:v1"
SUMMARY_PREDICATE_TYPE: Final = "https://slsa.dev/verification_summary/v1"


def statement(matter: Matter, tally: Tally) -> bytes:
    """The bytes of the attestation's Statement."""
    receipt, place = matter.receipt.document, matter.place
    predicate = {
        "verdict": str(tally.verdict),
        "decision": receipt.decision.hex(),
        "model": str(receipt.model),
        "executionClass": str(receipt.execution_class),
        "case": str(matter.case_id),
        "ground": str(matter.case.document.filing.ground),
        "roster": {"name": matter.roster.name, "epoch": matter.roster.epoch, "id": str(matter.roster.roster_id)},
        "quorum": matter.roster.quorum,
        "log": None if place is None else {"origin": place.witnessed.checkpoint.origin, "entry": place.index},
        "ballots": str(matter.ballots.list_id),
        "votes": str(tally.votes.list_id),
        "answer": None if tally.answer is None else str(tally.answer),
        "trace": None if tally.trace is None else str(tally.trace),
    }
    return _statement(matter, PREDICATE_TYPE, predicate)


def summary(matter: Matter, tally: Tally) -> bytes:
    """The bytes of the SLSA verification summary of the same verdict.

    `timeVerified` is when the docket closed the list of votes: from then on the verdict followed.
    Everything but UPHELD is FAILED: what was not confirmed must not pass.
    """
    passed = tally.verdict is Verdict.UPHELD
    predicate = {
        "verifier": {"id": f"urn:reperform:roster:{matter.roster.roster_id}"},
        "timeVerified": datetime.fromtimestamp(tally.votes.closed // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "resourceUri": f"urn:reperform:decision:{matter.receipt.document.decision.hex()}",
        "policy": {"uri": f"urn:reperform:quorum:{matter.roster.quorum}"},
        "inputAttestations": [
            {"uri": PREDICATE_TYPE, "digest": {"sha256": _sha256(statement(matter, tally))}},
            {"uri": "urn:reperform:receipt", "digest": {"sha256": _sha256(matter.receipt.envelope.payload)}},
        ],
        "verificationResult": "PASSED" if passed else "FAILED",
        "verifiedLevels": ["REPERFORM_UPHELD" if passed else "FAILED"],
    }
    return _statement(matter, SUMMARY_PREDICATE_TYPE, predicate)


def _statement(matter: Matter, predicate_type: str, predicate: Mapping[str, Any]) -> bytes:
    receipt = matter.receipt
    body = {
        "_type": STATEMENT_TYPE,
        "subject": [
            {
                "name": f"decision/{receipt.document.decision.hex()}",
                "digest": {"sha256": _sha256(receipt.envelope.payload)},
            }
        ],
        "predicateType": predicate_type,
        "predicate": predicate,
    }
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def sign_statement(payload: bytes, keys: Iterable[SigningKey]) -> Envelope:
    """One node's signatures over a Statement."""
    return Envelope.sign_bytes(PAYLOAD_TYPE, payload, keys)


def check_quorum(envelope: Envelope, expected: bytes, roster: Roster) -> tuple[str, ...]:
    """The organisations that signed exactly `expected`. Raises SignatureRefusedError if they are no quorum.

    Every signature must be good and by a node that may vote, and a node's signature counts only with all the
    algorithms that the roster asks for.
    """
    if (envelope.payload_type, envelope.payload) != (PAYLOAD_TYPE, expected):
        raise SignatureRefusedError("the signed statement is not the one that follows from the votes")
    signers = envelope.check(roster.panel_keys())
    organisations = set()
    for organisation, node in roster.members():
        needed = {key.key_id for key in roster.keys_of(node)}
        if organisation.role is not OrganisationRole.REPLAYER or not needed & signers:
            continue
        if needed - signers:
            raise SignatureRefusedError(f"node {node.name!r} signed without all algorithms of the suite {roster.suite}")
        organisations.add(organisation.name)
    if len(organisations) < roster.quorum:
        raise SignatureRefusedError(f"signed by {len(organisations)} organisations; the quorum is {roster.quorum}")
    return tuple(sorted(organisations))
