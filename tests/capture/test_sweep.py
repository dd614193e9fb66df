"""Importing: nothing lost, nothing doubled, nothing kept with its secrets in."""

import gzip
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from earnest.capture import hook, inspect_log, spool, store, sweep
from earnest.capture.store import Store
from earnest.capture.sweep import forget
from earnest.core.errors import CaptureError, LackError

SECRET = "ghp_" + "aB3dE5fG7hI9jK1lM2nO4pQ6rS8tU0vW2xY4"


def quiet(line):
    """Progress for nobody."""


def texts(captured):
    return [turn.text for turn in captured.session().turns()]


def everything(home):
    """All bytes below a home, unpacked where they are packed."""
    found = b""
    for path in home.root.rglob("*"):
        if path.is_file() and "redaction" not in path.parts:
            data = path.read_bytes()
            found += gzip.decompress(data) if path.suffix == ".gz" else data
    return found


@pytest.fixture
def root(tmp_path):
    (tmp_path / "projects" / "-p").mkdir(parents=True)
    return tmp_path / "projects"


@pytest.fixture
def path(root):
    return root / "-p" / "s-1.jsonl"


def test_a_growing_transcript_is_taken_line_by_line(home, importer, path, root, line):
    content = "".join(line(number, f"text {number}") + "\n" for number in range(6)).encode()
    for stop in (*range(0, len(content), 97), len(content)):
        path.write_bytes(b"") if not path.exists() else None
        with path.open("r+b") as file:
            file.seek(0, os.SEEK_END)
            file.write(content[file.tell() : stop])
        importer().sweep([root], quiet)
    (one,) = Store(home.root).all()
    assert texts(one) == [f"text {number}" for number in range(6)]
    assert [turn.line for turn in one.session().turns()] == [1, 2, 3, 4, 5, 6]


def test_an_unfinished_line_waits_and_comes_once(home, importer, path, root, line):
    first, second = line(0, "first"), line(1, "second")
    path.write_text(first + "\n" + second[:40])
    importer().sweep([root], quiet)
    (one,) = Store(home.root).all()
    assert texts(one) == ["first"]
    with path.open("a") as file:
        file.write(second[40:] + "\n")
    importer().sweep([root], quiet)
    again = importer()
    again.sweep([root], quiet)
    assert texts(one) == ["first", "second"]
    assert [turn.line for turn in one.session().turns()] == [1, 2]
    assert again.took == []


def test_hook_and_sweep_together_double_nothing(home, importer, path, root, line):
    for number in range(12):
        with path.open("a") as file:
            file.write(line(number, f"t{number}") + "\n")
        if number % 2:
            hook.spool(str(home.root), str(path), {"session_id": "s-1"})
        if number % 3 == 0:
            importer().sweep([root], quiet)
        if number % 4 == 0:
            importer().spooled(quiet)
    importer().sweep([root], quiet)
    (one,) = Store(home.root).all()
    assert texts(one) == [f"t{number}" for number in range(12)]
    assert one.about["session_id"] == "s-1"


def test_what_was_spooled_outlives_the_transcript(home, importer, path, root, line):
    path.write_text(line(0, "gone soon") + "\n" + line(1, "cut")[:30])
    hook.spool(str(home.root), str(path), {})
    path.unlink()
    importer().sweep([root], quiet)
    (one,) = Store(home.root).all()
    assert texts(one) == ["gone soon"]


def test_a_rewritten_transcript_keeps_both_and_doubles_no_line(home, importer, path, root, line):
    old = [line(number, f"old {number}") for number in range(4)]
    path.write_text("\n".join(old) + "\n")
    importer().sweep([root], quiet)
    fresh = line(9, "new")
    path.write_text("\n".join([*old[:2], fresh]) + "\n")
    importer().sweep([root], quiet)
    (one,) = Store(home.root).all()
    assert texts(one) == ["old 0", "old 1", "old 2", "old 3", "new"]


