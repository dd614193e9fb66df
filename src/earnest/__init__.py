"""Earnest: agents that find things out, prove it, and learn from it, without cheating."""

__version__ = "0.1.0"
