"""Who would be counted twice, or judge its own decisions: refused by every process that is asked to believe it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from reperform.consensus.docket import DocketError, Slot
from reperform.evidence.documents import to_bytes
from reperform.evidence.dsse import Envelope, payload_type
from reperform.evidence.enrolment import Enrolment
from reperform.evidence.keyfile import KeyRing
from reperform.evidence.roster import OrganisationRole, Roster
from reperform.evidence.succession import Draft
from reperform.evidence.tally import Verdict
from reperform.tests.adversaries.conftest import ALSO_GOOD, BAD, GOOD, Docket
from reperform.tests.cli.run import refused, reperform
from reperform.tests.world import BANK, World

LOW_ORDER = bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a")  # of order 8


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (lambda world: world.rings[BAD].signing.public.value, "same key twice"),
        (lambda world: world.rings[BANK].signing.public.value, "same key twice"),
        (lambda _: LOW_ORDER, "order"),
    ],
    ids=["two names with one key", "the operator's key on the panel", "a key of low order"],
)
def test_a_roster_with_such_a_key_is_none_whoever_signed_it(
    tmp_path: Path, key: Callable[[World], bytes], message: str
) -> None:
    """Even if every root holder did: root keys are trusted with whom, not with what a key is."""
    home, world = tmp_path, World(tmp_path / "world", quorum=3)
    ring = KeyRing.generate()
    request = Enrolment.of(ring, organisation="Shell", role=OrganisationRole.REPLAYER, node="shell")
    draft = Draft.after(world.roster, world.now).enrol(request)
    for document, name in ((draft.roster, "roster-2.dsse"), (draft, "roster.draft")):
        data = to_bytes(document).replace(ring.signing.public.value, key(world))
        signed = to_bytes(Envelope.sign_bytes(payload_type(Roster), data, world.root))
        (home / name).write_bytes(signed if document is draft.roster else data)
    (home / "roster.dsse").write_bytes(to_bytes(world.roster_envelope))
    (home / "roots.json").write_text(world.roots.to_json())
    world.rings["root"] = KeyRing(world.root[0], ring.sealing)
    world.rings["root"].write(home / "root.key")
    trust = ("--roster", "roster.dsse", "--roots", "roots.json")
    signs = reperform("roster", "sign", "roster.draft", "--key", "root.key", *trust, "--out", "signed", at=home)
    assert message in refused(signs)
    shows = reperform("roster", "show", "roster.dsse", "roster-2.dsse", "--roots", "roots.json", at=home)
    assert message in refused(shows)


def test_the_operators_own_node_does_not_start_and_is_not_heard(served: Docket) -> None:
    world, parties = served.world, served.parties
    world.rings[BANK].write(world.folder / f"{BANK}.key")
    served.start(BANK)
    assert parties.running.pop(BANK).wait(timeout=30) != 0
    assert "operator, not replayer" in parties.log(BANK)
    with served.among(BAD, "honest"):
        settled = served.settle()
    bank = world.rings[BANK]
    ballot = replace(settled.proceeding.ballots[0].document, node=bank.signing.public.key_id)
    with pytest.raises(DocketError, match="operator, not replayer"):
        settled.docket.post(settled.filed.filing_id, {Slot.BALLOT: Envelope.sign(ballot, bank.signers)})
    assert settled.verdict is Verdict.UPHELD
    assert settled.voters() == {GOOD, ALSO_GOOD, BAD}
