"""Audits: what is said before a sample is drawn, the draw, and what a sample allows one to say. Pure."""
