"""The pipelines: the only place, with the command line, that sees all rooms."""
