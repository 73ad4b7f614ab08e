"""What the documents of a case prove about those who signed them. Pure: who has the same papers finds the same faults.

A fault is found only where the signed documents prove it whatever else exists, so an honest party is never named:
not for what others left out, and not for what an envelope around its words says. The one exception is a vote
that is on no list. There it is proved that its node was late or that the docket left it out, and both are named.

Equivocation is what everything rests on: two quorums that sign different statements on one case share an
organisation, and the two statements that its node signed are such a proof.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from itertools import chain
from typing import Any, TypeVar

from .attestation import PAYLOAD_TYPE, PREDICATE_TYPE, SUMMARY_PREDICATE_TYPE, statement, summary
from .ballot import Ballot, Vote, ballot_commitment, ballot_id, silent, vote_id
from .case import Case
from .digest import Digest
from .documents import from_bytes, to_bytes
from .dsse import Envelope, Signed, payload_type
from .encoding import MalformedError
from .errors import ReperformError
from .lists import BallotList, VoteList
from .papers import Papers, sorted_out
from .roster import OrganisationRole, Roster
from .tally import Matter, tally


class Fault(StrEnum):
    """What somebody did who should not have."""

    TWO_BALLOTS = "two-ballots"  # a node committed to two results
    TWO_VOTES = "two-votes"  # a node signed two findings
    BALLOT_BROKEN = "ballot-broken"  # a node voted for something else than it had committed to
    UNLISTED_VOTE = "unlisted-vote"  # a node voted late, or the docket left its vote off the list
    TWO_STATEMENTS = "two-statements"  # a node attested two things about one case
    FALSE_STATEMENT = "false-statement"  # a node attested what the votes that it names do not say
    TWO_CASES = "two-cases"  # a docket opened two cases on one filing
    TWO_BALLOT_LISTS = "two-ballot-lists"  # a docket closed the ballots twice
    TWO_VOTE_LISTS = "two-vote-lists"  # a docket closed the votes twice
    BAD_LIST = "bad-list"  # a docket closed a list out of its time, or over what is no ballot or vote of the case


@dataclass(frozen=True, slots=True)
class Proof:
    """A fault, whose it is (one of `nodes`, if they are two), and the documents that prove it."""

    fault: Fault
    nodes: tuple[Digest, ...]
    documents: tuple[Envelope, ...]


def faults(documents: Iterable[Envelope], rosters: Sequence[Roster]) -> tuple[Proof, ...]:
    """Every fault that these documents prove. They may be anybody's, of any cases, in any order."""
    papers = sorted_out(documents, rosters)
    found = chain(_two_cases([paper.case for paper in papers]), *(rule(paper) for paper in papers for rule in _RULES))
    return tuple({(proof.fault, proof.nodes, proof.documents): proof for proof in found}.values())


def _proof(papers: Papers, fault: Fault, node: Digest, *documents: Envelope) -> Proof:
    return Proof(fault, (node,), (papers.case.envelope, *documents))


# The rules. Each finds one kind of fault in the papers of one case.


def _two_cases(cases: Sequence[Signed[Case]]) -> Iterator[Proof]:
    for first, second in _pairs(cases, lambda case: to_bytes(case.document.filing)):
        yield Proof(Fault.TWO_CASES, (first.document.filing.docket,), (first.envelope, second.envelope))


def _two_ballots(papers: Papers) -> Iterator[Proof]:
    for first, second in _pairs(papers.ballots, lambda ballot: ballot.document.node):
        yield _proof(papers, Fault.TWO_BALLOTS, first.document.node, first.envelope, second.envelope)


def _two_votes(papers: Papers) -> Iterator[Proof]:
    for first, second in _pairs(papers.votes, lambda vote: vote.document.node):
        yield _proof(papers, Fault.TWO_VOTES, first.document.node, first.envelope, second.envelope)


