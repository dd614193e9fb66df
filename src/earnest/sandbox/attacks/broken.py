"""Two sandboxes that a suite must fail: one holds nothing, the other lets nothing run.

They exist inside the outer jail only, and only for the suite's own proof: `choose.py` does not
know them.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from earnest.core.errors import LackError
from earnest.core.jobs import WORK, Job, Result
from earnest.core.protocols import Channel

_IMAGE_FOLDER = "/earnest-jail/image"
_LONGEST_S = 60.0
_LARGEST = 1 << 20


def _files(folder: Path) -> dict[str, bytes]:
    return {
        path.name: path.read_bytes()
        for path in folder.iterdir()
        if path.is_file() and path.stat().st_size < _LARGEST
    }


class Unconfined:
    """Runs a job as a plain process: whatever a hostile program tries is to succeed."""

    name = "none"
    isolates = False

    def __init__(self, image: Path) -> None:
        self._image = image

    def run(self, job: Job) -> Result:
        """Run a job without limits; the jail's paths in its files become the real ones."""
        folder = tempfile.mkdtemp()  # it goes with the outer jail
        places = {str(inner): str(outer) for inner, outer in job.ro_mounts.items()}
        places |= {WORK: folder, _IMAGE_FOLDER: str(self._image)}
        for name, data in job.files.items():
            text = data
            for inner, outer in places.items():
                text = text.replace(inner.encode(), outer.encode())
            Path(folder, name).write_bytes(text)
        done = subprocess.run(
            [sys.executable, *job.entry[1:]],
            check=False,
            cwd=folder,
            capture_output=True,
            timeout=_LONGEST_S,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": str(self._image)},
        )
        files = _files(Path(folder)) if job.collect else {}
        out, err = (text.decode(errors="replace") for text in (done.stdout, done.stderr))
        if done.returncode < 0:
            return Result("signal", -done.returncode, out, err, files, 0.0)
        return Result("exit", done.returncode, out, err, files, 0.0)

    def open(self, job: Job) -> Channel:
        """Raise `LackError`: it has no lines."""
        raise LackError(f"without a jail there is no line to {job.entry[0]}")

    def close(self) -> None:
        """Do nothing."""


class Refusing(Unconfined):
    """Holds everything, for nothing ever runs in it."""

    name = "nothing"

    def run(self, job: Job) -> Result:
        """Say that the program was killed."""
        return Result("signal", 9, "", f"{job.entry[0]}: refused", {}, 0.0)
