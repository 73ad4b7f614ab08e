"""No part of a finished pack can be altered: not a field, not a byte, not by whoever signs again.

The packs are made by real nodes (tests/world.py), for both verdicts and both signature suites.
"""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from reperform.evidence.digest import Digest
from reperform.evidence.documents import from_bytes, to_bytes
from reperform.evidence.dsse import Envelope
from reperform.evidence.encoding import decode, encode
from reperform.evidence.errors import ReperformError
from reperform.evidence.keyfile import KeyRing
from reperform.evidence.keys import SigningKey
from reperform.evidence.pack import Pack
from reperform.evidence.roots import RootKeys
from reperform.evidence.roster import Suite
from reperform.evidence.tally import Verdict
from reperform.evidence.values import Output
from reperform.evidence.verify import VerificationError, Verified, verify
from reperform.tests.evidence.forge import altered, leaves, mutated, others, resigned, under_key_of
from reperform.tests.world import BANK, DOCKET, World, model

KINDS = [(verdict, suite) for suite in Suite for verdict in (Verdict.UPHELD, Verdict.REFUTED)]
# The step at which an envelope's own signature is judged.
STEPS = {
    "rosters": 2,
    "receipt": 3,
    "case": 5,
    "ballot_list": 7,
    "ballots": 7,
    "vote_list": 8,
    "votes": 9,
    "attestation": 10,
    "summary": 11,
}


class Genuine:
    """A finished case: its pack, and the private keys of everybody in it."""

    def __init__(self, verdict: Verdict, suite: Suite) -> None:
        self.suite = suite
        with tempfile.TemporaryDirectory() as folder:
            world = World(Path(folder), suite=suite)
            decision = world.decision(model if verdict is Verdict.UPHELD else _another_model)
            proceeding, filed, filer = world.run(decision, world.nodes())
            self.pack = world.pack(proceeding, filed, filer.answer(proceeding))
        self.bytes = to_bytes(self.pack)
        self.roots: RootKeys = world.roots
        self.rings: dict[str, KeyRing] = world.rings
        self.verified: Verified = verify(self.bytes, self.roots)
        assert self.verified.verdict is verdict


def _another_model(committed: bytes) -> Output:
    return replace(model(committed), decision="approve")


@cache
def genuine(verdict: Verdict, suite: Suite) -> Genuine:
    """Made once in each test process."""
    return Genuine(verdict, suite)


@pytest.fixture(params=KINDS, ids=lambda kind: f"{kind[0]}-{kind[1]}".lower())
def finished(request: pytest.FixtureRequest) -> Genuine:
    return genuine(*request.param)


def envelopes(pack: Pack) -> Iterator[tuple[str, int | None, Envelope]]:
    """Every signed document in a pack, and where it stands."""
    for name in STEPS:
        found = getattr(pack, name)
        if isinstance(found, tuple):
            yield from ((name, i, envelope) for i, envelope in enumerate(found))
        else:
            yield name, None, found


def with_envelope(pack: Pack, name: str, index: int | None, envelope: Envelope) -> bytes:
    """The bytes of a pack in which one envelope is another one."""
    if index is None:
        changes: dict[str, Any] = {name: envelope}
    else:
        found = list(getattr(pack, name))
        found[index] = envelope
        changes = {name: tuple(found)}
    return to_bytes(replace(pack, **changes))


def altered_payloads(envelope: Envelope, *, once: bool = False) -> Iterator[tuple[str, Envelope]]:
    """The envelope with one field of its document altered, for every field and several other values (or one)."""
    text = envelope.payload_type.endswith("json")
    document = json.loads(envelope.payload) if text else decode(envelope.payload)
    for path, leaf in leaves(document):
        for other in [o for o in others(leaf) if not (text and isinstance(o, bytes))][: 1 if once else None]:
            changed: Any = altered(document, path, other)
            payload = json.dumps(changed, sort_keys=True, separators=(",", ":")).encode() if text else encode(changed)
            assert payload != envelope.payload
            yield ".".join(map(str, path)), replace(envelope, payload=payload)


