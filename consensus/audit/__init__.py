"""Running an audit: the population out of the log, openings from the operator, the examination, the report."""
