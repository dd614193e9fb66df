"""What it does is tested in real containers, in `test_container.py`."""

import subprocess
import sys
from pathlib import Path

from earnest.sandbox import contained


def test_outside_a_container_it_does_nothing(tmp_path):
    """It ends all that it can signal: it must not begin where that is more than its own."""
    source = Path(contained.__file__).read_text()
    words = [sys.executable, "-I", "-S", "-c", source, "raise SystemExit('it went on')", "{}"]
    done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == "contained.py runs as process 1 of a container only\n"
    assert list(tmp_path.iterdir()) == []
