"""Audits by the calendar: when each is due, what became of it, and who is told."""
