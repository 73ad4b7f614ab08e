"""The service as anybody on the network meets it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from reperform.consensus.client import HttpDocket
from reperform.consensus.docket import Changes, DocketError, Slot
from reperform.consensus.service.app import MAX_BODY
from reperform.consensus.service.quota import BODY_BYTES, MAX_ADDRESSES, Buckets
from reperform.consensus.store import store
from reperform.consensus.wire import DOCUMENT_TYPE, MAX_TOGETHER, PROBLEM_TYPE, Documents, Filings, Posted
from reperform.evidence.digest import Digest
from reperform.evidence.documents import from_bytes, to_bytes
from reperform.evidence.roster import open_rosters
from reperform.tests.docket.conftest import MakeWorld
from reperform.tests.docket.running import running
from reperform.tests.world import World

MARKER = "Ms-Applicant-4211"
POST = {"Content-Type": DOCUMENT_TYPE}


@pytest.fixture
def world(kept: MakeWorld, tmp_path: Path) -> World:
    return kept(f"sqlite:///{tmp_path / 'docket.sqlite'}")


@pytest.fixture
def url(world: World) -> Iterator[str]:
    with running(world) as address:
        yield address


def refused(response: httpx.Response, status: int, detail: str) -> None:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == PROBLEM_TYPE
    body = response.json()
    assert body.keys() == {"title", "status", "detail"}
    assert body["status"] == status
    assert detail in body["detail"]
    assert MARKER not in response.text


def test_a_client_sees_what_the_store_holds(world: World, url: str) -> None:
    docket = HttpDocket(url)
    filed, filer = world.file(world.decision())
    world.round(filed.filing_id, filer, world.nodes())
    assert docket.read(filed.filing_id) == world.docket.read(filed.filing_id)
    assert docket.changes(0) == world.docket.changes(0)
    (epoch,) = open_rosters(docket.rosters(), world.roots)
    assert epoch.document == world.roster


def test_a_client_posts_and_learns_why_not(world: World, url: str) -> None:
    docket = HttpDocket(url)
    filed = world.filing(world.decision())
    with pytest.raises(DocketError, match=r"refuses \(403\): this is no filing .*: filing .* has no valid receipt"):
        docket.post(filed.filing_id, {Slot.FILING: filed.filing})
    for _ in range(2):
        docket.post(filed.filing_id, {Slot.RECEIPT: filed.decision.receipt})
        docket.post(filed.filing_id, {Slot.FILING: filed.filing})
    assert world.docket.changes(0).filings == (filed.filing_id,)


def test_who_waits_for_changes_hears_of_them_at_once(world: World, url: str) -> None:
    filed = world.filing(world.decision())
    position = world.docket.changes(0).position
    answers: list[Changes] = []

    def wait() -> None:
        response = httpx.get(f"{url}/v1/changes?after={position}&wait=20", timeout=30)
        answers.append(from_bytes(Changes, response.content))

    begun = time.monotonic()
    waiting = threading.Thread(target=wait)
    waiting.start()
    time.sleep(0.3)
    assert answers == []
    HttpDocket(url).post(filed.filing_id, {Slot.RECEIPT: filed.decision.receipt})
    HttpDocket(url).post(filed.filing_id, {Slot.FILING: filed.filing})
    waiting.join()
    assert time.monotonic() - begun < 15
    assert answers[0].filings == (filed.filing_id,)


def test_who_waits_in_vain_is_answered_in_time(url: str) -> None:
    begun = time.monotonic()
    answer = from_bytes(Changes, httpx.get(f"{url}/v1/changes?wait=0.3").content)
    assert answer == Changes(0, ())
    assert 0.25 < time.monotonic() - begun < 5


def test_a_large_body_is_refused_before_it_was_read(url: str) -> None:
    """The client announces a gibibyte and sends none of it."""
    parts = urlsplit(url)
    with socket.create_connection((str(parts.hostname), int(parts.port or 0)), timeout=5) as connection:
        head = f"POST /v1/filings HTTP/1.1\r\nHost: x\r\nContent-Type: {DOCUMENT_TYPE}\r\n"
        connection.sendall(f"{head}Content-Length: {2**30}\r\n\r\n".encode())
        assert connection.recv(4096).startswith(b"HTTP/1.1 413 ")


def test_a_body_that_does_not_say_its_size_is_read_to_the_limit(url: str) -> None:
    sent = []

    def chunks() -> Iterator[bytes]:
        for _ in range(MAX_BODY // len(MARKER) // 1024 + 64):
            sent.append(1)
            yield MARKER.encode() * 1024

    try:
        response = httpx.post(f"{url}/v1/filings", content=chunks(), headers=POST)
    except httpx.WriteError:
        return  # the service hung up on what was still being sent
    refused(response, 413, f"what is posted has at most {MAX_BODY} bytes")


def test_bad_requests_are_refused_without_showing_them(world: World, url: str) -> None:
    place, name = f"{url}/v1/filings", Digest(bytes(32))
    filed = world.filing(world.decision())
    envelope = to_bytes(filed.filing)
    receipt = Posted(Slot.RECEIPT, to_bytes(filed.decision.receipt))
    vote = Posted(Slot.VOTE, envelope)
    marked = Posted(Slot.VOTE, MARKER.encode())
    for posted in ((), (marked,), (receipt, receipt), (receipt, vote, Posted(Slot.BALLOT, envelope))):
        body = to_bytes(Documents(name, posted))
        refused(httpx.post(place, content=body, headers=POST), 400, "the body holds no documents")
    unknown = body.replace(b"\xa4vote", b"\xa4veto")
    for body in (MARKER.encode(), b"", envelope, unknown):
        refused(httpx.post(place, content=body, headers=POST), 400, "the body holds no documents")
    refused(httpx.post(place, content=MARKER.encode()), 415, f"posted as {DOCUMENT_TYPE}")
    many = ",".join(["0" * 64] * (MAX_TOGETHER + 1))
    for names in ("F" * 64, "0" * 64 + ",", many):
        refused(httpx.get(f"{url}/v1/filings/{names}"), 422, "path.filings")
    for query in ("after=-1", f"after={MARKER}", f"after={2**63}", "wait=31", "wait=nan", "wait=-1"):
        refused(httpx.get(f"{url}/v1/changes?{query}"), 422, "query.")
    refused(httpx.get(f"{url}/{MARKER}"), 404, "")
    refused(httpx.delete(place), 405, "")
    stray = to_bytes(Documents(filed.filing_id, (receipt, vote)))
    refused(httpx.post(place, content=stray, headers=POST), 403, "its payload is no vote")
    assert world.docket.read(filed.filing_id) == dict.fromkeys(Slot, ())  # what comes together stands together


def test_filings_are_read_together_as_many_as_make_a_page(
    world: World, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [world.file(world.decision(income=income))[0].filing_id for income in ("1", "2", "3")]

    def read() -> list[Digest]:
        answer = httpx.get(f"{url}/v1/filings/{','.join(map(str, names))}").content
        shown = from_bytes(Filings, answer).filings
        assert all(len(each.documents) == 2 for each in shown)
        return [each.filing for each in shown]

    assert read() == names
    docket = HttpDocket(url)
    assert docket.changes(0).filings == tuple(names)
    assert [docket.read(name) for name in names] == [world.docket.read(name) for name in names]
    monkeypatch.setattr(store, "PAGE_BYTES", 1500)
    assert read() == names[:2]
    monkeypatch.setattr(store, "PAGE_BYTES", 0)
    assert read() == names[:1]


def test_an_unknown_filing_has_no_documents(world: World, url: str) -> None:
    found = HttpDocket(url).read(world.filing(world.decision()).filing_id)
    assert found == dict.fromkeys(Slot, ())


def test_one_address_may_not_ask_too_often(world: World) -> None:
    with running(world, per_minute=5) as url:
        statuses = [httpx.get(f"{url}/v1/rosters").status_code for _ in range(6)]
        last = httpx.get(f"{url}/v1/rosters")
    assert statuses == [200] * 5 + [429]
    refused(last, 429, "too many requests")
    assert 1 <= int(last.headers["retry-after"]) <= 13


def test_buckets_fill_with_time_and_count_networks() -> None:
    buckets = Buckets(60)
    assert [buckets.take("192.0.2.1", 0.0) for _ in range(60)] == [0] * 60
    assert buckets.take("192.0.2.1", 0.0) == 1
    assert buckets.take("192.0.2.2", 0.0) == 0
    assert buckets.take("192.0.2.1", 1.0) == 0
    assert buckets.take("2001:db8::1", 0.0, body_bytes=58 * BODY_BYTES) == 0
    assert buckets.take("2001:db8::2", 0.0, body_bytes=BODY_BYTES) == 1  # the same network of 2**64 addresses
    assert buckets.take("2001:db8:1::1", 0.0, body_bytes=10**9) == 0  # more than a bucket takes a full one
    assert buckets.take("2001:db8:1::1", 0.0) == 1


def test_the_memory_of_addresses_is_bounded() -> None:
    buckets = Buckets(60)
    for number in range(MAX_ADDRESSES + 10):
        buckets.take(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", 0.0)
    assert len(buckets._left) == MAX_ADDRESSES


def test_health_metrics_and_the_description_are_there(world: World, url: str) -> None:
    world.file(world.decision())
    assert httpx.get(f"{url}/healthz").json() == {"status": "ok", "position": 2}
    HttpDocket(url).read(world.filing(world.decision()).filing_id)
    measured = httpx.get(f"{url}/metrics").text
    assert 'reperform_docket_requests_total{route="/v1/filings/{filings}",status="200"} 1.0' in measured
    assert "reperform_docket_position 2.0" in measured
    assert "127.0.0.1" not in measured
    assert httpx.get(f"{url}/docs").status_code == 200
    described = httpx.get(f"{url}/openapi.json").json()["paths"]
    assert described.keys() == {
        "/v1/filings", "/v1/filings/{filings}", "/v1/changes", "/v1/rosters", "/healthz", "/metrics",
    }  # fmt: skip


def test_a_defect_is_told_without_what_was_posted(
    world: World, url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def breaks(_: object) -> None:
        raise KeyError(MARKER)

    monkeypatch.setattr(world.docket, "documents", breaks)
    refused(httpx.get(f"{url}/v1/filings/{'0' * 64}"), 500, "a defect of this service")
    assert "a defect: KeyError" in caplog.text
    assert MARKER not in caplog.text
