"""The vault: decision files encrypted at rest, kept for as long as they must be, and then destroyed.

docs/vault.md says what is where, and what erasure reaches.
"""