def refused(data: bytes, roots: RootKeys) -> VerificationError:
    with pytest.raises(VerificationError) as caught:
        verify(data, roots)
    return caught.value


def test_every_field_of_every_signed_document_altered_is_refused_where_its_signature_is_judged(
    finished: Genuine,
) -> None:
    fields = 0
    for name, index, envelope in envelopes(finished.pack):
        for field, forged in altered_payloads(envelope, once=finished.suite is not Suite.ED25519):
            error = refused(with_envelope(finished.pack, name, index, forged), finished.roots)
            assert error.step == STEPS[name], f"{name}.{field}: {error}"
            fields += 1
    assert fields > 200


def test_an_altered_document_signed_by_the_wrong_party_is_refused_at_the_same_step(finished: Genuine) -> None:
    mallory, bank = SigningKey.generate(), finished.rings[BANK]
    for name, index, envelope in envelopes(finished.pack):
        victim, other = envelope.signatures[0].key_id, mallory if name == "receipt" else bank.signing
        forgeries = (
            lambda e: resigned(e, mallory),
            lambda e, v=victim: under_key_of(e, v, mallory),
            lambda e, k=other: resigned(e, k),
            lambda e, v=victim, k=other: under_key_of(e, v, k),
        )
        for i, (field, changed) in enumerate(altered_payloads(envelope, once=True)):
            forged = forgeries[i % len(forgeries)](changed)
            error = refused(with_envelope(finished.pack, name, index, forged), finished.roots)
            assert error.step == STEPS[name], f"{name}.{field}: {error}"


def test_what_one_party_alters_and_signs_itself_moves_neither_the_verdict_nor_what_it_is_about(
    finished: Genuine,
) -> None:
    owners = {ring.signing.public.key_id: ring for ring in finished.rings.values()}
    refusals = 0
    for name, index, envelope in envelopes(finished.pack):
        if name in ("rosters", "attestation", "summary"):
            continue  # nobody signs these alone
        ring = next(owners[s.key_id] for s in envelope.signatures if s.key_id in owners)
        post_quantum = len(envelope.signatures) == 2
        for field, changed in altered_payloads(envelope, once=finished.suite is not Suite.ED25519):
            forged = resigned(changed, *(ring.signers if post_quantum else (ring.signing,)))
            try:
                proved = verify(with_envelope(finished.pack, name, index, forged), finished.roots)
            except VerificationError:
                refusals += 1
                continue
            assert name == "votes", f"{name}.{field}"
            assert about(proved) == about(finished.verified), f"{name}.{field}"
    assert refusals > 80


def about(proved: Verified) -> tuple[object, ...]:
    """Everything in a verification's result but the single votes."""
    tally = proved.tally
    whose = (proved.operator, proved.manifest, proved.case_id, proved.roster, proved.signed_by, proved.disclosed)
    return proved.verdict, proved.receipt, proved.receipt_id, tally.answer, tally.trace, whose


def test_every_field_of_the_manifest_and_of_the_disclosure_altered_is_refused(finished: Genuine) -> None:
    whole: Any = decode(finished.bytes)
    for name, steps in (("manifest", {1, 4}), ("disclosure", {1, 12})):
        seen = set()
        for path, leaf in leaves(whole[name], (name,)):
            for other in others(leaf):
                error = refused(encode(altered(whole, path, other)), finished.roots)
                assert error.step in steps, f"{path}: {error}"
                seen.add(error.step)
        assert seen == steps


def test_every_field_of_the_pack_around_the_documents_altered_is_refused(finished: Genuine) -> None:
    whole: Any = decode(finished.bytes)
    for path, leaf in leaves(whole):
        if path[0] not in ("manifest", "disclosure"):
            for other in others(leaf):
                refused(encode(altered(whole, path, other)), finished.roots)


