"""A witness over HTTP, as c2sp.org/tlog-witness has it: statuses, media types, the bytes of requests and answers."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterator
from dataclasses import replace

import httpx
import pytest
from reperform.evidence.keyfile import KeyRing
from reperform.evidence.tlog.note import Note
from reperform.evidence.tlog.request import MAX_REQUEST
from reperform.tests.witness.running import running
from reperform.tests.witness.scene import ORIGIN, Scene, Tree

HONEST, FORK = Tree.of("abcdefghij"), Tree.of("abcdXfghij")
SHOWN = f"/{hashlib.sha256(ORIGIN.encode()).hexdigest()}/checkpoint"
PROOF = SHOWN.replace("checkpoint", "fork")


@pytest.fixture
def client(scene: Scene) -> Iterator[httpx.Client]:
    """Whoever asks a witness."""
    with running(scene) as url, httpx.Client(base_url=url) as client:
        yield client


def add(client: httpx.Client, body: bytes) -> httpx.Response:
    return client.post("/add-checkpoint", content=body)


def submit(client: httpx.Client, scene: Scene, old: int, new: int, tree: Tree = HONEST) -> httpx.Response:
    return add(client, scene.request(tree, old, new).to_bytes())


# As the examples of the specification look; the hashes and signatures are others.
REQUEST = re.compile(
    rb"old (0|[1-9][0-9]*)\n([A-Za-z0-9+/]{43}=\n)*\n"
    rb"[^\n]+\n(0|[1-9][0-9]*)\n[A-Za-z0-9+/]{43}=\n\n(\xe2\x80\x94 [^ \n+]+ [A-Za-z0-9+/]+={0,2}\n)+"
)
COSIGNATURES = re.compile(rb"(\xe2\x80\x94 [^ \n+]+ [A-Za-z0-9+/]+={0,2}\n)+")


def test_requests_and_answers_have_the_form_of_the_specifications_examples(any_scene: Scene) -> None:
    with running(any_scene) as url, httpx.Client(base_url=url) as client:
        for old, new in ((0, 5), (5, 9)):
            body = any_scene.request(HONEST, old, new).to_bytes()
            answer = add(client, body)
            assert REQUEST.fullmatch(body)
            assert answer.status_code == 200
            assert COSIGNATURES.fullmatch(answer.content)
            keys = len(any_scene.rosters[0].keys_of(any_scene.rosters[0].panel()[0]))
            assert answer.content.count(b"\n") == keys
            assert answer.content.count("— Audit%20House ".encode()) == keys


# The example of c2sp.org/tlog-witness, whose log nobody knows here.
EXAMPLE = b"""old 20852014
PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=
jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=
5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=
/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=

example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

