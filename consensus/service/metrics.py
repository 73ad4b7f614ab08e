"""What the service counts, for Prometheus. By route and status: no addresses, no names of filings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from fastapi import Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """The counters of one application."""

    def __init__(self, position: Callable[[], int]) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "reperform_docket_requests", "Requests answered.", ("route", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "reperform_docket_request_seconds", "Time to answer.", ("route",), buckets=SECONDS, registry=self._registry
        )
        documents = Gauge("reperform_docket_position", "Position of the last document.", registry=self._registry)
        documents.set_function(position)

    def count(self, route: str, status: int, seconds: float) -> None:
        """One answered request."""
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def answer(self) -> Response:
        """All counters, as Prometheus reads them."""
        return Response(generate_latest(self._registry), media_type=CONTENT_TYPE_LATEST)
