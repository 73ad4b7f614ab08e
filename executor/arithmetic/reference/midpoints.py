"""Placeholder until the sweeps have run."""

MIDPOINTS: dict[str, tuple[str, str]] = {}
