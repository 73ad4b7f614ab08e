"""Write the hostile packs: `python tests/evidence/hostile/generate.py`. One folder for each attack.

Each folder has the pack, the root keys that its reader trusts, and a README that says why it must fail. Its first
line names the step of verification; a new attack is a new folder, with or without an entry here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from reperform.evidence.ballot import Ballot
from reperform.evidence.documents import to_bytes
from reperform.evidence.dsse import Envelope
from reperform.evidence.encoding import decode, encode
from reperform.evidence.pack import Disclosure, Pack, Revealed
from reperform.evidence.tally import Verdict
from reperform.tests.evidence.scene import (
    BANK,
    DOCKET,
    MANIFEST,
    OTHER_OUTPUT,
    OUTPUT,
    START,
    Scene,
    Story,
    refuted,
    ring,
    upheld,
)

FOLDER = Path(__file__).parent
A, B, C = "Audit House", "Consumer Union", "Finance Authority"


def _bank_votes() -> Pack:
    story = upheld()
    mine = replace(story, results={BANK: story.scene.result(BANK, OUTPUT)}).vote(BANK)
    return story.with_votes([*story.votes[:1], mine]).pack()


def _dissent(story: Story) -> Story:
    """Everybody's votes, of which one contradicts the others."""
    dissenting = replace(story, results={**story.results, C: story.scene.result(C, OTHER_OUTPUT)})
    return dissenting.with_ballots([dissenting.ballot(node) for node in (A, B, C)]).with_votes()


def _dissent_left_out() -> Pack:
    story = _dissent(upheld())
    without = story.with_votes([story.vote(A), story.vote(B)]).attested(by=[A, B])
    return replace(without, vote_list=story.vote_list).pack()


def _closed_before_the_dissent() -> Pack:
    story = _dissent(upheld())
    return story.with_votes([story.vote(A), story.vote(B)], closed=START + 3000).attested(by=[A, B]).pack()


def _another_list_signed() -> Pack:
    """The verdict is the same with and without the third vote; what was signed is not."""
    story = upheld()
    return replace(story.with_votes(story.votes[:2]), attestation=story.attestation, summary=story.summary).pack()


def _second_docket() -> Pack:
    scene = Scene(dockets=(DOCKET, "Second Office"))
    story = scene.story()
    return replace(story, case=Envelope.sign(scene.case(story.receipt), scene.signers("Second Office"))).pack()


def _one_root_signature() -> Pack:
    story = upheld()
    return replace(story, rosters=(Envelope.sign(story.scene.roster, story.scene.root_keys[:1]),)).pack()


def _stuffed_panel() -> Pack:
    scene = Scene(panel={A: 1, "Shell One": 1, "Shell Two": 1})
    story = scene.story()
    return replace(story, rosters=(Envelope.sign(scene.roster, [ring(BANK).signing, ring(A).signing]),)).pack()


def _copied_ballot() -> Pack:
    story = upheld()
    copier = replace(story, results={**story.results, B: story.results[A]})
    commitment = story.ballot(A).parse(Ballot).commitment
    copied = copier.with_ballots([story.ballot(A), story.ballot(B, commitment=commitment)])
    voted = copied.with_votes([copied.vote(A), copied.vote(B)])
    # What the two say, had the copier worked: two organisations of one opinion.
    return voted.attested(by=[A, B], result=replace(story.tally(), votes=voted.votes_closed())).pack()


def _passed_summary() -> Pack:
    story = refuted()
    upheld_tally = replace(story.tally(), verdict=Verdict.UPHELD)
    return replace(story, summary=story.attested(result=upheld_tally).summary).pack()


def _one_organisation() -> Story:
    return Scene(panel={A: 2, B: 1, C: 1}).story().attested(by=[f"{A} 1", f"{A} 2"])


def _other_output() -> Pack:
    story = upheld()
    shown = Disclosure(None, Revealed(OTHER_OUTPUT, story.scene.key("output")), None)
    return story.pack(disclosure=shown)


def _long_form() -> bytes:
    data = to_bytes(upheld().pack())
    assert data[0] == 0x8C
    return b"\xde\x00\x0c" + data[1:]


def _unsorted() -> bytes:
    value = decode(to_bytes(upheld().pack()))
    assert isinstance(value, dict)
    first, *rest = (encode(key) + encode(item) for key, item in value.items())
    return bytes([0x80 | len(value)]) + b"".join([*rest, first])


