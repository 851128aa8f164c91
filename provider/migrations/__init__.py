"""Schema revisions, applied in order by the store."""
