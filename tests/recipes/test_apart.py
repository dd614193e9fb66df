import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from earnest.core.errors import TableError
from earnest.recipes import apart
from earnest.tasks.registry import Registry


def test_sealing_happens_in_another_process(home, tmp_path):
    path = tmp_path / "t.csv"
    pd.DataFrame({"x": range(60), "y": range(60)}).to_csv(path, index=False)
    (ref,) = apart.seal(home, [path])
    assert Registry(home).get(ref.table) == ref


def test_errors_come_back_with_their_mend(home, tmp_path):
    with pytest.raises(TableError) as caught:
        apart.seal(home, [tmp_path / "none.csv"])
    assert "--data" in caught.value.mend


PARENT = """
import sys, time
from pathlib import Path
from earnest.recipes import apart
import os

def linger(folder):
    Path(folder, str(os.getpid())).touch()
    time.sleep(600)

if __name__ == "__main__":
    with apart.new_pool(2) as pool:
        wanted = [pool.submit(linger, sys.argv[1]) for _ in range(2)]
        wanted[0].result()
"""


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_workers_die_with_their_parent(tmp_path, how):
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    marks = tmp_path / "marks"
    marks.mkdir()
    parent = subprocess.Popen([sys.executable, script, marks], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while len(list(marks.iterdir())) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    workers = [int(mark.name) for mark in marks.iterdir()]
    assert len(workers) == 2
    os.kill(parent.pid, how)
    parent.wait(30)
    while any(map(alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(alive, workers))