def test_secrets_are_nowhere_below_the_home_afterwards(home, importer, path, root, line):
    printed = [{"type": "tool_result", "tool_use_id": "t", "content": f"TOKEN={SECRET}\nok"}]
    path.write_text(
        line(0, f"the token is {SECRET}") + "\n" + line(1, role="user", blocks=printed) + "\n"
        + f'{{"broken": "{SECRET}\n' + line(2, "mail jane.roe@somewhere-real.com") + "\n"
    )  # fmt: skip
    hook.spool(str(home.root), str(path), {})
    took = importer()
    took.sweep([root], quiet)
    kept = everything(home)
    assert SECRET.encode() not in kept
    assert b"jane.roe" not in kept
    assert sum(took.took[0].redacted.values()) >= 4
    (one,) = Store(home.root).all()
    assert sum(one.counts()["redacted"].values()) >= 4
    assert len(list(one.session().turns())) == 4


def test_lines_without_secrets_are_kept_to_the_byte(home, importer, path, root, line):
    raw = [line(0, "é ü \u2028 \\n"), '{"a":1,  "b" : 2.50}', "not json at all", '{"cut": "']
    path.write_text("\n".join(raw) + "\n")
    importer().sweep([root], quiet)
    (one,) = Store(home.root).all()
    assert [piece.raw.decode() for piece in one.pieces()] == raw


def test_sub_agents_belong_to_their_session(home, importer, path, root, line):
    inner = path.with_suffix("") / "subagents" / "agent-abc.jsonl"
    inner.parent.mkdir(parents=True)
    path.write_text(line(0, "main") + "\n")
    inner.write_text(line(0, "inner", isSidechain=True, agentId="abc") + "\n")
    importer().sweep([root], quiet)
    store = Store(home.root)
    main = store.find("s-1")
    (child,) = [one for one in store.all() if one.about.get("parent")]
    assert child.session().parent == main.id
    assert [turn.agent for turn in child.session().turns()] == ["abc"]


def test_links_lead_nowhere(home, importer, root, tmp_path, line):
    (tmp_path / "private.jsonl").write_text(line(0, "private") + "\n")
    (root / "-p" / "l.jsonl").symlink_to(tmp_path / "private.jsonl")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "o.jsonl").write_text(line(0, "other") + "\n")
    (root / "q").symlink_to(tmp_path / "other")
    importer().sweep([root], quiet)
    assert Store(home.root).all() == []


def test_a_dry_run_keeps_nothing(home, importer, path, root, line):
    path.write_text(line(0, f"x {SECRET}") + "\n")
    took = importer(dry=True)
    took.sweep([root], quiet)
    assert took.took[0].lines == 1
    assert took.took[0].redacted
    assert Store(home.root).all() == []
    assert not list(home.root.rglob("*.part"))


def test_what_is_forgotten_does_not_come_back(home, importer, path, root, line):
    path.write_text(line(0, "one") + "\n")
    importer().sweep([root], quiet)
    (one,) = Store(home.root).all()
    one.forget()
    with path.open("a") as file:
        file.write(line(1, "two") + "\n")
    importer().sweep([root], quiet)
    assert texts(one) == []
    assert b"two" not in everything(home)


def test_what_is_forgotten_is_gone_from_the_spool_as_well(home, importer, path, root, line):
    path.write_text(line(0, "one") + "\n" + line(1, "not finished"))
    importer().sweep([root], quiet)
    (one,) = Store(home.root).all()
    (one.folder / ".0-7.body").write_bytes(b"a draft")
    assert b"not finished" in everything(home)
    forget(home.root, one)
    assert b"not finished" not in everything(home)
    assert {file.name for file in one.folder.iterdir()} == {"session.json", "forgotten"}
    with path.open("a") as file:
        file.write("\n" + line(2, "more") + "\n")
    importer().sweep([root], quiet)
    assert texts(one) == []
    assert b"more" not in everything(home)
    assert b"not finished" not in everything(home)