# name: (step, why it must fail, the pack)
ATTACKS: dict[str, tuple[int, str, Callable[[], Pack | bytes]]] = {
    "another_summary": (11, "The attestation says REFUTED, the summary for other tools says PASSED.", _passed_summary),
    "attested_by_one": (10, "One organisation signed; the quorum is two.", lambda: upheld().attested(by=[B]).pack()),
    "attested_by_one_organisations_nodes": (
        10,
        "Two nodes signed, but they belong to one organisation.",
        lambda: _one_organisation().pack(),
    ),
    "attested_with_the_bank": (
        10,
        "The bank signed the attestation of its own decision beside one replayer.",
        lambda: upheld().attested(by=[A, BANK]).pack(),
    ),
    "another_list_signed": (10, "The panel signed the same verdict over a longer list of votes.", _another_list_signed),
    "ballot_copied": (10, "A lazy replayer copied the ballot of another one to make up a quorum.", _copied_ballot),
    "ballot_withheld": (
        7,
        "One ballot on the docket's closed list is missing from the pack.",
        lambda: replace(upheld(), ballots=upheld().ballots[1:]).pack(),
    ),
    "banks_vote": (9, "The bank's own node votes on the bank's decision.", _bank_votes),
    "case_of_another_docket": (
        5,
        "The case was opened by a docket of the roster with which it was not filed.",
        _second_docket,
    ),
    "case_of_another_receipt": (
        5,
        "The case is about another decision of the same bank.",
        lambda: replace(upheld(), case=upheld(name="another case").case).pack(),
    ),
    "closed_before_the_dissent": (
        9,
        "The docket closed the votes before their deadline, without a replayer that had time to dissent.",
        _closed_before_the_dissent,
    ),
    "dissent_left_out": (
        9,
        "The docket's list names a vote that dissents; the pack leaves it out.",
        _dissent_left_out,
    ),
    "entry_of_another_receipt": (
        6,
        "The proof of inclusion is of another receipt of the same bank.",
        lambda: Scene(witnesses=2).story(prove=lambda _: upheld(witnesses=2, name="another case").inclusion()).pack(),
    ),
    "witnessed_by_one": (
        6,
        "The log shows a checkpoint that one organisation witnessed; the roster asks for two.",
        lambda: Scene(witnesses=2).story(prove=partial(Scene(witnesses=2).inclusion, by=[A])).pack(),
    ),
    "expired_roster": (
        3,
        "The receipt was signed after the roster had expired.",
        lambda: Scene().story(time=START + 10**9 + 1).pack(),
    ),
    "map_in_a_long_form": (1, "A map of twelve fields in the form for more than fifteen.", _long_form),
    "map_out_of_order": (1, "The same fields in another order: one content, two byte strings.", _unsorted),
    "model_swapped": (
        4,
        "The manifest is of another model than the receipt names.",
        lambda: upheld().pack(manifest=replace(MANIFEST, rule=None)),
    ),
    "output_swapped": (12, "The disclosed output is not the one that the receipt commits to.", _other_output),
    "panel_of_shells": (2, "The bank and a replayer signed a roster of shell organisations.", _stuffed_panel),
    "roster_of_one_root": (2, "One of two needed root signatures.", _one_root_signature),
    "verdict_turned": (
        10,
        "Everybody signed UPHELD over votes that say MISMATCH.",
        lambda: refuted().attested(result=replace(refuted().tally(), verdict=Verdict.UPHELD)).pack(),
    ),
    "votes_closed_by_a_replayer": (
        8,
        "A replayer, not the docket, closed the list of votes.",
        lambda: upheld().with_votes(by=A).attested().pack(),
    ),
    "votes_over_other_ballots": (
        8,
        "The docket's list of votes is over another list of ballots than the pack shows.",
        lambda: upheld().with_votes(ballots=upheld(name="another case").matter().ballots.list_id).attested().pack(),
    ),
    "votes_of_another_case": (
        9,
        "The votes are genuine, and about another case of the same parties.",
        lambda: upheld().with_votes(upheld(name="another case").votes).pack(),
    ),
}


def files() -> dict[str, bytes]:
    """Every file by its path under this folder."""
    found: dict[str, bytes] = {}
    for name, (step, why, attack) in ATTACKS.items():
        pack = attack()
        folder = f"{name}_fail"
        found[f"{folder}/README.md"] = f"Refused at step {step}.\n\n{why}\n".encode()
        found[f"{folder}/pack.bin"] = pack if isinstance(pack, bytes) else to_bytes(pack)
        found[f"{folder}/roots.json"] = Scene().roots.to_json().encode()
    story = upheld()
    found["genuine_pass/README.md"] = b"Nothing is wrong with this pack: the control.\n"
    found["genuine_pass/pack.bin"] = to_bytes(story.pack(disclosure=story.disclosure()))
    found["genuine_pass/roots.json"] = story.scene.roots.to_json().encode()
    return found


if __name__ == "__main__":
    for path, data in files().items():
        (FOLDER / path).parent.mkdir(exist_ok=True)
        (FOLDER / path).write_bytes(data)
