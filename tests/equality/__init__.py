"""Are the bits the same under every setting of the machine? `make equality` asks; docs/equality.md holds its answer."""