def test_what_is_said_of_a_session_is_redacted_and_short(home, importer, path, root, line):
    path.write_text(line(0, "one", session=SECRET, agentId="a" * 9000) + "\n")
    importer().sweep([root], quiet)
    (one,) = Store(home.root).all()
    assert SECRET.encode() not in everything(home)
    assert "[redacted" in one.about["session_id"]
    assert len(one.about["agent"]) <= 1000


def test_a_name_that_would_steer_a_terminal_is_written_out(home, importer, root, line):
    root.mkdir(parents=True, exist_ok=True)
    (root / "a\x1b[2J.jsonl").write_text(line(0, "one") + "\n")
    told = []
    importer().sweep([root], told.append)
    assert "a\\u{1b}[2J.jsonl" in "".join(told)
    assert "\x1b" not in "".join(told)


def test_without_a_detector_nothing_is_kept(home, monkeypatch):
    monkeypatch.setattr(sweep.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(LackError, match="secrets") as caught:
        sweep.Importer(home.root)
    assert "earnest[capture]" in caught.value.mend


def chat(*texts):
    return [{"role": "assistant", "content": text} for text in texts]


def test_a_document_is_kept_once_a_version(home, importer, tmp_path):
    path = tmp_path / "c.json"
    for messages in (chat("a"), chat("a"), chat("a", "b")):
        path.write_text(json.dumps(messages))
        importer().named(path, "", quiet)
    (one,) = Store(home.root).all()
    assert texts(one) == ["a", "b"]
    assert len(one.chunks()) == 2


def test_a_folder_says_what_it_left_out(home, importer, tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "a.json").write_text(json.dumps(chat("a")))
    (tmp_path / "d" / "b.json").write_text('{"name": "package"}')
    (tmp_path / "d" / "c.eval").write_bytes(b"PK\x03\x04 not a zip")
    took = importer()
    took.named(tmp_path / "d", "", quiet)
    assert len(took.took) == 1
    assert len(took.left_out) == 2
    with pytest.raises(CaptureError):
        took.named(tmp_path / "nothing", "", quiet)


def test_a_zip_that_unpacks_to_too_much_is_refused(home, importer, tmp_path, monkeypatch):
    monkeypatch.setattr(inspect_log, "_SLACK", 1 << 20)
    path = tmp_path / "bomb.eval"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("samples/1_epoch_1.json", "w") as member,
    ):
        member.write(b'{"messages":[{"role":"user","content":"')
        for _ in range(20):
            member.write(b" " * (1 << 20))
        member.write(b'"}]}')
    with pytest.raises(CaptureError, match="unpacks to more"):
        importer().named(path, "", quiet)


def test_one_that_is_spoiled_holds_the_others_up_no_more(home, importer, path, root, line):
    other = path.with_name("s-2.jsonl")
    for one in (path, other):
        one.write_text(line(0, one.stem, session=one.stem) + "\n")
    importer().sweep([root], quiet)
    spoiled = Store(home.root).find("s-1").chunks()[0].path
    spoiled.write_bytes(b"no gzip")
    for one in (path, other):
        with one.open("a") as file:
            file.write(line(1, "more", session=one.stem) + "\n")
        hook.spool(str(home.root), str(one), {})
    took = importer()
    took.spooled(quiet)
    assert len(took.left_out) == 1
    assert texts(Store(home.root).find("s-2")) == ["s-2", "more"]


def test_two_imports_take_turns(home, importer):
    second = spool.importing(home.root, patience_s=0.01)
    with spool.importing(home.root), pytest.raises(CaptureError, match="at work"):
        second.__enter__()


class CrashedError(Exception):
    """Raised where an import is to end, as a crash would end it."""


def crashing(monkeypatch, number):
    """Let the process crash after its so manyth change to the disk; return how many there were."""
    done = []

    def after(holder, name):
        real = getattr(holder, name)

        def act(*arguments, **options):
            found = real(*arguments, **options)
            done.append(name)
            if len(done) == number:
                raise CrashedError(name)
            return found

        monkeypatch.setattr(holder, name, act)

    after(spool, "write_whole")
    after(hook, "write_state")
    after(hook.os, "write")
    after(store.os, "replace")
    after(Path, "unlink")
    after(Path, "replace")
    return done


