"""A translator in use by others: an engine of worker processes, an HTTP interface, a page."""
