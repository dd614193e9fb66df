"""Records, canonical bytes, the event log, errors and protocols: what every room shares."""