def test_no_document_and_no_signature_of_a_pack_can_stand_in_it_twice(finished: Genuine) -> None:
    whole: Any = decode(finished.bytes)
    for name, step in (("rosters", 2), ("ballots", 7), ("votes", 9)):
        for item in whole[name]:
            assert refused(encode({**whole, name: [*whole[name], item]}), finished.roots).step == step
    for name in ("receipt", "case", "ballot_list", "vote_list", "attestation", "summary"):
        twice = [s for s in whole[name]["signatures"] for _ in range(2)]
        assert refused(encode({**whole, name: {**whole[name], "signatures": twice}}), finished.roots).step == 1


@pytest.mark.parametrize("seed", range(4))
def test_random_damage_is_refused_or_changes_nothing(finished: Genuine, seed: int) -> None:
    rng, changes = random.Random(seed), 0  # noqa: S311 - it must repeat, not surprise
    for _ in range(100):
        damaged = mutated(finished.bytes, rng)
        try:
            verify(damaged, finished.roots)
        except ReperformError:
            changes += 1
        else:
            assert damaged == finished.bytes
    assert changes > 90


def test_a_flipped_bit_in_any_region_of_the_pack_is_refused(finished: Genuine) -> None:
    for at in range(0, len(finished.bytes), max(1, len(finished.bytes) // 200)):
        flipped = bytearray(finished.bytes)
        flipped[at] ^= 1 << (at % 8)
        refused(bytes(flipped), finished.roots)


def test_documents_of_two_genuine_packs_cannot_be_mixed() -> None:
    one, other = genuine(Verdict.UPHELD, Suite.ED25519), genuine(Verdict.REFUTED, Suite.ED25519)
    for name in (*STEPS, "manifest", "disclosure"):
        if name != "manifest":  # the same model decided both
            mixed = replace(one.pack, **{name: getattr(other.pack, name)})
            refused(to_bytes(mixed), one.roots)
    assert verify(to_bytes(replace(one.pack, manifest=other.pack.manifest)), one.roots).verdict is Verdict.UPHELD


def test_a_pack_proves_nothing_to_a_reader_who_trusts_other_root_keys(finished: Genuine) -> None:
    strangers = RootKeys(tuple(SigningKey.generate().public for _ in range(3)), 2)
    assert refused(finished.bytes, strangers).step == 2


def test_a_pack_without_disclosure_holds_nothing_of_input_output_or_keys(finished: Genuine) -> None:
    shown = finished.pack.disclosure
    assert shown is not None
    assert shown.input is not None
    assert shown.output is not None
    assert shown.answer is not None
    bare = replace(finished.pack, disclosure=None)
    data = to_bytes(bare) + b"".join(envelope.payload for _, _, envelope in envelopes(bare))
    for revealed in (shown.input, shown.output, shown.answer):
        assert revealed.value in finished.bytes
        for private in (revealed.value, revealed.key, revealed.value.hex().encode(), revealed.key.hex().encode()):
            assert private not in data
    assert b"4211.50" in finished.bytes
    assert b"4211.50" not in data
    assert verify(to_bytes(bare), finished.roots).disclosed is None


def test_no_error_about_a_pack_shows_what_is_disclosed_in_it(finished: Genuine) -> None:
    whole: Any = decode(finished.bytes)
    messages = []
    for path, leaf in leaves(whole["disclosure"], ("disclosure",)):
        messages += [str(refused(encode(altered(whole, path, o)), finished.roots)) for o in others(leaf)]
    assert len(messages) > 20
    keys = [whole["disclosure"][part]["key"].hex() for part in ("input", "output", "answer")]
    assert not any(secret in message for message in messages for secret in ("4211", "approve", *keys))


def test_the_pack_reads_back_as_the_same_bytes(finished: Genuine) -> None:
    assert to_bytes(from_bytes(Pack, finished.bytes)) == finished.bytes


def test_everybody_named_in_a_pack_signed_something_in_it(finished: Genuine) -> None:
    signed: set[Digest] = {s.key_id for _, _, envelope in envelopes(finished.pack) for s in envelope.signatures}
    assert {ring.signing.public.key_id for ring in finished.rings.values()} <= signed
    assert finished.rings[DOCKET].signing.public.key_id in signed
