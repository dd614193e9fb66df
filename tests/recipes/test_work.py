"""A run on a copy of the user's folder: snapshots, diff, undo, accept."""

import contextlib
import json
import os
import pty
import signal
import stat
import subprocess
import sys
import time

import pytest

from earnest.cli import main
from earnest.core.budget import Budget
from earnest.core.canon import digest
from earnest.core.errors import EarnestError, ToolError, UsageError
from earnest.core.events import EventLog
from earnest.models.scripted import ScriptedModel, say, use
from earnest.recipes import apart, research, work, work_apply
from earnest.recipes.earlier_notes import earlier_notes
from earnest.recipes.known import informed
from earnest.recipes.work import Change

RUN = "r1"


def write(path, content):
    return use("write", {"path": path, "content": content}, id=f"w-{path}")


SCRIPT = [
    write("a.txt", "one\n"),
    write("src/new.py", "print('new')\n"),
    use("glob", {"pattern": "**"}),
    write("a.txt", "two\n"),
    use("notes", {"action": "append", "text": "I did it."}),
    write(".git/hooks/pre-commit", "#!/bin/sh\ntouch /tmp/owned\n"),
    write(".env", "KEY=1"),
    say("done"),
]


@pytest.fixture
def mine(tmp_path):
    folder = tmp_path / "mine"
    (folder / "src").mkdir(parents=True)
    (folder / "a.txt").write_text("old\n")
    (folder / "b.txt").write_text("stays\n")
    (folder / "src" / "tool.sh").write_text("#!/bin/sh\n")
    (folder / "src" / "tool.sh").chmod(0o755)
    (folder / ".env").write_text("TOKEN=secret")
    return folder


def do(home, sandbox, turns, folder=None, run=RUN):
    task = research.make_task("Mend it.", [])
    if not (home.runs / run / "run.json").exists():
        if folder:
            work.begin_work(home.root, run, folder, [])
        research.begin(home, run, task, research.Begun("scripted", Budget()))
    return research.explore(home, run, task, ScriptedModel(turns), sandbox, lambda _: None)


@pytest.fixture
def ran(home, sandbox, mine):
    assert do(home, sandbox, SCRIPT, mine).status == "done"
    return home


def verb(home, capsys, *words):
    status = main(["runs", *words, "--home", str(home.root), "--json"])
    return status, json.loads(capsys.readouterr().out)


def names(found):
    return [(one["name"], one["change"]) for one in found["files"]]


def tree(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_folder_itself_is_not_written(ran, mine):
    assert tree(mine) == {
        "a.txt": b"old\n",
        "b.txt": b"stays\n",
        "src/tool.sh": b"#!/bin/sh\n",
        ".env": b"TOKEN=secret",
    }
    assert not any(b"TOKEN" in data for data in tree(ran.runs / RUN / "workspace").values())


def test_the_diff_has_what_differs_and_no_more(ran, capsys):
    status, found = verb(ran, capsys, "diff", RUN)
    assert status == 0
    assert names(found) == [("a.txt", "changed"), ("src/new.py", "added")]
    assert "--- a/a.txt\n+++ b/a.txt\n@@ -1 +1 @@\n-old\n+two\n" in found["diff"]
    assert "--- /dev/null\n+++ b/src/new.py\n" in found["diff"]
    assert found["left_out"] == {".env": "its name is one that secrets have"}
    _, found = verb(ran, capsys, "diff", RUN, "--step", "1")
    assert names(found) == [("a.txt", "changed")]
    assert "+one" in found["diff"]
    _, found = verb(ran, capsys, "diff", RUN, "--step", "2")
    assert names(found) == [("a.txt", "changed"), ("src/new.py", "added")]


def test_binary_files_and_escapes_are_told_not_shown(home, sandbox, mine, capsys):
    (mine / "picture.png").write_bytes(b"\0\1")
    do(home, sandbox, [write("a.txt", "\x1b[2Jgone\n"), say("done")], mine)
    (home.runs / RUN / "workspace" / "picture.png").write_bytes(b"\0\1\2")
    assert main(["runs", "diff", RUN, "--home", str(home.root)]) == 0
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "+\\u{1b}[2Jgone" in shown
    assert "binary or too long to show: 2 bytes, then 3" in shown


def test_empty_files_are_shown_and_lines_end_where_git_ends_them(home, sandbox, mine, capsys):
    (mine / "gone.txt").write_text("")
    text = "one\u2028still one\x0cstill one\ntwo\n"
    do(home, sandbox, [write("__init__.py", ""), write("c.txt", text), say("done")], mine)
    (home.runs / RUN / "workspace" / "gone.txt").unlink()
    found = verb(home, capsys, "diff", RUN)[1]["diff"]
    assert "--- /dev/null\n+++ b/__init__.py\nan empty file\n" in found
    assert "--- a/gone.txt\n+++ /dev/null\nan empty file\n" in found
    assert f"@@ -0,0 +1,2 @@\n+{text.partition(chr(10))[0]}\n+two\n" in found
    assert "No newline" not in found


def test_what_was_typed_before_the_diff_was_there_agrees_to_nothing(ran, mine):
    master, slave = pty.openpty()
    os.write(master, b"y\n")
    words = [sys.executable, "-m", "earnest", "runs", "accept", RUN, "--home", str(ran.root)]
    with subprocess.Popen(
        words, stdin=slave, stdout=slave, stderr=subprocess.PIPE, text=True
    ) as process:
        for line in process.stderr:
            if "[y/N]" in line:
                break
        time.sleep(0.3)  # what was typed ahead is thrown away now
        assert process.poll() is None
        end = time.monotonic() + 60
        while process.poll() is None:  # what we type may be thrown away, too, where it was late
            assert time.monotonic() < end
            os.write(master, b"\n")
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.3)
        assert process.returncode == 1
    os.close(slave)
    os.close(master)
    assert (mine / "a.txt").read_text() == "old\n"