def _two_lists(papers: Papers) -> Iterator[Proof]:
    for fault, lists in (
        (Fault.TWO_BALLOT_LISTS, papers.ballot_lists),
        (Fault.TWO_VOTE_LISTS, papers.vote_lists),
    ):
        if len(lists) > 1:
            yield _proof(papers, fault, papers.docket, lists[0].envelope, lists[1].envelope)


def _broken_ballots(papers: Papers) -> Iterator[Proof]:
    for vote in papers.votes:
        node = vote.document.node
        ballots = [ballot for ballot in papers.ballots if ballot.document.node == node]
        opens = ballot_commitment(papers.case_id, node, vote.document.result)
        if ballots and opens not in {ballot.document.commitment for ballot in ballots}:
            yield _proof(papers, Fault.BALLOT_BROKEN, node, ballots[0].envelope, vote.envelope)


def _unlisted_votes(papers: Papers) -> Iterator[Proof]:
    listed = {name for closed in papers.vote_lists for name in closed.document.votes}
    for vote in papers.votes:
        if papers.vote_lists and vote_id(vote.envelope) not in listed:
            nodes = (vote.document.node, papers.docket)
            documents = (papers.case.envelope, papers.vote_lists[0].envelope, vote.envelope)
            yield Proof(Fault.UNLISTED_VOTE, nodes, documents)


def _malformed_lists(papers: Papers) -> Iterator[Proof]:
    """A docket's signature over bytes that are no list, such as one that names a vote twice."""
    _, node = papers.roster.member_as(papers.docket, OrganisationRole.DOCKET)
    keys = {key.key_id: key for key in papers.roster.keys_of(node)}
    for envelope in papers.everything:
        for kind in (BallotList, VoteList):
            if envelope.payload_type != payload_type(kind) or _reads(kind, envelope.payload):
                continue
            if _signers(envelope, keys) == keys.keys():
                yield _proof(papers, Fault.BAD_LIST, papers.docket, envelope)


def _lists_out_of_time(papers: Papers) -> Iterator[Proof]:
    for ballots in papers.ballot_lists:
        if _refuses(partial(ballots.document.check, papers.case)):
            yield _proof(papers, Fault.BAD_LIST, papers.docket, ballots.envelope)
    for ballots, votes in papers.closings():
        if _refuses(partial(votes.document.check, papers.case, ballots.document)):
            yield _proof(papers, Fault.BAD_LIST, papers.docket, ballots.envelope, votes.envelope)


def _hasty_lists(papers: Papers) -> Iterator[Proof]:
    for ballots, votes in papers.closings():
        listed = papers.listed(ballots.document, votes.document)
        if listed is not None and _refuses(partial(votes.document.check_waited, papers.case.document, silent(*listed))):
            yield _proof(papers, Fault.BAD_LIST, papers.docket, ballots.envelope, votes.envelope, *_envelopes(*listed))


def _lists_over_anything(papers: Papers) -> Iterator[Proof]:
    """A list that names what can be no ballot or vote of the case, whoever signed it."""
    for envelope in papers.everything:
        for ballots in papers.ballot_lists:
            if ballot_id(envelope) in ballots.document.ballots and not _may_be(Ballot, envelope.payload, papers):
                yield _proof(papers, Fault.BAD_LIST, papers.docket, ballots.envelope, envelope)
        for votes in papers.vote_lists:
            if vote_id(envelope) in votes.document.votes and not _may_be(Vote, envelope.payload, papers):
                yield _proof(papers, Fault.BAD_LIST, papers.docket, votes.envelope, envelope)


def _two_statements(papers: Papers) -> Iterator[Proof]:
    said: dict[Digest, dict[bytes, Envelope]] = defaultdict(dict)
    for node, envelope, body in _statements(papers):
        if body.get("predicateType") == PREDICATE_TYPE and _of(body, "case") == str(papers.case_id):
            said[node].setdefault(envelope.payload, envelope)
    for node, statements in said.items():
        if len(statements) > 1:
            first, second, *_ = statements.values()
            yield _proof(papers, Fault.TWO_STATEMENTS, node, first, second)


