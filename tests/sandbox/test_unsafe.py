import os
import time
from pathlib import Path

import pytest

from earnest.core.errors import LackError, UsageError
from earnest.core.jobs import DATA, Job, Limits
from earnest.sandbox.unsafe import UnsafeLocal


@pytest.fixture
def local(tmp_path, monkeypatch):
    image, temporary = tmp_path / "image", tmp_path / "tmp"
    image.mkdir()
    temporary.mkdir()
    (image / "packed.py").write_text("x = 5")
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    yield UnsafeLocal(image)
    assert list(temporary.iterdir()) == []


def python(local, source, **job):
    job.setdefault("limits", Limits(wall_s=20))
    files = {"main.py": source.encode(), **job.pop("files", {})}
    return local.run(Job(("python", "main.py"), files=files, **job))


def test_a_program_runs_and_its_files_come_back(local, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/t").write_text("table")
    result = python(
        local,
        f"import packed; print(packed.x, open('{DATA}/t').read())\n"
        "open('o/out', 'w').write(open('o/in').read())",
        files={"o/in": b"given"},
        ro_mounts={DATA: tmp_path / "data"},
    )
    assert (result.ok, result.stdout) == (True, "5 table\n"), result
    assert result.files["o/out"] == b"given"
    assert ".tmp" not in "".join(result.files)


def test_ends(local):
    assert python(local, "raise SystemExit(7)").status == 7
    result = python(local, "import os; os.abort()")
    assert (result.ended, result.status) == ("signal", 6)
    with pytest.raises(UsageError, match="/no/such"):
        local.run(Job(("/no/such",)))


def lives(pid):
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except OSError:
        return False


def test_out_of_time_also_for_children(local):
    source = "import os, time\nos.fork()\nprint(os.getpid(), flush=True)\ntime.sleep(60)"
    start = time.monotonic()
    result = python(local, source, limits=Limits(wall_s=5))
    assert result.ended == "timeout"
    assert time.monotonic() - start < 60
    pids = result.stdout.split()
    assert len(pids) == 2
    end = time.monotonic() + 60
    while [pid for pid in pids if lives(pid)]:
        assert time.monotonic() < end
        time.sleep(0.01)


def test_limits(local):
    big = "bytearray(900 << 20); print(1)"
    assert python(local, big, limits=Limits(memory_mib=512)).stdout == ""
    assert python(local, big, limits=Limits(memory_mib=2048)).ok
    result = python(local, "print('x' * 99999)", limits=Limits(output_bytes=10))
    assert (result.stdout, result.truncated) == ("x" * 10, True)
    spin = python(local, "while True: pass", limits=Limits(cpu_s=1, wall_s=10))
    assert spin.ended == "timeout"
    many = "for i in range(20): open(f'f{i}', 'w')"
    assert python(local, many, limits=Limits(workspace_files=10)).ended == "too-much"


def test_the_environment_is_not_handed_on(local, monkeypatch):
    monkeypatch.setenv("EARNEST_PLANTED", "1")
    result = python(local, "import os; print('EARNEST_PLANTED' in os.environ)")
    assert result.stdout == "False\n"


def test_it_isolates_nothing_and_says_so(local, tmp_path):
    (tmp_path / "host").write_text("secret")
    result = python(
        local, f"print(open({str(tmp_path / 'host')!r}).read(), __import__('os').getuid())"
    )
    assert result.stdout == f"secret {os.getuid()}\n"
    assert local.isolates is False
    assert "isolates nothing" in local.gives_up


def test_what_it_can_not_do_it_refuses(local):
    with pytest.raises(LackError) as caught:
        local.open(Job(("python", "-c", "pass")))
    assert "earnest doctor" in caught.value.mend
    with pytest.raises(UsageError, match="single hosts"):
        local.run(Job(("python", "-c", "pass"), net=("example.org",)))
    for name in ("../x", "/x", ".tmp/x"):
        with pytest.raises(UsageError):
            local.run(Job(("python", "-c", "pass"), files={name: b""}))