\xe2\x80\x94 example.com/behind-the-sofa \
Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
\xe2\x80\x94 example.com/behind-the-sofa \
opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/V6267UEjw6QUXTS5Rovnzv++qbSzm9Q=
"""


def test_the_specifications_own_request_is_understood(client: httpx.Client) -> None:
    assert REQUEST.fullmatch(EXAMPLE)
    assert add(client, EXAMPLE).status_code == 404


def test_a_wrong_old_size_is_answered_with_the_right_one(client: httpx.Client, scene: Scene) -> None:
    unseen = submit(client, scene, 3, 5)
    assert (unseen.status_code, unseen.content) == (409, b"0\n")
    submit(client, scene, 0, 5)
    for old, new in ((0, 9), (3, 9), (6, 9), (3, 4)):
        answer = submit(client, scene, old, new)
        assert (answer.status_code, answer.content) == (409, b"5\n")
        assert answer.headers["Content-Type"] == "text/x.tlog.size"


def test_every_refusal_has_its_status(client: httpx.Client, scene: Scene) -> None:
    good = scene.request(HONEST, 0, 5)
    empty = b"old 0\n\nlog.example/decisions\n0\n" + b"A" * 43 + b"=\n\n" + good.note.to_bytes().rpartition(b"\n\n")[2]
    assert add(client, b"old 0\n").status_code == 400
    assert add(client, b"\xff" + good.to_bytes()).status_code == 400
    assert add(client, replace(good, old_size=6).to_bytes()).status_code == 400
    forged = scene.sign(HONEST.checkpoint(5), KeyRing.generate())
    assert add(client, replace(good, note=forged).to_bytes()).status_code == 403
    altered = good.to_bytes()[:-5] + b"A" + good.to_bytes()[-4:]
    assert add(client, altered).status_code == 403
    other = scene.sign(HONEST.checkpoint(5, "log.example/other"))
    assert add(client, replace(good, note=other).to_bytes()).status_code == 404
    assert add(client, replace(good, proof=(bytes(32),)).to_bytes()).status_code == 422
    assert add(client, empty).status_code == 422
    assert client.get(SHOWN).status_code == 404
    assert add(client, good.to_bytes()).status_code == 200
    assert submit(client, scene, 5, 5).status_code == 200
    assert submit(client, scene, 5, 8, FORK).status_code == 422
    assert submit(client, scene, 5, 5, FORK).status_code == 422
    assert submit(client, scene, 5, 8).status_code == 403  # the line before proved a fork


def test_a_body_that_is_too_large_is_not_read(client: httpx.Client) -> None:
    assert add(client, b"a" * (MAX_REQUEST + 1)).status_code == 413

    def endless() -> Iterator[bytes]:
        for _ in range(MAX_REQUEST // 1000 + 2):
            yield b"a" * 1000

    assert client.post("/add-checkpoint", content=endless()).status_code == 413
    assert add(client, b"a" * MAX_REQUEST).status_code == 400


def test_there_is_nothing_else(client: httpx.Client) -> None:
    assert client.get("/add-checkpoint").status_code == 405
    assert client.post(SHOWN).status_code == 405
    for path in ("/", "/sign-subtree", "/checkpoint", "/docs", "/openapi.json"):
        assert client.get(path).status_code == 404


def test_what_was_cosigned_last_is_shown(client: httpx.Client, scene: Scene) -> None:
    submit(client, scene, 0, 5)
    answer = submit(client, scene, 5, 9)
    shown = client.get(SHOWN)
    assert shown.headers["Content-Type"].startswith("text/plain")
    assert shown.content == scene.sign(HONEST.checkpoint(9)).to_bytes() + answer.content
    assert Note.parse(shown.content).text == HONEST.checkpoint(9).text()
    assert client.get(SHOWN.upper()).status_code == 404


def test_a_fork_is_shown_to_everybody(client: httpx.Client, scene: Scene) -> None:
    submit(client, scene, 0, 5)
    assert client.get(PROOF).status_code == 404
    submit(client, scene, 5, 5, FORK)
    assert client.get(PROOF).status_code == 200
    assert client.get(PROOF).headers["Content-Type"] == "application/vnd.reperform.fork.v1+msgpack"


def test_connections_are_kept(client: httpx.Client, scene: Scene) -> None:
    for old, new in ((0, 3), (3, 5), (5, 9)):
        submit(client, scene, old, new)
    pool = client._transport._pool  # type: ignore[attr-defined]
    assert len(pool.connections) == 1


def test_of_many_at_once_each_is_judged_by_what_those_before_it_have_left(scene: Scene) -> None:
    long, found = Tree.of("a" * 40), list[tuple[int, int]]()
    with running(scene) as url:

        def ask(size: int) -> None:
            with httpx.Client(base_url=url) as client:
                answer = submit(client, scene, 0, size, long)
                while answer.status_code == 409 and int(answer.text) < size:
                    answer = submit(client, scene, int(answer.text), size, long)
                found.append((size, answer.status_code))

        threads = [threading.Thread(target=ask, args=(size,)) for size in range(5, 40, 5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert {status for _, status in found} <= {200, 409}
        cosigned = [size for size, status in found if status == 200]
        shown = httpx.get(url + SHOWN)
    assert max(cosigned) == 35
    assert Note.parse(shown.content).text == long.checkpoint(35).text()
