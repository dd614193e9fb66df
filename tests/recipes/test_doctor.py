import json
import time

import pytest

from earnest.cli import main
from earnest.recipes import doctor
from earnest.sandbox import choose
from earnest.sandbox.choose import State
from earnest.sandbox.machine import Asked, Facts


@pytest.fixture
def facts(tmp_path):
    return Facts.read(
        Asked("Linux", "6.8.0", False, namespaces=2, landlock=4, bwrap="0.9.0"), tmp_path
    )


def test_the_document(home, capsys, monkeypatch):
    monkeypatch.setenv("EARNEST_HOME", str(home.root))
    start = time.monotonic()
    status = main(["doctor", "--json"])
    took = time.monotonic() - start
    document = json.loads(capsys.readouterr().out)
    assert document["version"] == 1
    assert set(document["backends"]) == set(choose.BACKENDS)
    good = [name for name, state in document["backends"].items() if state["ok"]]
    assert document["backend"] == (good[0] if good else None)
    assert status == (0 if good else 3)
    for name, state in document["backends"].items():
        assert state["says"], name
        assert state["ok"] == state["says"].startswith("ok")
    assert all(mend["lacks"] and mend["mend"] for mend in document["mends"])
    assert document["machine"]["system"]
    assert document["home"]["path"] == str(home.root)
    assert document["extras"]["data"]
    assert took < 60


def test_the_words(facts):
    document = {
        "backend": "bwrap",
        "backends": {
            "bwrap": {"ok": True, "says": "ok"},
            "container": {"ok": False, "says": "podman is not installed"},
        },
        "home": {"path": "/h", "free_gib": 9.5},
        "extras": {"data": "ok"},
        "mends": [{"lacks": "a thing", "mend": "first\nsecond"}],
    }
    lines = doctor.words(document, facts).splitlines()
    assert lines[0] == "sandbox: bwrap"
    assert "  bwrap        ok" in lines
    assert "  container    lacks: podman is not installed" in lines
    assert any(line.startswith("  unsafe-local") and "isolates nothing" in line for line in lines)
    assert "machine: Linux, 6.8.0, a user" in lines
    assert "  bubblewrap: 0.9.0" in lines
    assert "home: /h, 9.5 GiB free" in lines
    assert lines[-3:] == ["lacks: a thing", "  mend: first", "      second"]


def test_without_any_sandbox_it_ends_with_3_and_the_mends(home, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    only = {name: choose.BACKENDS[name] for name in ("bwrap", "container")}
    monkeypatch.setattr(choose, "BACKENDS", only)
    monkeypatch.setattr(doctor, "BACKENDS", only)
    status, document, words = doctor.examine_machine(home, lambda line: None)
    assert (status, document["backend"]) == (3, None)
    mends = " ".join(mend["mend"] for mend in document["mends"])
    assert "bubblewrap" in mends
    assert "podman" in mends
    assert words.startswith("sandbox: none: nothing that is not trusted will run")
    assert "  mend: " in words


def lacks(found):
    return [mend.lacks for mend in found]


def test_what_stands_only_in_the_way_of_what_works_is_left_out(tmp_path, facts):
    kernel = tmp_path / "proc/sys/kernel"
    kernel.mkdir(parents=True)
    (kernel / "unprivileged_userns_clone").write_text("0\n")
    facts = Facts.read(facts.asked, tmp_path)
    text = "users may not make user namespaces"
    bad, good = State(False, "fails"), State(True, "ok")
    assert text in lacks(doctor.advice(facts, {"warm": bad, "bwrap": good}, 9.0))
    assert text in lacks(doctor.advice(facts, {"bwrap": good}, 9.0))
    assert text not in lacks(doctor.advice(facts, {"warm": good, "bwrap": good}, 9.0))


def test_what_a_backend_alone_complains_of_is_named(facts):
    states = {"container": State(False, "podman is not installed", "apt-get install podman")}
    found = doctor.advice(facts, states, 9.0)
    assert "container: podman is not installed" in lacks(found)
    assert "apt-get install podman" in [mend.mend for mend in found]
    assert not [w for w in lacks(doctor.advice(facts, {}, 9.0)) if "container" in w]


def test_little_room_is_named(facts):
    assert any("GiB free" in word for word in lacks(doctor.advice(facts, {}, 0.5)))
    assert not any("GiB free" in word for word in lacks(doctor.advice(facts, {}, 3.0)))


def test_extras():
    found = doctor.extras(
        [
            "numpy>=2",
            'pytest>=9; extra == "dev"',
            'pandas>=2; extra == "here"',
            "nonesuch-earnest>=1; extra == 'absent'",
            'pandas>=2; extra == "absent"',
        ]
    )
    assert found == {
        "here": "ok",
        "absent": "lacks nonesuch-earnest: pip install 'earnest[absent]'",
    }


def test_it_speaks_only_to_those_who_wait(monkeypatch):
    monkeypatch.setattr(doctor, "_QUIET_S", 600.0)
    said = []
    with doctor._Patience(said.append) as patience:
        patience("first")
        assert said == []
    patience._timer.join(60)
    assert (said, patience._timer.is_alive()) == ([], False)
    monkeypatch.setattr(doctor, "_QUIET_S", 0.2)
    with doctor._Patience(said.append) as patience:
        patience("first")
        end = time.monotonic() + 60
        while not said and time.monotonic() < end:
            time.sleep(0.01)
        assert said == ["first"]
        patience("second")
    assert said == ["first", "second"]
