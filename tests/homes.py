"""A home whose split of tables is the same each time, for tests that ask for a statistical word."""

from __future__ import annotations

from pathlib import Path

from earnest.core.home import Home

SECRET = bytes(range(32))


def home_at(path: Path, secret: bytes = SECRET) -> Home:
    """Make a home whose secret, and so which rows are sealed, is given and not drawn."""
    home = Home(path)
    key = path / "secret.key"
    key.write_bytes(secret)
    key.chmod(0o600)
    return home
