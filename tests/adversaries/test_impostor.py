"""A man in the middle with TLS of his own, as a process."""

from __future__ import annotations

import httpx
from reperform.tests.adversaries.conftest import ALSO_GOOD, BAD, GOOD, Docket, start_proxy
from reperform.tests.docket.test_client import certificate


def test_a_certificate_that_nobody_known_signed_ends_the_conversation(served: Docket) -> None:
    """The node behind him hears and says nothing; the others are a quorum."""
    folder = served.world.folder / "impostor"
    folder.mkdir()
    url = start_proxy(served.parties, "impostor", certificate(folder))
    with httpx.Client(verify=False) as client:  # noqa: S501  # to see that he is there
        assert client.get(f"{url}/x/healthz").status_code == 200
    served.start(BAD, url=f"{url}/x")
    try:
        settled = served.settle()
    finally:
        served.parties.kill(BAD)
    assert settled.voters() == {GOOD, ALSO_GOOD}
    assert "signed by nobody known here; give the CA's certificate" in served.parties.log(BAD)