def test_an_undo_that_breaks_off_is_not_recorded_and_can_be_done_again(ran, capsys):
    log, blob = ran.runs / RUN / "events.jsonl", ran.blobs.path(digest(b"one\n"))
    data = blob.read_bytes()
    blob.unlink()
    assert main(["runs", "undo", RUN, "--to", "1", "--home", str(ran.root)]) == 1
    assert b'"kind":"undo"' not in log.read_bytes()
    blob.write_bytes(data)
    assert verb(ran, capsys, "undo", RUN, "--to", "1")[1]["files"]
    assert b'"kind":"undo"' in log.read_bytes()


def test_undo_goes_back_step_by_step(ran, capsys):
    there = ran.runs / RUN / "workspace"
    status, told = verb(ran, capsys, "undo", RUN, "--to", "2")
    assert (status, told["to"]) == (0, 2)
    assert (there / "a.txt").read_text() == "one\n"
    assert not (there / ".env").exists()
    assert (there / "src" / "new.py").exists()
    notes = (there / "NOTES.md").read_text()
    assert notes.startswith("I did it.\n")
    assert "back to what it was after step 2" in notes
    assert verb(ran, capsys, "undo", RUN)[1]["to"] == 1
    assert not (there / "src" / "new.py").exists()
    assert verb(ran, capsys, "undo", RUN)[1]["to"] == 0
    assert (there / "a.txt").read_text() == "old\n"
    assert main(["runs", "undo", RUN, "--home", str(ran.root)]) == 2
    assert verb(ran, capsys, "undo", RUN, "--to", "7")[1]["to"] == 7  # what was undone is there
    assert (there / "a.txt").read_text() == "two\n"


def test_a_resumed_agent_knows_of_an_undo(home, sandbox, mine):
    def cut_off(messages):
        raise KeyboardInterrupt

    def looks(messages):
        seen.append(messages[-1].content)
        return say("done")

    seen, begun = [], [write("a.txt", "one\n"), write("a.txt", "two\n")]
    assert do(home, sandbox, [*begun, cut_off], mine).status == "stopped"
    assert work.undo(home, RUN)["to"] == 1
    assert do(home, sandbox, [*begun, looks]).status == "done"
    assert "back to what it was after step 1. Changed: a.txt" in seen[0]


def test_the_user_s_own_notes_stay_theirs(home, sandbox, mine):
    (mine / "NOTES.md").write_text("mine\n")
    do(home, sandbox, SCRIPT, mine)
    work.undo(home, RUN, 1)
    there = home.runs / RUN / "workspace"
    assert (there / "NOTES.md").read_text() == "mine\n"
    assert "back to what it was after step 1" in (there / "PLAN.md").read_text()
    ref = mine.parent / "t.csv"
    ref.write_text("a,b\n" + "".join(f"{n},{n % 7}\n" for n in range(60)))
    task = informed(home, research.make_task("And?", apart.seal(home, [ref], design="iid")))
    assert list(dict(earlier_notes(home, "r2", task)())) == [f"{RUN}/PLAN.md"]


