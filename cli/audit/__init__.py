"""The command `reperform audit`: one file for each step."""
