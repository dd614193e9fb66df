"""Suites for a checkpoint: the closed-book exam."""
