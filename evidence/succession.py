"""The next epoch of a roster, before the holders of root keys have signed it.

A draft carries the requests that it takes up, so that each holder checks for itself what it is asked to sign: that
whoever joins has the keys, and whether a key that is replaced agreed to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import ClassVar, Self

from .digest import Digest
from .dsse import Envelope
from .encoding import MalformedError
from .enrolment import Enrolment, open_enrolment
from .roster import Node, Organisation, OrganisationRole, Revocation, Roster, RosterRefusedError


class Kind(StrEnum):
    """What an epoch can do differently from the one before it."""

    JOINS = "joins"
    LEAVES = "leaves"
    ROTATES = "rotates"  # the old keys signed for the new ones
    REPLACED = "replaced"  # the root keys alone say so: the old keys are lost
    REVOKED = "revoked"
    ROOTS = "roots"
    RULES = "rules"  # quorum or suite
    LOG = "log"  # its keys, or how many organisations witness it


@dataclass(frozen=True, slots=True)
class Change:
    """One difference, in words for whoever signs it."""

    kind: Kind
    what: str


@dataclass(frozen=True, slots=True)
class Draft:
    """A proposed epoch, and the requests by the nodes that are new on it. Nobody has signed it: see `changes`."""

    KIND: ClassVar[str] = "roster-draft/v1"
    roster: Roster
    requests: tuple[Envelope, ...]

    @classmethod
    def after(cls, before: Roster, now: int) -> Self:
        """The same roster for the same time again, from `now` (milliseconds since 1970)."""
        until = now + before.valid_until - before.valid_from
        epoch = replace(before, epoch=before.epoch + 1, previous=before.roster_id, valid_from=now, valid_until=until)
        return cls(epoch, ())

    def enrol(self, request: Envelope) -> Self:
        """Put a node on the roster."""
        wanted = request.parse(Enrolment)
        return self._with(request, _put(self.roster.organisations, wanted, None))

    def rotate(self, request: Envelope, *, lost: bool) -> Self:
        """Give the node that has this name other keys. `lost`: the old ones cannot sign, and did not."""
        wanted = request.parse(Enrolment)
        for organisation, node in self.roster.members():
            if (organisation.name, node.name) == (wanted.organisation, wanted.node.name):
                break
        else:
            raise RosterRefusedError(
                f"{wanted.organisation!r} has no node {wanted.node.name!r} whose keys could be replaced",
                advice="enrol a new node with `reperform roster enrol`",
            )
        if wanted.replaces is None and not lost:
            raise RosterRefusedError(
                "the old keys have not signed this request",
                advice="ask for one that they signed, or say --lost if they are gone: root keys alone answer for it",
            )
        return self._with(request, _put(self.roster.organisations, wanted, node))

    def revoke(self, node: Digest, effective: int | None) -> Self:
        """Take a node off. With `effective`, its key has no say on receipts from that entry of the log on either."""
        revoked = {revocation.node: revocation for revocation in self.roster.revoked}
        for organisation, member in self.roster.members():
            if effective is not None and member.node_id == node and organisation.role is not OrganisationRole.REPLAYER:
                raise RosterRefusedError(
                    f"{organisation.name!r} does not vote, and only what replayers sign is judged by the log's entries",
                    advice="take it off the roster without --effective",
                )
        if effective is not None:
            revoked[node] = Revocation(node, effective)
        elif all(member.node_id != node for _, member in self.roster.members()):
            raise RosterRefusedError(f"key {node.short()} is not on the roster", advice="see `reperform roster show`")
        left = [
            replace(organisation, nodes=tuple(member for member in organisation.nodes if member.node_id != node))
            for organisation in self.roster.organisations
        ]
        requests = tuple(request for request in self.requests if request.parse(Enrolment).node.node_id != node)
        organisations = tuple(organisation for organisation in left if organisation.nodes)
        entries = tuple(revoked[name] for name in sorted(revoked))
        return replace(
            self, roster=replace(self.roster, organisations=organisations, revoked=entries), requests=requests
        )

    def _with(self, request: Envelope, organisations: tuple[Organisation, ...]) -> Self:
        return replace(
            self, roster=replace(self.roster, organisations=organisations), requests=(*self.requests, request)
        )


def _put(organisations: Sequence[Organisation], wanted: Enrolment, old: Node | None) -> tuple[Organisation, ...]:
    for i, organisation in enumerate(organisations):
        if organisation.name == wanted.organisation:
            _check_role(organisation.name, organisation.role, wanted.role)
            kept = tuple(node for node in organisation.nodes if node != old)
            grown = replace(organisation, nodes=(*kept, wanted.node))
            return (*organisations[:i], grown, *organisations[i + 1 :])
    return (*organisations, Organisation(wanted.organisation, wanted.role, (wanted.node,)))


def _check_role(name: str, has: OrganisationRole, wants: OrganisationRole) -> None:
    if has is not wants:
        raise RosterRefusedError(
            f"{name!r} is on the roster as {has}, and cannot be {wants} besides",
            advice="an organisation has one role: nobody judges its own decisions",
        )


Seat = tuple[str, str]  # of an organisation and of its node


def changes(draft: Draft, before: Roster) -> tuple[Change, ...]:
    """What a draft changes. Whoever signs it reads this; nothing else is different.

    Raises RosterRefusedError, SignatureRefusedError or MalformedError for a draft that does not follow `before`, or
    in which a key is new that did not ask to be there.
    """
    after = draft.roster
    after.check_follows(before)
    roles = _roles(after)
    for name, role in _roles(before).items():
        _check_role(name, role, roles.get(name, role))
    was, now = _seats(before), _seats(after)
    requests = _requests(draft, before)
    gone = {seat: node for seat, node in was.items() if now.get(seat) != node}
    new = {seat: node for seat, node in now.items() if was.get(seat) != node}
    if requests.keys() != new.keys() or any(requests[seat].node != node for seat, node in new.items()):
        raise RosterRefusedError(
            "the draft does not hold one request of each node that is new on it",
            advice="make it again with `reperform roster enrol` and `rotate`",
        )
    _check_unused(new, before)
    found = [_joining(seat, requests[seat], gone.get(seat)) for seat in new]
    found += [Change(Kind.LEAVES, _shown(seat, gone[seat])) for seat in gone if seat not in new]
    known = set(before.revoked)
    found += [
        Change(Kind.REVOKED, f"key {r.node.short()}, for receipts from entry {r.effective} of the log on")
        for r in after.revoked
        if r not in known
    ]
    if after.roots != before.roots:
        keys = ", ".join(key.key_id.short() for key in after.roots.keys)
        found.append(Change(Kind.ROOTS, f"{after.roots.threshold} of {keys} sign the epoch after this"))
    if (after.quorum, after.suite) != (before.quorum, before.suite):
        found.append(Change(Kind.RULES, f"a quorum of {after.quorum}; nodes sign with {after.suite}"))
    if after.log is not None and (after.log, after.witnesses) != (before.log, before.witnesses):
        keys = ", ".join(key.key_id.short() for key in after.keys_of(after.log))
        found.append(
            Change(Kind.LOG, f"{after.log.origin} signs with {keys}; {after.witnesses} organisations witness it")
        )
    return tuple(found)


def join(parts: Sequence[Envelope]) -> Envelope:
    """One envelope with the signatures of all. Raises MalformedError unless they are over the same bytes."""
    if len({(part.payload_type, part.payload) for part in parts}) != 1:
        raise MalformedError("these signatures are not over one draft", advice="sign the same draft file")
    signatures = {signature.key_id: signature for part in parts for signature in part.signatures}
    return replace(parts[0], signatures=tuple(signatures[key] for key in sorted(signatures)))


def _roles(roster: Roster) -> Mapping[str, OrganisationRole]:
    return {organisation.name: organisation.role for organisation in roster.organisations}


def _seats(roster: Roster) -> dict[Seat, Node]:
    return {(organisation.name, node.name): node for organisation, node in roster.members()}


def _requests(draft: Draft, before: Roster) -> dict[Seat, Enrolment]:
    found: dict[Seat, Enrolment] = {}
    roles = _roles(draft.roster)
    for envelope in draft.requests:
        request = open_enrolment(envelope, before).document
        seat = (request.organisation, request.node.name)
        _check_role(request.organisation, roles.get(request.organisation, request.role), request.role)
        found[seat] = request
    return found


def _check_unused(new: Mapping[Seat, Node], before: Roster) -> None:
    """Raises RosterRefusedError for a key that changes its owner or its name: one key, one party, for good."""
    owners = {key: node for _, node in before.members() for key in _keys(node)}
    for node in new.values():
        for key in _keys(node):
            if key in owners:
                raise RosterRefusedError(
                    f"node {node.name!r} would have a key of node {owners[key].name!r} of the epoch before",
                    advice="make new keys with `reperform keys new`",
                )


def _keys(node: Node) -> tuple[bytes, ...]:
    second = () if node.post_quantum is None else (node.post_quantum.value,)
    return (node.signing.value, *second, node.sealing)


def _joining(seat: Seat, request: Enrolment, old: Node | None) -> Change:
    if request.replaces is not None and (old is None or request.replaces != old.node_id):
        raise RosterRefusedError(f"node {seat[1]!r} asks to replace keys that are not its own")
    if old is None:
        return Change(Kind.JOINS, f"{_shown(seat, request.node)} as {request.role}")
    if request.replaces is None:
        return Change(
            Kind.REPLACED, f"{_shown(seat, request.node)}: not signed by {old.node_id.short()}, said to be lost"
        )
    return Change(Kind.ROTATES, f"{_shown(seat, request.node)}: signed by {old.node_id.short()} too")


def _shown(seat: Seat, node: Node) -> str:
    return f"{seat[0]}: {seat[1]} ({node.node_id.short()})"