def _false_statements(papers: Papers) -> Iterator[Proof]:
    if papers.receipt is None:
        return
    for ballots, votes in papers.closings():
        listed = papers.listed(ballots.document, votes.document)
        if listed is None:
            continue
        matter = Matter(papers.roster, papers.receipt, papers.case, ballots.document, papers.place)
        result = tally(matter, votes.document, *listed)
        true, true_summary = statement(matter, result), summary(matter, result)
        context = (papers.receipt.envelope, ballots.envelope, votes.envelope)
        shown = _envelopes(*listed)
        for node, envelope, body in _statements(papers):
            names = (_of(body, "case"), _of(body, "votes")) == (str(papers.case_id), str(votes.document.list_id))
            is_false = names and body.get("predicateType") == PREDICATE_TYPE and envelope.payload != true
            if is_false or (_summarises(body, true) and envelope.payload != true_summary):
                yield _proof(papers, Fault.FALSE_STATEMENT, node, *context, *shown, envelope)


S = TypeVar("S", bound=Signed[Any])
_RULES = (
    _two_ballots,
    _two_votes,
    _broken_ballots,
    _unlisted_votes,
    _two_statements,
    _false_statements,
    _two_lists,
    _malformed_lists,
    _lists_out_of_time,
    _hasty_lists,
    _lists_over_anything,
)


def _pairs(items: Iterable[S], owner: Callable[[S], object]) -> Iterator[tuple[S, S]]:
    """The first two items of everybody who has more than one."""
    groups: dict[object, list[S]] = defaultdict(list)
    for item in items:
        groups[owner(item)].append(item)
    yield from ((group[0], group[1]) for group in groups.values() if len(group) > 1)


def _statements(papers: Papers) -> Iterator[tuple[Digest, Envelope, Mapping[str, Any]]]:
    """Every in-toto statement of every panel node that signed it with all its keys."""
    keys = papers.roster.panel_keys()
    for envelope in papers.everything:
        if envelope.payload_type != PAYLOAD_TYPE:
            continue
        try:
            body = json.loads(envelope.payload)
        except (ValueError, RecursionError):
            continue
        signers = _signers(envelope, keys)
        for node in papers.roster.panel():
            if isinstance(body, dict) and {key.key_id for key in papers.roster.keys_of(node)} <= signers:
                yield node.node_id, envelope, body


def _of(body: Mapping[str, Any], field: str) -> object:
    predicate = body.get("predicate")
    return predicate.get(field) if isinstance(predicate, dict) else None


def _summarises(body: Mapping[str, Any], statement: bytes) -> bool:
    """Whether a summary says that it sums up this statement."""
    inputs = _of(body, "inputAttestations")
    named = {"uri": PREDICATE_TYPE, "digest": {"sha256": hashlib.sha256(statement).hexdigest()}}
    return body.get("predicateType") == SUMMARY_PREDICATE_TYPE and isinstance(inputs, list) and named in inputs


def _envelopes(ballots: Sequence[Signed[Ballot]], votes: Sequence[Signed[Vote]]) -> tuple[Envelope, ...]:
    return (*(ballot.envelope for ballot in ballots), *(vote.envelope for vote in votes))


def _signers(envelope: Envelope, keys: Mapping[Digest, Any]) -> frozenset[Digest]:
    try:
        return envelope.check(keys)
    except ReperformError:
        return frozenset()


def _reads(kind: type[Any], payload: bytes) -> bool:
    return not _refuses(lambda: from_bytes(kind, payload))


def _may_be(kind: type[Ballot] | type[Vote], payload: bytes, papers: Papers) -> bool:
    """Whether these bytes could be a ballot or vote of this case. What type an envelope gives them proves nothing."""
    if not _reads(kind, payload):
        return False
    document = from_bytes(kind, payload)
    panel = {node.node_id for node in papers.roster.panel()}
    return document.case == papers.case_id and document.node in panel


def _refuses(check: Callable[[], object]) -> bool:
    try:
        check()
    except MalformedError:
        return True
    return False
