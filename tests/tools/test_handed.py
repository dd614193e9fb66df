"""What comes into a run of a user's folder, and what stays out."""

import contextlib
import subprocess

import pytest

from earnest.core.errors import UsageError
from earnest.tools.handed import barred, hand_in, rows_of
from earnest.tools.workspace import MOST_FILES

TABLE = "x,y,name\n1.5,2,oak\n2.5,3,fir\n3.5,4,elm\n"


def git(folder, *words):
    names = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(["git", *names, *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "mine"
    (folder / "src").mkdir(parents=True)
    (folder / "src" / "a.py").write_text("print(1)\n")
    (folder / "README.md").write_text("hello, all, here\n")
    return folder


def test_plain_files_come_in_and_links_do_not(folder, tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "o.txt").write_text("o")
    (folder / "link.txt").symlink_to(tmp_path / "outside" / "o.txt")
    (folder / "linked").symlink_to(tmp_path / "outside")
    found = hand_in(folder)
    assert found.files == {"README.md": b"hello, all, here\n", "src/a.py": b"print(1)\n"}
    assert found.left_out == {"link.txt": "no plain file", "linked/": "a link"}


@pytest.mark.parametrize(
    "name",
    [".env", "conf/.env.local", "a/id_rsa", "server.pem", ".ssh/config", "x/.GIT/a", ".hg/hgrc"],
)
def test_secrets_and_repositories_stay_out(folder, name):
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("x")
    assert barred(name)
    assert not any(data.decode() == "x" for data in hand_in(folder, ()).files.values())


@pytest.mark.parametrize(
    "name", ["a.py", ".env.example", "key.py", "docs/environment.md", ".github/a"]
)
def test_other_names_come_in(name):
    assert barred(name) == ""


def test_a_private_key_stays_out_whatever_its_name(folder):
    (folder / "notes.txt").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nx\n")
    assert hand_in(folder).left_out == {"notes.txt": "it holds a private key"}


def test_what_git_ignores_stays_out_and_its_monitor_is_not_run(folder, tmp_path):
    git(folder, "init", "-q")
    ran = tmp_path / "ran"
    git(folder, "config", "core.fsmonitor", f"touch {ran}; echo")
    (folder / ".gitignore").write_text("build/\n*.log\n")
    (folder / "build").mkdir()
    (folder / "build" / "b.txt").write_text("b")
    (folder / "a.log").write_text("l")
    found = hand_in(folder)
    assert set(found.files) == {".gitignore", "README.md", "src/a.py"}
    assert {"a.log", "build/b.txt", ".git/"} == set(found.left_out)
    assert not ran.exists()


def test_a_folder_of_which_git_can_not_speak_is_refused(folder):
    (folder / ".git").write_text("gitdir: nowhere\n")
    with pytest.raises(UsageError, match="git can't say"):
        hand_in(folder)


def test_too_many_files_are_refused(folder):
    for number in range(MOST_FILES):
        (folder / f"{number}.txt").touch()
    with pytest.raises(UsageError, match="too much"):
        hand_in(folder)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("copy.csv", TABLE),
        ("other.txt", "name;x;y\noak;1.50;2.0\nfir;2.50;3.0\nelm;3.50;4.0\n"),
        (
            "rows.jsonl",
            '{"x": 1.5, "y": 2, "name": "oak"}\n{"x": 2.5, "y": 3, "name": "fir"}\n'
            '{"x": 3.5, "y": 4, "name": "elm"}\n',
        ),
        (
            "list.json",
            '[{"x": 1.5, "y": 2, "name": "oak"}, {"x": 2.5, "y": 3, "name": "fir"},'
            ' {"x": 3.5, "y": 4, "name": "elm"}]',
        ),
        ("t.parquet", "who knows"),
    ],
)
def test_rows_of_the_tables_stay_out(folder, name, text):
    (folder / name).write_text(text)
    rows = set(rows_of(TABLE.encode(), ".csv"))
    assert name in hand_in(folder).files
    assert set(hand_in(folder, rows, packed=True).left_out) == {name}


def test_another_table_comes_in(folder):
    (folder / "other.csv").write_text("x,y,name\n1.5,2,ash\n2.5,3,yew\n9,9,elm\n")
    assert "other.csv" in hand_in(folder, set(rows_of(TABLE.encode(), ".csv"))).files


def test_what_a_repository_lacks_is_not_fetched_by_a_program_that_it_names(tmp_path):
    """A sparse index that lacks a folder's tree: git asks the remote for it, by its own command."""
    here = tmp_path / "sparse"
    (here / "a").mkdir(parents=True)
    (here / "c").mkdir()
    (here / "a" / "x").write_text("1")
    (here / "c" / "y").write_text("2")

    def git(*words):
        who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        words = ["git", "-C", str(here), *who, *words]
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()

    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "x")
    git("sparse-checkout", "init", "--cone", "--sparse-index")
    git("sparse-checkout", "set", "c")
    tree = git("rev-parse", "HEAD:a")
    (here / ".git" / "objects" / tree[:2] / tree[2:]).unlink()
    program, ran = tmp_path / "program", tmp_path / "ran"
    program.write_text(f"#!/bin/sh\ntouch {ran}\n")
    program.chmod(0o755)
    told = {"url": str(tmp_path), "promisor": "true", "uploadpack": str(program)}
    git("config", "core.repositoryformatversion", "1")
    git("config", "extensions.partialClone", "origin")
    for name, value in told.items():
        git("config", f"remote.origin.{name}", value)
    with contextlib.suppress(UsageError):  # some versions of git can say it all the same
        hand_in(here)
    assert not ran.exists()
