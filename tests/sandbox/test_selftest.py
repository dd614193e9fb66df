"""The shipped suite: on the backends, on one that holds nothing, on one that runs nothing."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from earnest.core.errors import LackError, UsageError
from earnest.core.jobs import Limits, Result
from earnest.sandbox.attacks import all_attacks
from earnest.sandbox.attacks.kit import Attack, Seen, both, printed
from earnest.sandbox.selftest import passed, selftest

WHO = [False, pytest.param(True, marks=pytest.mark.slow)] if os.geteuid() == 0 else [True]
QUICK = ("files", "system calls", "privilege", "descriptors")


@pytest.fixture(scope="session")
def images(tmp_path_factory):
    if shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed")
    folder = tmp_path_factory.mktemp("images")
    folder.chmod(0o755)
    return folder


def held(report):
    assert passed(report), report["reasons"]
    assert all(soft["what"] and soft["unit"] for soft in report["soft"])
    return report


def test_there_are_enough_of_them():
    attacks = all_attacks()
    assert len(attacks) >= 60
    assert len({attack.name for attack in attacks}) == len(attacks)
    assert sum(attack.works for attack in attacks) >= 50
    assert all("control(" in attack.source + attack.then for attack in attacks)


@pytest.mark.parametrize("as_user", WHO)
@pytest.mark.parametrize("backend", ["bwrap", "warm"])
def test_a_third_of_it_is_held(images, backend, as_user):
    report = held(selftest(backend, images, as_user=as_user, families=QUICK))
    assert report["attacks"] >= 30
    assert report["backend"] == backend
    assert report["as"] == ("user" if as_user else "root")


@pytest.mark.slow
@pytest.mark.parametrize("as_user", WHO)
@pytest.mark.parametrize("backend", ["bwrap", "warm"])
def test_all_of_it_is_held(images, backend, as_user):
    lines = []
    report = held(selftest(backend, images, as_user=as_user, progress=lines.append))
    assert report["attacks"] >= 60
    assert len(lines) == report["attacks"]
    measured = {soft["what"] for soft in report["soft"]}
    assert "memory of all processes together" in measured


def expect_all_but_the_jails_own(report, families):
    """Hold the suite to its word: what is said to work must have got out where nothing holds it."""
    wanted = {a.name for a in all_attacks() if a.works and (not families or a.family in families)}
    assert wanted - set(report["escaped"]) == set(), report["reasons"]
    assert not passed(report)


def test_a_jail_that_holds_nothing_fails(images):
    families = ("files", "system calls")
    expect_all_but_the_jails_own(selftest("none", images, families=families), families)


@pytest.mark.slow
def test_a_jail_that_holds_nothing_fails_at_all_of_it(images):
    report = selftest("none", images)
    expect_all_but_the_jails_own(report, ())
    assert "leaves_processes" in report["escaped"]


def test_a_jail_that_runs_nothing_fails(images):
    report = selftest("nothing", images)
    assert report["escaped"] == []
    assert len(report["controls_failed"]) == report["attacks"] >= 60
    assert not passed(report)


def test_nothing_tried_is_nothing_held(images):
    assert not passed(selftest("bwrap", images, families=["no such family"]))


def test_a_backend_that_is_not_there(images):
    with pytest.raises(UsageError, match="there is no sandbox"):
        selftest("nsjail", images)


def test_without_an_outer_jail_nothing_runs(images, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LackError) as caught:
        selftest("bwrap", images)
    assert "bubblewrap" in caught.value.mend
    broken = tmp_path / "bwrap"
    broken.write_text("#!/bin/sh\necho no user namespaces >&2\nexit 1\n")
    broken.chmod(0o755)
    with pytest.raises(LackError, match="no user namespaces"):
        selftest("bwrap", images)


def test_an_interrupt_leaves_nothing_behind(images, tmp_path):
    program = (
        "import sys; from pathlib import Path; from earnest.sandbox.selftest import selftest\n"
        "selftest('bwrap', Path(sys.argv[1]), progress=lambda l: print(l, flush=True))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(images)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert process.stdout.readline()
    process.send_signal(signal.SIGINT)
    process.stdout.close()
    assert process.wait(20) != 0
    over = time.monotonic() + 60
    while drivers(images) and time.monotonic() < over:
        time.sleep(0.05)
    assert drivers(images) == []
    assert list(tmp_path.iterdir()) == []


def drivers(images):
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes()
        except OSError:
            continue
        if b"attacks.driver" in words and str(images).encode() in words:
            found.append(words)
    return found


def seen(stdout, ended="exit", attack=None, **rest):
    attack = attack or Attack("a", "files", "", limits=Limits(wall_s=1))
    result = Result(ended, 0, stdout, "", rest.pop("files", {}), 0.1)
    return Seen(attack, (result,), (result,), "planted-1", rest.pop("slowest_s", 0.1), **rest)


GOOD = "CONTROL\ntried\n"


@pytest.mark.parametrize(
    ("case", "escaped", "control"),
    [
        (seen(GOOD), False, False),
        (seen("refused BREACH\n" + GOOD), False, False),
        (seen("BREACH x\n" + GOOD), True, False),
        (seen("planted-1\n" + GOOD), True, False),
        (seen(GOOD, files={"l": b"x planted-1"}), True, False),
        (seen(GOOD, left=("7",)), True, False),
        (seen(GOOD, ended="timeout"), True, False),
        (seen("tried\n"), False, True),
        (seen("CONTROL\n"), False, True),
        (seen("control failed\ntried\n"), False, True),
        (seen("BREACH\n"), True, True),
    ],
)
def test_rulings(case, escaped, control):
    ruling = both(case)
    assert (bool(ruling.escaped), bool(ruling.control)) == (escaped, control), ruling


def test_each_judge_objects_to_what_it_is_for():
    for name, stdout, rest in (
        ("forks_without_end", "processes 18\n", {}),
        ("opens_files_without_end", "descriptors 65\n", {}),
        ("takes_memory_in_one_process", "memory 100\nmemory 300\n", {}),
        ("is_deaf_to_the_end_of_its_time", "", {"slowest_s": 7.0, "ended": "timeout"}),
        ("makes_sparse_files", "", {"files": {"s": bytes(9 << 20)}}),
        ("leaves_links_and_special_files", "", {"files": {"honest": b"as it was", "l1": b""}}),
        ("leaves_odd_names", "", {"files": {"honest": b"as it was", "../x": b""}}),
    ):
        attack = next(attack for attack in all_attacks() if attack.name == name)
        assert both(seen(stdout + GOOD, attack=attack, **rest)).escaped, name
    deaf = next(a for a in all_attacks() if a.name == "forks_without_end")
    assert both(seen(GOOD, attack=deaf)).control
    assert printed(seen("memory 1\nmemory 3\n"), "memory") == 3