def test_a_run_without_a_folder_has_snapshots_too(home, sandbox, capsys):
    do(home, sandbox, SCRIPT)
    assert ("a.txt", "added") in names(verb(home, capsys, "diff", RUN)[1])
    assert verb(home, capsys, "undo", RUN, "--to", "0")[0] == 0
    assert names(verb(home, capsys, "diff", RUN)[1]) == []
    assert main(["runs", "accept", RUN, "--yes", "--home", str(home.root)]) == 2


def test_a_run_that_is_worked_on_is_left_alone(ran):
    with EventLog(ran.runs / RUN / "events.jsonl"), pytest.raises(EarnestError, match="another"):
        work.undo(ran, RUN)


def test_accept_writes_the_diff_and_nothing_else(ran, mine, capsys):
    (ran.runs / RUN / "workspace" / "src" / "tool.sh").write_text("#!/bin/sh\necho\n")
    (ran.runs / RUN / "workspace" / "src" / "new.py").chmod(0o777)
    (ran.runs / RUN / "workspace" / "b.txt").unlink()
    status, told = verb(ran, capsys, "accept", RUN, "--yes")
    assert status == 0
    assert sorted(told["written"]) == ["a.txt", "b.txt", "src/new.py", "src/tool.sh"]
    assert tree(mine) == {
        "a.txt": b"two\n",
        "src/new.py": b"print('new')\n",
        "src/tool.sh": b"#!/bin/sh\necho\n",
        ".env": b"TOKEN=secret",
    }
    modes = [stat.S_IMODE((mine / "src" / name).stat().st_mode) for name in ("tool.sh", "new.py")]
    assert modes[0] == 0o755
    assert not modes[1] & 0o111
    assert verb(ran, capsys, "diff", RUN)[1]["files"] == []
    assert verb(ran, capsys, "undo", RUN, "--to", "0")[0] == 0  # and the way back is a diff as well
    assert verb(ran, capsys, "accept", RUN, "--yes")[0] == 0
    assert (mine / "a.txt").read_text() == "old\n"
    assert (mine / "b.txt").exists()


def test_accept_asks_and_needs_someone_to_ask(ran, mine, capsys):
    before = tree(mine)
    assert main(["runs", "accept", RUN, "--home", str(ran.root)]) == 2
    assert "--yes" in capsys.readouterr().err
    assert tree(mine) == before


def test_only_what_is_named_is_written(ran, mine, capsys):
    _, told = verb(ran, capsys, "accept", RUN, "--yes", "--only", "src")
    assert told["written"] == ["src/new.py"]
    assert (mine / "a.txt").read_text() == "old\n"
    assert names(verb(ran, capsys, "diff", RUN)[1]) == [("a.txt", "changed")]
    words = ["runs", "accept", RUN, "--yes", "--home", str(ran.root), "--only", "sr"]
    assert main(words) == 2


def _changed(mine):
    (mine / "a.txt").write_text("mine\n")


def _gone(mine):
    (mine / "a.txt").unlink()


def _link(mine):
    (mine.parent / "target.txt").write_text("old\n")
    (mine / "a.txt").unlink()
    (mine / "a.txt").symlink_to(mine.parent / "target.txt")


def _taken(mine):
    (mine / "src" / "new.py").write_text("mine\n")


def _folder_link(mine):
    (mine / "src").rename(mine.parent / "elsewhere")
    (mine / "src").symlink_to(mine.parent / "elsewhere")


@pytest.mark.parametrize("change", [_changed, _gone, _link, _taken, _folder_link])
def test_nothing_is_written_where_the_user_was_there_since(ran, mine, capsys, change):
    change(mine)
    before = tree(mine.parent)
    status, told = verb(ran, capsys, "accept", RUN, "--yes")
    assert status == 1
    assert len(told["refused"]) == 1
    assert told["written"] == []
    assert {k: v for k, v in tree(mine.parent).items() if not k.startswith("home/")} == {
        k: v for k, v in before.items() if not k.startswith("home/")
    }


