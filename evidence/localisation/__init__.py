"""Where two traces part, found with few digests, and the statement that says who is wrong (docs/localisation.md)."""
