"""The hook: what it copies, and that it holds nobody up."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earnest.capture import hook
from earnest.core.home import default_home

HOOK = Path(hook.__file__)


def copied(home, path):
    """Everything that the spool has of a transcript, oldest first."""
    folder = Path(hook.place(str(home), str(path)))
    parts = sorted(folder.glob("*.part"), key=lambda one: [int(n) for n in one.stem.split("-")])
    return [one.read_bytes() for one in parts]


def call(home, event, *options, **settings):
    return subprocess.run(
        [sys.executable, "-I", "-S", str(HOOK), "--home", str(home), *options],
        input=event if isinstance(event, bytes) else json.dumps(event).encode(),
        capture_output=True,
        check=False,
        **settings,
    )


def test_it_copies_what_is_new_and_prints_nothing(tmp_path):
    path = tmp_path / "t.jsonl"
    for text in (b'{"a":1}\n', b'{"b":2}\n{"c"', b":3}\n"):
        with path.open("ab") as file:
            file.write(text)
        done = call(tmp_path / "home", {"transcript_path": str(path), "session_id": "s"})
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert copied(tmp_path / "home", path) == [path.read_bytes()]


def test_sub_agents_beside_a_transcript_are_copied(tmp_path):
    path = tmp_path / "p" / "s.jsonl"
    inner = tmp_path / "p" / "s" / "subagents" / "agent-x.jsonl"
    inner.parent.mkdir(parents=True)
    path.write_bytes(b"{}\n")
    inner.write_bytes(b'{"x":1}\n')
    hook.take(json.dumps({"transcript_path": str(path)}).encode(), str(tmp_path / "home"))
    assert copied(tmp_path / "home", inner) == [b'{"x":1}\n']


def test_copies_are_for_their_owner_only(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_bytes(b"{}\n")
    hook.spool(str(tmp_path / "home"), str(path), {})
    for one in (tmp_path / "home" / "spool").rglob("*"):
        assert one.stat().st_mode & 0o077 == 0


def test_a_cut_or_exchanged_file_loses_nothing(tmp_path):
    path, home = tmp_path / "t.jsonl", tmp_path / "home"
    versions = [b"one\n" * 400, b"one\n" * 3, b"two\n" * 500, b"two\n" * 499 + b"2wo\n" + b"end\n"]
    for version in versions:
        path.write_bytes(version)
        hook.spool(str(home), str(path), {})
    assert copied(home, path) == versions


@pytest.mark.parametrize(
    "event",
    [
        b"", b"not json", b"[]", b'{"transcript_path": null}', b'{"transcript_path": 3}',
        b'{"transcript_path": "/nowhere/t.jsonl"}', b'{"transcript_path": "/etc/passwd"}',
        b'{"transcript_path": "a\\u0000b.jsonl"}', b"[" * 100_000, b"\xff\xfe",
        b'{"transcript_path": "/dev/zero"}',
    ],
)  # fmt: skip
def test_no_event_holds_an_agent_up(tmp_path, event):
    done = call(tmp_path / "home", event)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert not list((tmp_path / "home").rglob("*.part"))


def test_links_and_pipes_are_left(tmp_path):
    (tmp_path / "secret.txt").write_bytes(b"secret\n")
    link = tmp_path / "t.jsonl"
    link.symlink_to(tmp_path / "secret.txt")
    pipe = tmp_path / "p.jsonl"
    os.mkfifo(pipe)
    folder = tmp_path / "s" / "subagents"
    folder.parent.mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "agent-1.jsonl").write_bytes(b"{}\n")
    folder.symlink_to(tmp_path / "elsewhere")
    (tmp_path / "s.jsonl").write_bytes(b"{}\n")
    for path in (link, pipe, tmp_path / "s.jsonl"):
        call(tmp_path / "home", {"transcript_path": str(path)}, timeout=60)
    assert [one.read_bytes() for one in (tmp_path / "home").rglob("*.part")] == [b"{}\n"]


def test_a_home_that_cannot_be_written_holds_nobody_up(tmp_path):
    (tmp_path / "home").write_bytes(b"a file")
    path = tmp_path / "t.jsonl"
    path.write_bytes(b"{}\n")
    done = call(tmp_path / "home", {"transcript_path": str(path)})
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_held_lock_is_not_waited_for(tmp_path):
    path, home = tmp_path / "t.jsonl", str(tmp_path / "home")
    path.write_bytes(b"{}\n")
    hook.spool(home, str(path), {})
    path.write_bytes(b"{}\n{}\n")
    with hook.Lock(hook.place(home, str(path)), 0):
        began = time.monotonic()
        assert hook.take(json.dumps({"transcript_path": str(path)}).encode(), home) == 0
        assert time.monotonic() - began < 2
    assert hook.take(json.dumps({"transcript_path": str(path)}).encode(), home) == 3


def test_the_home_is_the_one_that_earnest_has(monkeypatch):
    for name, value in (("EARNEST_HOME", ""), ("XDG_DATA_HOME", "/x/y"), ("EARNEST_HOME", "/z/h")):
        monkeypatch.setenv(name, value)
        assert hook.default_home() == str(default_home())


def _many(home, path, times):
    for _ in range(times):
        hook.spool(home, path, {}, patience_s=5)


def test_many_at_once_double_nothing(tmp_path):
    path, home = tmp_path / "t.jsonl", str(tmp_path / "home")
    path.write_bytes(b"")
    workers = [
        multiprocessing.get_context("fork").Process(target=_many, args=(home, str(path), 60))
        for _ in range(4)
    ]
    for worker in workers:
        worker.start()
    with path.open("ab", buffering=0) as file:
        for number in range(300):
            file.write(b'{"n": %d}\n' % number)
    for worker in workers:
        worker.join()
    hook.spool(home, str(path), {})
    assert copied(home, path) == [path.read_bytes()]


def test_a_killed_hook_leaves_a_copy_that_goes_on(tmp_path):
    path, home = tmp_path / "t.jsonl", tmp_path / "home"
    path.write_bytes(os.urandom(24 << 20).replace(b"\n", b" ") + b"\n")
    for wait in (0.01, 0.02, 0.03, 0.04, 0.06):
        event = json.dumps({"transcript_path": str(path), "hook_event_name": "SessionEnd"})
        started = subprocess.Popen(
            [sys.executable, "-I", "-S", str(HOOK), "--home", str(home)], stdin=subprocess.PIPE
        )
        started.stdin.write(event.encode())
        started.stdin.close()
        time.sleep(wait)
        started.send_signal(signal.SIGKILL)
        started.wait()
        for one in copied(home, path):
            assert path.read_bytes().startswith(one)
    while hook.spool(str(home), str(path), {}, patience_s=5):
        pass
    assert copied(home, path) == [path.read_bytes()]


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("add"), st.binary(min_size=1, max_size=200)),
            st.tuples(st.just("cut"), st.integers(0, 150)),
            st.tuples(st.just("new"), st.binary(max_size=200)),
        ),
        max_size=12,
    )
)
def test_the_spool_has_the_file_as_it_is_now(tmp_path_factory, steps):
    folder = tmp_path_factory.mktemp("spool")
    path, home = folder / "t.jsonl", folder / "home"
    path.write_bytes(b"")
    for what, value in steps:
        if what == "add":
            with path.open("ab") as file:
                file.write(value)
        elif what == "cut":
            os.truncate(path, min(value, path.stat().st_size))
        else:
            path.write_bytes(value)
        hook.spool(str(home), str(path), {})
        assert path.read_bytes() == b"" or copied(home, path)[-1] == path.read_bytes()


def test_the_hook_is_quick(tmp_path, capsys):
    """200 calls; each beside an interpreter that does nothing. It may take 50 ms of its own."""
    path, home = tmp_path / "t.jsonl", tmp_path / "home"
    path.write_bytes(b'{"text": "' + b"x" * 2000 + b'"}\n')
    event = json.dumps({"transcript_path": str(path), "session_id": "s", "cwd": "/x"}).encode()

    def took(command, data):
        began = time.perf_counter()
        subprocess.run(command, input=data, capture_output=True, check=True)
        return (time.perf_counter() - began) * 1000

    mine, bare = [], []
    for _ in range(200 if os.environ.get("EARNEST_MEASURE") else 40):
        with path.open("ab") as file:
            file.write(b'{"text": "' + b"y" * 2000 + b'"}\n')
        mine.append(took([sys.executable, "-I", "-S", str(HOOK), "--home", str(home)], event))
        bare.append(took([sys.executable, "-c", "pass"], b""))
    mine.sort()
    bare.sort()
    middle, high = len(mine) // 2, int(len(mine) * 0.95)
    with capsys.disabled():
        print(  # noqa: T201
            f"\nhook: median {mine[middle]:.1f} ms, p95 {mine[high]:.1f} ms; "
            f"python -c pass: {bare[middle]:.1f}, {bare[high]:.1f} (n = {len(mine)})"
        )
    # On a busy machine all takes longer: what does nothing says how much.
    assert mine[middle] - bare[middle] < max(50, bare[middle])
    assert copied(home, path) == [path.read_bytes()]
