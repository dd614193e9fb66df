"""For other agents and browsers: what the ledger knows, and a way to submit findings."""