def crash_and_go_on(number, home, importer, path, root, lines, monkeypatch):
    """Crash at one step of an import, write on, and import again; say whether it crashed."""
    path.write_text("\n".join(lines[:4]) + "\n" + lines[4][:30])
    hook.spool(str(home.root), str(path), {})
    crashed = False
    with monkeypatch.context() as patch:
        crashing(patch, number)
        try:
            importer().sweep([root], quiet)
        except CrashedError:
            crashed = True
    with path.open("a") as file:
        file.write(lines[4][30:] + "\n" + lines[5] + "\n")
    hook.spool(str(home.root), str(path), {})
    importer().sweep([root], quiet)
    return crashed


@pytest.mark.parametrize("number", range(1, 13))
def test_a_crash_at_any_step_loses_and_doubles_nothing(
    number, home, importer, path, root, line, monkeypatch
):
    lines = [line(n, f"t{n}") for n in range(6)]
    crashed = crash_and_go_on(number, home, importer, path, root, lines, monkeypatch)
    (one,) = Store(home.root).all()
    assert [piece.raw.decode() for piece in one.pieces()] == lines
    assert [piece.number for piece in one.pieces()] == [1, 2, 3, 4, 5, 6]
    assert crashed == (number <= 11), "the steps have changed: try each of them"


KILLED = """
import sys, pathlib
from earnest.capture.sweep import Importer
home = pathlib.Path(sys.argv[1])
Importer(home).sweep([pathlib.Path(sys.argv[2])], lambda line: print("x", flush=True))
"""


@pytest.mark.slow
def test_a_killed_import_loses_and_doubles_nothing(home, importer, path, root, line, monkeypatch):
    lines = [line(number, f"t{number} " + "x" * 3000) for number in range(12_000)]
    path.write_text("\n".join(lines) + "\n")
    importer(dry=True).sweep([root], quiet)
    for wait in (0.4, 0.6, 0.8, 1.0, 1.2, 1.4, 1.6, 2.0):
        started = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(home.root), str(root)], stdout=subprocess.DEVNULL
        )
        time.sleep(wait)
        started.send_signal(signal.SIGKILL)
        started.wait()
    importer().sweep([root], quiet)
    (one,) = Store(home.root).all()
    assert [piece.raw.decode() for piece in one.pieces()] == lines
    assert [turn.line for turn in one.session().turns()] == list(range(1, 12_001))


MEASURED = """
import sys, time, resource, pathlib
from earnest.capture.sweep import Importer
from earnest.capture.store import Store
home, root = map(pathlib.Path, sys.argv[1:])
began = time.perf_counter()
Importer(home).sweep([root], lambda line: None)
imported = time.perf_counter() - began
began = time.perf_counter()
turns = sum(1 for _ in Store(home).all()[0].session().turns())
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(f"{imported:.1f} {time.perf_counter() - began:.1f} {peak:.0f} {turns}")
"""


@pytest.mark.slow
def test_200_megabytes_take_bounded_memory(home, path, root, line, capsys):
    number = 0
    with path.open("w") as file:
        while file.tell() < 200_000_000:
            output = "\n".join(f"row {number} {n} value {n * 0.37:.4f}" for n in range(120))
            block = [{"type": "tool_result", "tool_use_id": f"t{number}", "content": output}]
            file.write(line(number, role="user", blocks=block) + "\n")
            number += 1
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, str(home.root), str(root)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    imported, reading, peak, turns = done.stdout.split()
    with capsys.disabled():
        print(  # noqa: T201
            f"\n200 MB, {turns} lines: imported in {imported} s, read in {reading} s, "
            f"peak {peak} MiB"
        )
    assert int(turns) == number
    assert float(peak) < 400


def test_the_search_for_secrets_can_fail(home):
    (home.root / "x.gz").write_bytes(gzip.compress(SECRET.encode()))
    assert SECRET.encode() in everything(home)
