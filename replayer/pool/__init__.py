"""Many decisions run again, in batches: in this process, or on all machines of one organisation."""
