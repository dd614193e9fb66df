"""A home whose split of tables is the same each time, for tests that ask for a statistical word.

A home draws its secret on first use. Which rows are sealed follows from it, and so do the table's
id and the seeds of the verifier's draws: a claim that is true is then confirmed most times, and
not each time, as it should be. A test that says `confirmed` needs a home in which it always is.
"""

from __future__ import annotations

import os
from pathlib import Path

from earnest.core.home import Home

SECRET = bytes(range(32))


def images() -> Path:
    """Where the one image lies that all tests of a session use: making one takes seconds."""
    return Path(os.environ["EARNEST_TEST_IMAGES"])


def home_at(path: Path, secret: bytes = SECRET) -> Home:
    """Make a home whose secret, and so which rows are sealed, is given and not drawn."""
    home = Home(path)
    if not home.images.exists():
        images().mkdir(exist_ok=True)
        home.images.symlink_to(images())
    key = path / "secret.key"
    key.write_bytes(secret)
    key.chmod(0o600)
    return home
