"""The command lines that start a jail: what they show, and in which order."""

import json
import os

import pytest

from earnest.core.errors import LackError
from earnest.core.jobs import DATA, WORK
from earnest.sandbox import bubble
from earnest.sandbox.bubble import Bubble, find_bwrap
from earnest.sandbox.system import IMAGE


@pytest.fixture
def made(tmp_path):
    return Bubble(tmp_path)


def inner(words):
    """Bubblewrap's own words, as root or not."""
    return words if os.geteuid() != 0 else json.loads(words[4])["command"]


def test_nothing_is_found_without_bubblewrap(monkeypatch):
    assert find_bwrap().endswith("bwrap")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(LackError) as error:
        find_bwrap()
    assert "bubblewrap" in error.value.mend


@pytest.mark.parametrize("kind", ["cold", "warm"])
def test_every_jail_has_its_own_of_everything(made, kind):
    words = made.cold({}, 8, 9, ["x"]) if kind == "cold" else made.warm({}, ["x"])
    words = inner(words)
    for word in ("--unshare-all", "--unshare-user", "--new-session", "--as-pid-1"):
        assert word in words
    assert words[words.index("--cap-drop") + 1] == "ALL"
    assert words[-2:] == ["--", "x"]
    assert "--bind" not in words
    assert "--dev-bind" not in words
    root = [n for n, word in enumerate(words) if word == "--remount-ro" and words[n + 1] == "/"]
    assert len(root) == 1
    assert all(n < root[0] for n, word in enumerate(words) if word == "--ro-bind")


def test_the_workspace_of_a_cold_jail_is_mounted_last_and_limited(made):
    words = inner(made.cold({DATA: "/usr/bin"}, 8, 9, ["x"]))
    place = words.index(WORK)
    assert words[place - 5 : place] == ["--size", str(8 << 20), "--perms", "0700", "--tmpfs"]
    mounts = [n for n, word in enumerate(words) if word in ("--ro-bind", "--tmpfs", "--proc")]
    assert max(mounts) == place - 1
    assert not any(word.startswith(f"{WORK}/") for word in words)
    assert words[words.index("--seccomp") + 1] == "9"
    assert "--die-with-parent" in words


def test_a_warm_jail_shows_no_job(made):
    words = inner(made.warm({"A": "b"}, ["x"]))
    assert WORK in words
    assert "--seccomp" not in words
    assert words[words.index("--setenv") : words.index("--setenv") + 3] == ["--setenv", "A", "b"]


def test_started_by_root_it_becomes_somebody_first(made, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    words = made.cold({DATA: str(tmp_path)}, 8, 9, ["x"])
    plan = json.loads(words[4])
    assert 0x40000000 <= plan["uid"] < 0x80000000
    assert [source for source, _ in plan["data"]] == [str(tmp_path)]
    assert str(tmp_path) not in plan["command"]  # it is named by its staged place only
    assert IMAGE in plan["command"]
    others = {json.loads(made.cold({}, 8, 9, ["x"])[4])["uid"] for _ in range(8)}
    assert len(others) > 4
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert str(tmp_path) in made.cold({DATA: str(tmp_path)}, 8, 9, ["x"])


def test_a_folder_to_cover_is_none_that_is_shown():
    shown = [bubble._Bind(f"{name}/x", "/x") for name in bubble._COVERABLE[:-1]]
    assert bubble._cover([]) in bubble._COVERABLE
    assert bubble._cover(shown) == bubble._COVERABLE[-1]
    with pytest.raises(LackError, match="stage"):
        bubble._cover([bubble._Bind(name, "/x") for name in bubble._COVERABLE])
