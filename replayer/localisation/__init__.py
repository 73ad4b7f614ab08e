"""Traces on disk, and what finds out where two of them part (docs/localisation.md)."""
