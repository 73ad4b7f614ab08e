"""An audit's report as people and machines read it: JSON, a table on a terminal, one page of HTML."""