@pytest.mark.parametrize("name", ["../out.txt", "/etc/x", ".git/config", "a/../../b", ".ENV"])
def test_no_change_leaves_the_folder_whatever_the_run_says(home, mine, name):
    blob = home.blobs.put(b"bad")
    before = tree(mine.parent)
    one = Change(name, "", blob)
    try:
        refused = work_apply.conflicts(mine, [one])
    except ToolError:
        refused = {name: "no path"}
    assert set(refused) == {name}
    assert set(tree(mine.parent)) - set(before) == set()


def test_a_file_that_changes_at_the_last_moment_is_kept(home, mine):
    one = Change("a.txt", home.blobs.put(b"older\n"), home.blobs.put(b"new\n"))
    with pytest.raises(EarnestError, match="just now"):
        work_apply.apply(mine, [one], home.blobs, RUN)
    assert (mine / "a.txt").read_text() == "old\n"
    assert not list(mine.glob(".earnest-*"))


KILLED = """
import os, sys, time
from pathlib import Path
from earnest.core.home import Home
from earnest.recipes import work, work_apply
home, folder = Home(Path(sys.argv[1])), Path(sys.argv[2])
left, replace = iter(range(50)), os.replace
def replaced(*names, **more):
    replace(*names, **more)
    if "dst_dir_fd" in more and next(left, None) is None:  # by which the user's files are replaced
        print("in the middle", flush=True)
        time.sleep(600)
os.replace = replaced
work_apply.apply(folder, work.changes(home, "r1"), home.blobs, "r1")
"""


def test_a_kill_in_the_middle_leaves_whole_files_and_a_second_accept_ends_it(ran, mine, capsys):
    for number in range(100):
        (mine / f"f{number}.txt").write_text(f"old {number}\n" * 500)
    work.begin_work(ran.root, "r2", mine, [])
    there = ran.runs / "r2" / "workspace"
    for number in range(100):
        (there / f"f{number}.txt").write_text(f"new {number}\n" * 500)
    with EventLog(ran.runs / "r2" / "events.jsonl") as log:
        log.append("start", {})
    code = KILLED.replace('"r1"', '"r2"')
    words = [sys.executable, "-c", code, str(ran.root), str(mine)]
    environment = dict(os.environ)
    process = subprocess.Popen(words, stdout=subprocess.PIPE, env=environment)
    assert process.stdout.readline() == b"in the middle\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    texts = {number: (mine / f"f{number}.txt").read_text() for number in range(100)}
    assert all(text in (f"old {n}\n" * 500, f"new {n}\n" * 500) for n, text in texts.items())
    assert len({text[:3] for text in texts.values()}) == 2  # it was killed in the middle
    assert verb(ran, capsys, "accept", "r2", "--yes")[0] == 0
    assert all((mine / f"f{n}.txt").read_text() == f"new {n}\n" * 500 for n in range(100))
    assert not list(mine.glob(".earnest-*"))


def test_the_tables_of_a_run_and_our_own_folder_are_not_handed_in(home, mine, tmp_path):
    rows = ["x,y", *(f"{n / 7:.4f},{n % 5}" for n in range(200))]
    (tmp_path / "t.csv").write_text("\n".join(rows))
    (ref,) = apart.seal(home, [tmp_path / "t.csv"], design="iid")
    (mine / "again.tsv").write_text("\n".join(row.replace(",", "\t") for row in rows))
    (mine / "other.csv").write_text("x,y\n1.5,2\n3.3,4\n5.2,6\n7.7,8\n")
    found = apart.hand_in(home, "r2", mine, [ref.table])
    assert "again.tsv" in found.left_out
    assert {"again.tsv", "other.csv"} & set(tree(home.runs / "r2" / "workspace")) == {"other.csv"}
    with pytest.raises(UsageError, match="own folder"):
        apart.hand_in(home, "r3", tmp_path, [])
    with pytest.raises(UsageError, match="own folder"):
        apart.hand_in(home, "r3", home.root / "tables", [])


def test_a_table_that_another_run_was_about_is_not_handed_in_either(home, mine, tmp_path):
    rows = ["x,y", *(f"{n / 7:.4f},{n % 5}" for n in range(200))]
    (tmp_path / "t.csv").write_text("\n".join(rows))
    apart.seal(home, [tmp_path / "t.csv"], design="iid")
    (mine / "t.csv").write_text("\n".join(rows))
    (mine / "b.zip").write_bytes(b"packed")
    found = apart.hand_in(home, "r2", mine, [])
    assert set(found.left_out) == {"t.csv", ".env"}
