"""Two people with accounts of their own on one machine, and a folder that both can write."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import earnest
from earnest.core.canon import canonical, parse

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="two accounts are needed: run as root"),
]
pytest.importorskip("cryptography", reason="extra sign is not installed")
ANN, BEN = 61_001, 61_002
SOURCE = Path(earnest.__file__).parents[1]


class Account:
    """One person: an account, a home that nobody else may read, the command line."""

    def __init__(self, root: Path, name: str, number: int):
        self.home, self.number = root / name, number
        self.home.mkdir(mode=0o700)
        os.chown(self.home, number, number)

    def run(self, *command, **more):
        """Run a program as this person."""
        environment = {
            "HOME": str(self.home),
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(SOURCE),
            "OMP_NUM_THREADS": "1",
        }
        return subprocess.run(
            [str(one) for one in command],
            user=self.number, group=self.number, extra_groups=[], cwd=self.home, env=environment,
            capture_output=True, text=True, **more,
        )  # fmt: skip

    def __call__(self, *words, status=0):
        """Run a verb of earnest; return its document."""
        done = self.run(sys.executable, "-P", "-m", "earnest", *words, "--json")
        assert done.returncode == status, done.stderr + done.stdout
        return json.loads(done.stdout) if done.stdout else done.stderr

    def may_read(self, path):
        """Say whether this person may read a file."""
        return self.run("cat", path).returncode == 0

    def given(self, path):
        """Have a copy of a file of one's own; return it."""
        mine = self.home / path.name
        shutil.copyfile(path, mine)
        os.chown(mine, self.number, self.number)
        return mine


@pytest.fixture(scope="module")
def world():
    with tempfile.TemporaryDirectory(prefix="earnest-two-", dir="/tmp") as name:
        root = Path(name)
        root.chmod(0o755)
        ann, ben = Account(root, "ann", ANN), Account(root, "ben", BEN)
        if ann.run(sys.executable, "-c", "import pandas").returncode:
            pytest.skip("another account may not run this Python")
        share = root / "share"
        share.mkdir()
        share.chmod(0o1777)
        rng = np.random.default_rng(1)
        x = rng.normal(size=400)
        table = root / "ships.csv"
        noise = rng.normal(size=(2, 400))
        frame = pd.DataFrame({"x": x, "y": 0.8 * x + noise[0], "z": 0.8 * x + noise[1]})
        frame.round(5).to_csv(table, index=False)
        ann("run", "What goes together?", "--data", ann.given(table))
        found = ann("findings", "list", "--word", "confirmed")["findings"][0]
        ann("ledger", "sync", share, "--push")
        ben("ledger", "trust", "add", "ann", ann("verifier", "show")["public"])
        yield ann, ben, share, table, found


def test_a_forged_one_is_refused_with_the_reason(world):
    _, ben, share, _, found = world
    bad = share / "bad"
    shutil.copytree(next(share.glob("*/items")).parent, bad / "theirs")
    (item,) = bad.glob(f"theirs/items/*-{found['id'].removeprefix('sha256:')[:32]}.json")
    other = next(path for path in bad.glob("theirs/items/*") if path != item)
    was, its = parse(item.read_bytes()), parse(other.read_bytes())

    def refused(changed):
        item.write_bytes(canonical(changed))
        told = ben("ledger", "sync", bad, "--pull", status=1)
        (one,) = (each for each in told["items"] if each["outcome"] == "refused")
        return one["reason"]

    author = was["finding"].replace('"principal":"local"', '"principal":"eve"')
    word = was["verdict"].replace('"word":"confirmed"', '"word":"replicated"')
    assert author != was["finding"]
    assert word != was["verdict"]
    assert "the verdict is of another finding" in refused({**was, "finding": author})
    assert "not about this verdict" in refused({**was, "verdict": word})
    assert "not about this verdict" in refused({**was, "signature": its["signature"]})
    script = parse(was["finding"])["evidence"]["script"].removeprefix("sha256:")
    (bad / "theirs" / "files" / script).write_bytes(b"print(1)")
    assert "its script was changed" in refused(was)


def test_what_one_finds_the_other_confirms_on_a_copy_of_the_data(world):
    _, ben, share, table, found = world
    ben("ledger", "sync", share, "--pull")
    told = ben("findings", "verify", found["id"], "--on", ben.given(table))
    assert (told["id"], told["trust"]) == (found["id"], "imported")
    assert told["tested_as"]["verdict"] == "confirmed"
    assert (told["split"]["copy"], told["split"]["proved"]) == (True, True)


def test_neither_may_read_what_is_the_others(world):
    ann, ben, *_ = world
    for one, other in ((ann, ben), (ben, ann)):
        held = [path for path in (other.home / ".local/share/earnest").rglob("*") if path.is_file()]
        assert any(path.name == "ledger.sqlite" for path in held)
        assert not any(one.may_read(path) for path in held[:40])
        assert other.may_read(held[0])
